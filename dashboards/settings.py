"""Settings in words: in legends and titles of panels, and those of a point that are not usual."""

from collections.abc import Hashable, Mapping
from functools import cache
from html import escape
from numbers import Real
from typing import Any

import msgspec

from dashboards import theme
from experiments.results import CONFIGURATION_COLUMNS
from experiments.spec import RunConfig, Suite

_NAMES = {
    "replicas": "n",
    "request_bytes": "request size",
    "batch_bytes_max": "batch size",
}
_UNITS = {"request_bytes": "bytes", "batch_bytes_max": "bytes"}
"""Of settings whose own name, which ends with it, is not shown."""

_VALUE_MAX = 28
"""Most characters of a value in a figure: longer ones would leave no room for it."""


def named(key: str, value: object) -> str:
    """Say what a setting is, as HTML; a load says so alone, and so does the name of a case."""
    if key == "case":
        return worded(key, value)
    if key == "arrival_rate_rps":
        return f"{worded(key, value)} offered" if value else worded(key, value)
    return f"{_NAMES.get(key, key)} = {worded(key, value)}"


def worded(key: str, value: object) -> str:
    """Write a value of a setting, as HTML of a few words."""
    if key == "protocol":
        return theme.label(str(value))
    if key == "arrival_rate_rps":
        return theme.si(float(str(value)), "requests/s") if value else "closed loop"
    return escape(" ".join(filter(None, (_brief(value), _UNITS.get(key)))))


def shown(value: object) -> str:
    """Return a value of a setting as it is shown: whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)


def differing(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Return the settings of a point that are not what they are by default, by name."""
    default = defaults(str(row["profile"]))
    return {key: shown(row[key]) for key in CONFIGURATION_COLUMNS if row[key] != default[key]}


def facts(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Return the same as facts of a hover label, two settings a line."""
    said = [(key, _brief(value)) for key, value in differing(row).items()]
    lines = {}
    for (key, value), *second in (said[at : at + 2] for at in range(0, len(said), 2)):
        lines[key] = ", ".join([value, *(f"{other}: {text}" for other, text in second)])
    return lines


@cache
def defaults(profile: str) -> Mapping[str, Any]:
    """Return what settings are by default, by name: for what has a profile, as that sets them.

    The profile itself is by default the one of who asks for none.
    """
    try:
        config = next(Suite(name="defaults", base={"profile": profile}).points())
    except KeyError:  # A profile of another version.
        config = RunConfig()
    return msgspec.structs.asdict(config) | {"profile": RunConfig().profile}


def _brief(value: object) -> str:
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:,.12g}"
    text = " ".join(str(value).split()) or "none"
    return text if len(text) <= _VALUE_MAX else f"{text[: _VALUE_MAX - 1].rstrip()}\u2026"
