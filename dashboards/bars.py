"""Groups of bars, one a protocol side by side, each with its interval and its number on top."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import hover_text, marks

_WIDTH = 0.4
_ROOM_FOR_NUMBERS = 1.15


def grouped(points: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Return the points with what `draw` needs: `group`, its name, and `place`, the bar's x.

    `groups` are the names, as HTML, one a point; groups stand in order of their first point.
    """
    protocols = sorted(points["protocol"].unique())
    rank = points["protocol"].map(protocols.index)
    place = pd.factorize(pd.Series(groups))[0] + _WIDTH * (rank - (len(protocols) - 1) / 2)
    return points.assign(group=groups, place=place)


def draw(bars: pd.DataFrame, measure: str, numbers: Sequence[str]) -> Iterator[go.Bar | go.Scatter]:
    """Yield the bars of a measure, protocol by protocol, each followed by its `numbers` as HTML."""
    for protocol, rows in bars.assign(number=numbers).groupby("protocol"):
        yield _bars(str(protocol), rows, measure)
        yield _numbers(str(protocol), rows, measure)


def _bars(protocol: str, rows: pd.DataFrame, measure: str) -> go.Bar:
    name = theme.label(protocol)
    return go.Bar(
        x=rows["place"],
        y=rows[measure],
        error_y=theme.interval(rows, measure),
        width=0.92 * _WIDTH,
        name=name,
        legendgroup=name,
        marker={"color": theme.colour(protocol)},
        **marks(
            rows,
            [
                hover_text(f"{name}, {row['group'].replace('<br>', ', ')}", row)
                for row in rows.to_dict("records")
            ],
        ),
    )


def _numbers(protocol: str, rows: pd.DataFrame, measure: str) -> go.Scatter:
    """Return what is written on the bars, above their intervals."""
    name = theme.label(protocol)
    return go.Scatter(
        x=rows["place"],
        y=rows[f"{measure}_high"],
        mode="text",
        text=rows["number"],
        textposition="top center",
        textfont={"size": 12},
        name=name,
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def groups_axis(bars: pd.DataFrame) -> dict[str, Any]:
    """Return the x axis: the names of the groups."""
    names = bars["group"].drop_duplicates()
    return {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "ticks": "",
        "showgrid": False,
        "range": [-0.5, len(names) - 0.5],
    }


def measure_axis(
    bars: pd.DataFrame, measure: str, title: str, ticks: str = theme.SI_TICKS
) -> dict[str, Any]:
    """Return the y axis, with room for the numbers; `title` ends with the unit in parentheses."""
    top = _ROOM_FOR_NUMBERS * float(bars[f"{measure}_high"].max())
    return theme.linear_axis(title, ticks) | {"range": [0, top]}
