"""Which curves a table holds: one a protocol and combination of the settings that were swept."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from dashboards import theme
from experiments.results import CONFIGURATION_COLUMNS

PERCENTILES = {
    "p50": "latency_ms_p50",
    "p95": "latency_ms_p95",
    "p99": "latency_ms_p99",
    "p99.9": "latency_ms_p999",
}

SETTINGS = ("replicas", *CONFIGURATION_COLUMNS)
"""What may set curves of one protocol apart."""

_SHORT = {"replicas": "n"}


@dataclass(frozen=True)
class Series:
    """One curve: the rows of one protocol and combination of settings, by number of clients."""

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


def split(table: pd.DataFrame) -> list[Series]:
    """Split a table with columns protocol, clients and `SETTINGS` into its curves."""
    swept = [key for key in SETTINGS if table[key].nunique() > 1]
    ordered = table.sort_values([*swept, "clients"])
    settings = np.array([_described(row) for row in ordered[swept].to_dict("records")], object)
    curves = []
    for protocol in sorted(table["protocol"].unique()):
        for rank, combination in enumerate(dict.fromkeys(settings)):
            rows = ordered[(ordered["protocol"] == protocol) & (settings == combination)]
            if len(rows):
                curves.append(Series(protocol, combination, rank, rows))
    return curves


def hover_texts(series: Series) -> list[str]:
    """Return one hover label a point of `experiments.summarise.summary`: all that it says."""
    return [_hover_text(series.name, row) for row in series.rows.to_dict("records")]


def _described(row: Mapping[Hashable, object]) -> str:
    return ", ".join(f"{_SHORT.get(str(key), key)} = {escape(str(row[key]))}" for key in row)


def _hover_text(name: str, row: Mapping[Hashable, float]) -> str:
    low, high = theme.si(row["throughput_rps_low"]), theme.si(row["throughput_rps_high"])
    facts = {
        "Clients": f"{row['clients']:,}",
        "Throughput": f"{theme.si(row['throughput_rps'], 'requests/s')} ({low} to {high})",
        **{
            f"Latency {percentile}": f"{theme.significant(row[measure])} ms"
            for percentile, measure in PERCENTILES.items()
        },
        "CPU of all hosts": f"{theme.significant(row['cpu_us_per_request'])} µs/request",
        "Repeats": f"{row['repeats']}",
    }
    return theme.hover(name, facts)
