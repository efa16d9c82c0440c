"""Limit, virtual time and Ray: what must come out by computation, and what came out."""

import math
from collections.abc import Hashable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.series import marks

TITLE = "Limit, virtual time and Ray"
WHAT_TO_SEE = (
    "Three bars each: what the hosts can do at most, computed; what virtual time gives; what real "
    "processes on Ray reach. The percentage is of the computed limit, whiskers span "
    "the 95% confidence interval, or the range of fewer than 3 repeats. Where no live run kept up "
    "with the model there is no bar: such runs are invalid, and are listed with their lag."
)
BARS = {"limit": "computed limit", "sim": "virtual time", "live": "live, on Ray"}
_TINTS = {"limit": 0.0, "sim": 0.4, "live": 1.0}
_HEADROOM = 1.22
_WIDTH = 0.25
"""Of a bar; groups are 1 apart."""


def bars(points: pd.DataFrame) -> pd.DataFrame:
    """Return the bars: a row each of protocol, replicas and key of `BARS`.

    Columns: protocol, replicas, bar, rate_rps, low_rps, high_rps (of the best point where several
    were run; nan where there is no valid one), repeats, limit_rps, limit_by, and `point`, the name
    of that point's row (None where there is none).
    """
    rows = []
    groups = points.groupby(["protocol", "replicas"])
    for ((protocol, replicas), of_group), bar in product(groups, BARS):
        found = of_group if bar == "limit" else of_group[of_group["backend"] == bar]
        rows.append({"protocol": protocol, "replicas": replicas, "bar": bar, **_best(found, bar)})
    return pd.DataFrame(rows)


def _best(points: pd.DataFrame, bar: str) -> dict[str, Any]:
    if points.empty:
        measured = dict.fromkeys(("rate_rps", "low_rps", "high_rps", "limit_rps"), math.nan)
        return {**measured, "repeats": 0, "limit_by": "", "point": None}
    point = points.iloc[int(points["throughput_rps"].argmax())]
    ends = ("throughput_rps", "throughput_rps_low", "throughput_rps_high")
    rates = [point["limit_rps"]] * 3 if bar == "limit" else point[list(ends)]
    return {
        **dict(zip(("rate_rps", "low_rps", "high_rps"), rates, strict=True)),
        **point[["repeats", "limit_rps", "limit_by"]],
        "point": point.name,
    }


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot limit, simulation and live measurement of each protocol and number of replicas."""
    rows = bars(points)
    groups = [_group(row) for row in rows.to_dict("records")]
    group, names = pd.factorize(pd.Series(groups))
    rows["place"] = group + _WIDTH * (rows["bar"].map(list(BARS).index) - 1)
    rows["said"] = [_hover_text(row, points) for row in rows.to_dict("records")]
    top = float(np.nanmax(rows[["rate_rps", "high_rps"]].to_numpy(np.float64), initial=1.0))
    figure = theme.figure(
        TITLE,
        xaxis={
            "tickvals": list(range(len(names))),
            "ticktext": list(names),
            "range": [-0.6, len(names) - 0.4],
        },
        yaxis=theme.linear_axis("Throughput (requests/s)") | {"range": [0, _HEADROOM * top]},
    )
    for bar in BARS:
        figure.add_traces([_bars(rows[rows["bar"] == bar], bar), _legend(bar)])
    figure.add_trace(_numbers(rows))
    return figure.update_xaxes(ticks="", showgrid=False)


def _group(row: dict[Hashable, Any]) -> str:
    return f"{theme.label(row['protocol'])}, n = {row['replicas']}"


def _bars(rows: pd.DataFrame, bar: str) -> go.Bar:
    records = rows.to_dict("records")
    return go.Bar(
        x=rows["place"],
        y=rows["rate_rps"],
        width=_WIDTH,
        error_y={
            "array": rows["high_rps"] - rows["rate_rps"],
            "arrayminus": rows["rate_rps"] - rows["low_rps"],
            "symmetric": False,
            "visible": bar != "limit",
            "thickness": 1.2,
            "width": 4,
        },
        name=BARS[bar],
        showlegend=False,
        marker={
            "color": [theme.tint(row["protocol"], _TINTS[bar]) for row in records],
            "line": {"color": [theme.colour(row["protocol"]) for row in records], "width": 1.5},
        },
        **marks(rows.set_index("point"), rows["said"].tolist()),
    )


def _numbers(rows: pd.DataFrame) -> go.Scatter:
    """Return the number of each bar, above its whisker."""
    return go.Scatter(
        x=rows["place"],
        y=rows["high_rps"].fillna(0.0),
        mode="text",
        text=[_text(row) for row in rows.to_dict("records")],
        textposition="top center",
        textfont={"size": 11},
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )


def _legend(bar: str) -> go.Bar:
    """Return the line of the legend of a kind of bar, in no protocol's colour."""
    grey = {"limit": theme.CLEAR, "sim": theme.SHADE, "live": theme.MUTED}[bar]
    marker = {"color": grey, "line": {"color": theme.MUTED, "width": 1.5}}
    return go.Bar(x=[None], y=[None], name=BARS[bar], marker=marker)


def _text(row: dict[Hashable, Any]) -> str:
    if math.isnan(row["rate_rps"]):
        return "no valid<br>run"
    rate = theme.si(row["rate_rps"])
    return rate if row["bar"] == "limit" else f"{rate}<br>{row['rate_rps'] / row['limit_rps']:.0%}"


def _hover_text(row: dict[Hashable, Any], points: pd.DataFrame) -> str:
    title = f"{_group(row)}: {BARS[row['bar']]}"
    share = f"{row['rate_rps'] / row['limit_rps']:.1%}"
    facts = {"Throughput": theme.si(row["rate_rps"], "requests/s"), "Limited by": row["limit_by"]}
    if row["bar"] != "limit":
        span = f"{theme.si(row['low_rps'])} to {theme.si(row['high_rps'])}"
        facts |= {"Of the limit": share, "Interval": span, "Repeats": f"{row['repeats']}"}
    if row["repeats"]:
        facts |= settings.facts(points.loc[row["point"]].to_dict())
    return theme.hover(title, facts)
