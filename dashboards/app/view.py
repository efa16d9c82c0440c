"""What the explorer shows, as part of a link: whoever opens it sees the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from urllib.parse import parse_qs, urlencode

import pandas as pd

from dashboards.app.metrics import METRICS

NONE = ""
"""No colour, no facets."""


@dataclass(frozen=True)
class View:
    """The choices of the explorer. Values of settings are texts, as they are shown."""

    folders: tuple[str, ...] = ()
    x: str = "clients"
    y: str = "throughput_rps"
    colour: str = "protocol"
    facet: str = NONE
    log_x: bool = True
    log_y: bool = False
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By setting, the values that are shown; all where it is not there."""

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
        said = parse_qs(query.removeprefix("?"), keep_blank_values=True, max_num_fields=1000)
        default = cls()
        return cls(
            folders=tuple(said.get("folders", ())),
            x=_metric(said, "x", default.x),
            y=_metric(said, "y", default.y),
            colour=said.get("colour", [default.colour])[-1],
            facet=said.get("facet", [default.facet])[-1],
            log_x=_flag(said, "log_x", default.log_x),
            log_y=_flag(said, "log_y", default.log_y),
            filters=_filters(said.get("filters", [])),
        )

    def chosen(self, points: pd.DataFrame) -> pd.DataFrame:
        """Return the points that the filters let through."""
        for key, values in self.filters.items():
            if key in points:
                points = points[points[key].map(shown).isin(values)]
        return points


def shown(value: object) -> str:
    """Return a value of a setting as it is shown: whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)


def _texts(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(int(value))]
    if isinstance(value, Mapping):
        return [json.dumps([key, *values]) for key, values in sorted(value.items())]
    return list(value) if isinstance(value, tuple) else [str(value)]


def _metric(said: Mapping[str, list[str]], key: str, default: str) -> str:
    found = said.get(key, [default])[-1]
    return found if found in METRICS else default


def _flag(said: Mapping[str, list[str]], key: str, default: bool) -> bool:
    return {"0": False, "1": True}.get(said.get(key, [""])[-1], default)


def _filters(texts: list[str]) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for text in texts:
        try:
            key, *values = json.loads(text)
        except (ValueError, TypeError):
            continue
        if isinstance(key, str) and values and all(isinstance(each, str) for each in values):
            found[key] = tuple(values)
    return MappingProxyType(found)
