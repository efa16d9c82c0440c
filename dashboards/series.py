"""Which curves a table holds: one a protocol and combination of the settings that were swept."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dashboards import settings, theme
from experiments.results import CONFIGURATION_COLUMNS

PERCENTILES = {
    "p50": "latency_ms_p50",
    "p95": "latency_ms_p95",
    "p99": "latency_ms_p99",
    "p99.9": "latency_ms_p999",
}

LATENCIES: Mapping[str, str] = MappingProxyType({**PERCENTILES, "mean": "latency_ms_mean"})
"""By what of the latency is asked for: its column."""

SETTINGS = ("replicas", *CONFIGURATION_COLUMNS)
"""What may set curves of one protocol apart, beside the clients where it runs along another."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Series:
    """One curve: the rows of one protocol and combination of settings, in order."""

    protocol: str
    settings: str
    """The values of the settings that were swept, as HTML; empty where none was."""
    rank: int
    """Number of the combination of settings: the same combination has it in each protocol."""
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """Return what the legend says, as HTML."""
        return ", ".join(filter(None, (theme.label(self.protocol), self.settings)))


def split(table: pd.DataFrame, along: str = "clients") -> list[Series]:
    """Split a table with columns protocol, clients and `SETTINGS` into its curves.

    Each runs along one of the settings, or along the clients.
    """
    keys = (key for key in ("clients", *SETTINGS) if key != along)
    swept = _telling(table, [key for key in keys if table[key].nunique() > 1])
    ordered = table.sort_values([*swept, along])
    rank_of: dict[tuple[object, ...], int] = {}
    combinations = [tuple(row.values()) for row in ordered[swept].to_dict("records")]
    ranks = np.array([rank_of.setdefault(each, len(rank_of)) for each in combinations], int)
    described = _described(swept, list(rank_of))
    curves: Any = ordered.groupby([ordered["protocol"], ranks])  # Keys are typed as anything.
    return [Series(protocol, described[rank], rank, rows) for (protocol, rank), rows in curves]


def _telling(table: pd.DataFrame, swept: list[str]) -> list[str]:
    """Leave out the settings that a name stands for: a case's, a profile's."""
    for name in ("case", "profile"):
        if name in swept:
            by_name = table.groupby(name)[swept].nunique()
            swept = [key for key in swept if key == name or by_name[key].max() > 1]
    return swept


def marks(points: pd.DataFrame, texts: Sequence[str]) -> dict[str, Any]:
    """Return what of a trace makes each mark stand for its point.

    It says a text of its own when it is pointed at, and knows the name of the point's row.
    """
    # An array would not come back with a click.
    return {"hovertext": texts, "hoverinfo": "text", "customdata": points.index.tolist()}


def hover_texts(series: Series) -> list[str]:
    """Return one hover label a point of `experiments.summarise.summary`: all that it says."""
    return [hover_text(series.name, row) for row in series.rows.to_dict("records")]


def hover_text(
    name: str, row: Mapping[Hashable, Any], further: Mapping[str, str] = _NOTHING
) -> str:
    """Return the hover label of a point of `experiments.summarise.summary`.

    What is set for it and not usual comes after its numbers and further facts.
    """
    low, high = theme.si(row["throughput_rps_low"]), theme.si(row["throughput_rps_high"])
    facts = {
        "Replicas": f"{row['replicas']:,}",
        "Clients": f"{row['clients']:,}",
        "Throughput": f"{theme.si(row['throughput_rps'], 'requests/s')} ({low} to {high})",
        **_limit(row),
        **{
            f"Latency {percentile}": f"{theme.significant(row[measure])} ms"
            for percentile, measure in PERCENTILES.items()
        },
        "CPU of all hosts": cpu_per_request(row),
        "Repeats": f"{row['repeats']}",
    }
    return theme.hover(name, {**facts, **further, **settings.facts(row)})


def cpu_per_request(row: "Mapping[Hashable, Any] | pd.Series[Any]") -> str:
    """Say what a request took of the CPU of all hosts, by a row of a run or of a point."""
    if row["throughput_rps"] > 0 and math.isnan(row["cpu_us_per_request"]):
        return theme.NOT_MODELLED
    return f"{theme.significant(row['cpu_us_per_request'])} µs/req"


def _limit(row: Mapping[Hashable, Any]) -> dict[str, str]:
    if not math.isfinite(row["limit_rps"]):
        return {}
    return {"Computed limit": f"{theme.si(row['limit_rps'], 'requests/s')} ({row['limit_by']})"}


def _described(keys: Sequence[str], combinations: Sequence[tuple[object, ...]]) -> list[str]:
    """Describe each combination of the values of `keys`, as HTML; no two alike."""
    described = []
    seen: Counter[str] = Counter()
    for values in combinations:
        pairs = zip(keys, values, strict=True)
        text = ", ".join(settings.named(key, value) for key, value in pairs)
        seen[text] += 1
        described.append(f"{text} ({seen[text]})" if seen[text] > 1 else text)
    return described
