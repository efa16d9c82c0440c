"""The controls of the explorer: what is drawn, on which axes, and which points are let through."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import pandas as pd

from dashboards.app.drawings import DRAWINGS, OWN_AXES, drawing_of
from dashboards.app.explore_doubts import swept, telling
from dashboards.app.metrics import METRICS, SETTINGS
from dashboards.app.view import KEYS, NONE, PROTOCOL, View
from dashboards.series import LATENCIES
from dashboards.settings import shown, worded

NAMES = ("figure", "x", "y", "percentile", "colour", "facet", "log_x", "log_y")
"""What a control sets of `dashboards.app.view.View`: its id is {"control": name}."""

FILTERS_AT_ONCE = 6
"""Filters that are there without being added; more would be a long way down."""

_NOTHING = "(none)"
"""What an empty value is called."""


def controls(points: pd.DataFrame, view: View) -> Any:
    """Return the controls for points, at least one, set to a view that fits them."""
    drawing = drawing_of(view, points)
    return dmc.Stack(
        [
            _select("figure", "Figure", _figures(points), view.figure),
            dmc.Box(
                _percentile(view),
                id="explore-percentile",
                style=if_there(drawing.takes_percentile),
            ),
            dmc.Stack(
                _axes(points, view),
                gap="xs",
                id="explore-axes",
                style=if_there(drawing is OWN_AXES),
            ),
            dmc.Divider(label="Show only", labelPosition="left"),
            dmc.Stack(
                [
                    *(filter_of(key, points, view) for key in _filters_at_once(points)),
                    *(removable(key, points, view) for key in _added(points, view)),
                ],
                gap="xs",
                id="explore-filters",
            ),
            dmc.Select(
                id="explore-add",
                label="Add a filter",
                placeholder="any setting",
                data=addable(points, [*_filters_at_once(points), *_added(points, view)]),
                searchable=True,
                size="xs",
            ),
        ],
        gap="sm",
    )


def if_there(is_there: bool) -> dict[str, str]:
    """Return the style of controls that have something to control, or have not."""
    return {} if is_there else {"display": "none"}


def addable(points: pd.DataFrame, there: Sequence[str]) -> list[str]:
    """Return the settings that may get a filter, beside those that have one."""
    return [key for key in KEYS if key in points and key not in there]


def removable(key: str, points: pd.DataFrame, view: View) -> Any:
    """Return a filter, as `filter_of` does, with a button to be rid of it: {"remove": key}."""
    button = dmc.ActionIcon(
        "\N{MULTIPLICATION SIGN}",
        id={"remove": key},
        variant="subtle",
        color="gray",
        **{"aria-label": f"Remove the filter {key}"},
    )
    filtering = dmc.Box(filter_of(key, points, view), flex=1, miw=0)
    return dmc.Group([filtering, button], align="end", gap=4, wrap="nowrap")


def filter_of(key: str, points: pd.DataFrame, view: View) -> Any:
    """Return the control that filters by a setting: its id is {"filter": key}."""
    chosen = list(dict.fromkeys(view.filters.get(key, ())))
    values = sorted(points[key].unique().tolist())
    options = {shown(value): _option(key, value) for value in values}
    # Also what no point has, where a link or other results left it: else it could not be cleared.
    options |= {text: text or _NOTHING for text in chosen if text not in options}
    return dmc.MultiSelect(
        id={"filter": key},
        label=key,
        placeholder="all",
        data=[_item(text, label) for text, label in options.items()],
        value=chosen,
        clearable=True,
        searchable=len(options) > 10,
        size="xs",
    )


def _option(key: str, value: object) -> str:
    is_closed_loop = key == "arrival_rate_rps" and not value
    return worded(key, value) if is_closed_loop else shown(value) or _NOTHING


def _filters_at_once(points: pd.DataFrame) -> list[str]:
    return telling(points)[:FILTERS_AT_ONCE]


def _added(points: pd.DataFrame, view: View) -> list[str]:
    there = _filters_at_once(points)
    return [key for key in view.filters if key in points and key not in there]


def _figures(points: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"value": key, "label": drawing.title}
        for key, drawing in DRAWINGS.items()
        if drawing.can_draw(points)
    ]


def _percentile(view: View) -> list[Any]:
    choice = dmc.SegmentedControl(
        id={"control": "percentile"},
        data=list(LATENCIES),
        value=view.percentile,
        size="xs",
        fullWidth=True,
        **{"aria-label": "Latency is shown as"},
    )
    return [dmc.Text("Of latency, the", size="sm", fw=500, mb=4), choice]


def _axes(points: pd.DataFrame, view: View) -> list[Any]:
    varied = swept(points)
    numeric = [key for key in SETTINGS if key in varied or key in {view.x, view.y}]
    metrics = [
        {"group": "Measured", "items": [_item(key, METRICS[key].title) for key in METRICS]},
        {"group": "Set", "items": [_item(key, SETTINGS[key].title) for key in numeric]},
    ]
    return [
        _axis("y", "Vertical axis", metrics, view.y, is_log=bool(view.log_y)),
        _axis("x", "Horizontal axis", metrics, view.x, is_log=bool(view.log_x)),
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
