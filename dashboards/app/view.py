"""What the explorer shows, as part of a link: whoever opens it sees the same."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode

import pandas as pd

from dashboards.app.metrics import METRICS, SETTINGS
from dashboards.figures.explore import FOLDER
from dashboards.series import LATENCIES
from dashboards.series import SETTINGS as FURTHER_KEYS
from dashboards.settings import shown

NONE = ""
"""No facets; for the figure, axes of one's own; for x, what was swept; for sort, as it was set."""

PROTOCOL = "protocol"

KEYS = (PROTOCOL, "clients", *FURTHER_KEYS, FOLDER)
"""What can be coloured by, split by and filtered by: the whole configuration, and the folder."""


SORTS: Mapping[str, str] = MappingProxyType(
    {NONE: "Settings", "throughput_rps": "Throughput", "latency_ms_p99": "p99"}
)
"""What the table of the points can be sorted by, and how it is called there."""

_DIGITS_MAX = 6
"""Of the number of a page: no table has more."""


@dataclass(frozen=True)
class View:
    """The choices of the explorer. Values of settings are texts, as they are shown."""

    folders: tuple[str, ...] = ()
    figure: str = NONE
    x: str = NONE
    y: str = "throughput_rps"
    percentile: str = "p99"
    colour: str = PROTOCOL
    facet: str = NONE
    log_x: bool | None = None
    log_y: bool | None = None
    """None: as is usual for the metric."""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By setting, the values that are shown; all where it is not there."""
    page: int = 0
    """Of the table of the points; 0 where it is closed."""
    sort: str = NONE
    """By what the table is sorted: one of `SORTS`."""

    def to_query(self) -> str:
        """Return the query part of a link: what differs from the defaults, from `?` on."""
        default = View()
        said: list[tuple[str, str]] = []
        for key in (each.name for each in fields(self)):
            value = getattr(self, key)
            if value != getattr(default, key):
                said += [(key, text) for text in _texts(value)]
        return f"?{urlencode(said)}" if said else ""

    @classmethod
    def from_query(cls, query: str) -> "View":
        """Return the view that a link tells of; what makes no sense there has its default."""
        said = _parsed(query.removeprefix("?"))
        default = cls()
        return cls(
            folders=tuple(dict.fromkeys(said.get("folders", ()))),
            figure=said.get("figure", [default.figure])[-1],
            x=_one_of({NONE, *METRICS, *SETTINGS}, said, "x", default.x),
            y=_one_of({*METRICS, *SETTINGS}, said, "y", default.y),
            percentile=_one_of(LATENCIES, said, "percentile", default.percentile),
            colour=_one_of(KEYS, said, "colour", default.colour),
            facet=_one_of({NONE, *KEYS}, said, "facet", default.facet),
            log_x=_flag(said, "log_x", default.log_x),
            log_y=_flag(said, "log_y", default.log_y),
            filters=_filters(said.get("filters", [])),
            page=_count(said.get("page", [""])[-1]),
            sort=_one_of(SORTS, said, "sort", default.sort),
        )

    def chosen(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the points, or the runs, that the filters let through."""
        for key, values in self.filters.items():
            if key in table:
                table = table[table[key].isin(values_of(table, key, values))]
        return table


def values_of(table: pd.DataFrame, key: str, texts: Collection[str]) -> list[object]:
    """Return the values in a column that are shown as one of `texts`, in order."""
    return [each for each in sorted(table[key].unique().tolist()) if shown(each) in texts]


def varies(column: "pd.Series[Any]") -> bool:
    """Say whether a column, not empty, holds several values; much faster than to count them."""
    return bool((column != column.iloc[0]).any())


def _parsed(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=1000)
    except ValueError:  # More fields than any view has.
        return {}


def _texts(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(int(value))]
    if isinstance(value, Mapping):
        return [json.dumps([key, *values]) for key, values in sorted(value.items())]
    return list(value) if isinstance(value, tuple) else [str(value)]


def _one_of(known: Collection[str], said: Mapping[str, list[str]], key: str, default: str) -> str:
    found = said.get(key, [default])[-1]
    return found if found in known else default


def _flag(said: Mapping[str, list[str]], key: str, default: bool | None) -> bool | None:
    return {"0": False, "1": True}.get(said.get(key, [""])[-1], default)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else 0


def _filters(texts: list[str]) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for text in texts:
        try:
            key, *values = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            continue
        if key in KEYS and values and all(isinstance(each, str) for each in values):
            found[key] = tuple(values)
    return MappingProxyType(found)
