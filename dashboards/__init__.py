"""Figures, theme and report: tables in, pictures out; no Ray and no actors."""
