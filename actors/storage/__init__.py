"""Stable storage: what a node keeps through a crash, and what waits until it is kept."""
