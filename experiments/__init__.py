"""Suites, sweeps, results and the command line."""
