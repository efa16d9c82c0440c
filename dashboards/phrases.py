"""Phrases that sentences about runs and points are made of."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from dashboards import theme

Row = Mapping[Hashable, Any]
"""A row of `experiments.summarise.summary`."""


def latency(point: Row) -> str:
    """Say what a point's median latency is, and its 99th percentile."""
    return (
        f"<strong>{ms(point['latency_ms_p50'])}</strong> (median) and "
        f"{ms(point['latency_ms_p99'])} (99%)"
    )


def load(point: Row) -> str:
    """Say how many clients a point or a run has, or what is offered to it."""
    if point["arrival_rate_rps"]:
        return f"{theme.si(point['arrival_rate_rps'], 'requests/s')} offered"
    return count(point["clients"], "client")


def listed(items: Iterable[str]) -> str:
    """Join items, at least one, with commas and a last `and`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def span(counts: "pd.Series[int]") -> str:
    """Say from what to what numbers reach."""
    return " to ".join(f"{end:,}" for end in ends(counts))


def ends(numbers: "pd.Series[Any]") -> list[float]:
    """Return the least and the greatest, once where they are the same."""
    return sorted({numbers.min(), numbers.max()})


def count(count: float, noun: str) -> str:
    """Say how many there are of something."""
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def ms(value: float) -> str:
    """Write a time."""
    return f"{theme.significant(value)} ms"
