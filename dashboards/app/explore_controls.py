"""The controls of the explorer: what is drawn, on which axes, and which points are let through."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import html

from dashboards.app.drawings import DRAWINGS, drawing_of
from dashboards.app.metrics import LATENCIES, METRICS, SETTINGS
from dashboards.app.view import KEYS, NONE, PROTOCOL, View, shown, varies

NAMES = ("figure", "x", "y", "percentile", "colour", "facet", "log_x", "log_y")
"""What a control sets of `dashboards.app.view.View`: its id is {"control": name}."""

FILTERS_AT_ONCE = 6
"""Filters that are there without being added; more would be a long way down."""

_NAMES_ONE_OF_MANY = ("case", "profile", "folder")
"""What stands for other settings: where it says them all, they need no filter of their own."""


def controls(points: pd.DataFrame, view: View) -> Any:
    """Return the controls for points, at least one, set to a view that fits them."""
    return dmc.Stack(
        [
            _select("figure", "Figure", _figures(points), view.figure),
            dmc.Stack(
                _axes(points, view),
                gap="xs",
                id="explore-axes",
                style=axes_style(is_own=drawing_of(view, points) is DRAWINGS[NONE]),
            ),
            dmc.Divider(label="Show only", labelPosition="left"),
            dmc.Stack(
                [filter_of(key, points, view) for key in _filters_at_once(points, view)],
                gap="xs",
                id="explore-filters",
            ),
            dmc.Select(
                id="explore-add",
                label="Add a filter",
                placeholder="any setting",
                data=addable(points, _filters_at_once(points, view)),
                searchable=True,
                size="xs",
            ),
        ],
        gap="sm",
    )


def axes_style(*, is_own: bool) -> dict[str, str]:
    """Say how the controls of axes are shown: a ready-made figure has axes of its own."""
    return {} if is_own else {"display": "none"}


def swept(points: pd.DataFrame) -> list[str]:
    """Return the settings of which these points have several values."""
    return [key for key in KEYS if key in points and varies(points[key])]


def addable(points: pd.DataFrame, there: Sequence[str]) -> list[str]:
    """Return the settings that may get a filter, beside those that have one."""
    return [key for key in KEYS if key in points and key not in there]


def filter_of(key: str, points: pd.DataFrame, view: View) -> Any:
    """Return the control that filters by a setting: its id is {"filter": key}."""
    values = [shown(value) for value in sorted(points[key].unique().tolist())]
    return dmc.MultiSelect(
        id={"filter": key},
        label=key,
        placeholder="all",
        data=[{"value": value, "label": value or "(none)"} for value in values],
        value=[each for each in view.filters.get(key, ()) if each in values],
        clearable=True,
        searchable=len(values) > 10,
        size="xs",
    )


def _filters_at_once(points: pd.DataFrame, view: View) -> list[str]:
    keys = swept(points)
    for name in _NAMES_ONE_OF_MANY:
        if name in keys:
            by_name = points.groupby(name)[keys].nunique().max()
            keys = [key for key in keys if key == name or by_name[key] > 1]
    asked = [key for key in view.filters if key in points and key not in keys[:FILTERS_AT_ONCE]]
    return [*keys[:FILTERS_AT_ONCE], *asked]


def _figures(points: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"value": key, "label": drawing.title}
        for key, drawing in DRAWINGS.items()
        if drawing.can_draw(points)
    ]


def _axes(points: pd.DataFrame, view: View) -> list[Any]:
    varied = swept(points)
    numeric = [key for key in SETTINGS if key in varied or key in {view.x, view.y}]
    metrics = [
        {"group": "Measured", "items": [_item(key, METRICS[key].title) for key in METRICS]},
        {"group": "Set", "items": [_item(key, SETTINGS[key].title) for key in numeric]},
    ]
    percentile = dmc.SegmentedControl(
        id={"control": "percentile"},
        data=list(LATENCIES),
        value=view.percentile,
        size="xs",
        fullWidth=True,
        **{"aria-label": "Latency is shown as"},
    )
    return [
        _axis("y", "Vertical axis", metrics, view.y, is_log=bool(view.log_y)),
        _axis("x", "Horizontal axis", metrics, view.x, is_log=bool(view.log_x)),
        html.Div([dmc.Text("Of latency, the", size="sm", fw=500, mb=4), percentile]),
        _select(
            "colour",
            "Colour by",
            [_item(key, key) for key in dict.fromkeys([PROTOCOL, *varied])],
            view.colour,
        ),
        _select(
            "facet",
            "Panels by",
            [_item(NONE, "(one panel)"), *(_item(key, key) for key in varied)],
            view.facet,
        ),
    ]


def _axis(name: str, label: str, metrics: list[Any], value: str, *, is_log: bool) -> Any:
    return dmc.Group(
        [
            dmc.Box(_select(name, label, metrics, value), flex=1, miw=0),
            dmc.Switch(
                id={"control": f"log_{name}"},
                label="log",
                checked=is_log,
                size="xs",
                pb=8,
                **{"aria-label": f"{label}: logarithmic"},
            ),
        ],
        align="end",
        gap="xs",
        wrap="nowrap",
    )


def _select(name: str, label: str, items: list[Any], value: str) -> Any:
    return dmc.Select(
        id={"control": name},
        label=label,
        data=items,
        value=value,
        allowDeselect=False,
        searchable=True,
        size="sm",
        comboboxProps={"width": 340, "position": "bottom-start"},
    )


def _item(value: str, label: str) -> dict[str, str]:
    return {"value": value, "label": label}
