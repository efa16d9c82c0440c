"""What is fitted, and what depends on it: the share of a request's CPU that is its execution."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.series import marks

TITLE = "What is fitted, and what depends on it"
WHAT_TO_SEE = (
    "The sum of a request's CPU at the leader is fitted, how much of it is execution is not known. "
    "The band is the throughput of S-Paxos for every split that was tried, dotted lines are the "
    "single splits, and the solid line is that of the profile. JPaxos, whose leader pays "
    "for both, hardly moves."
)
SHIPPED_SHARE = 0.1
"""What the profile takes for execution."""

_PREDICTED = "spaxos"
_ORIGINS = {"jpaxos": "fitted at n = 3", "spaxos": "predicted", "multipaxos": "predicted"}
_BAND_TINT = 0.18
_SPLIT_TINT = 0.6


def splits(points: pd.DataFrame) -> pd.DataFrame:
    """Return the throughput of each split: a row a protocol, share and number of replicas.

    Columns: protocol, share (of execution in a request's CPU, from 0 to 1), replicas,
    throughput_rps (the best where clients were swept, too). The index is that of its point.
    """
    cpu_us = points["cpu_us_per_executed_request"] + points["cpu_us_per_client_request"]
    share = (points["cpu_us_per_executed_request"] / cpu_us).round(3)
    keys = ["protocol", "share", "replicas"]
    shared = points.assign(share=share)
    best = shared.groupby(keys)["throughput_rps"].idxmax()
    return shared.loc[best, [*keys, "throughput_rps"]]


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot throughput against replicas: JPaxos as lines, S-Paxos as a band over the splits."""
    rows = splits(points)
    figure = theme.figure(
        TITLE,
        xaxis={
            "title": {"text": "Replicas (count)"},
            "tickvals": sorted(rows["replicas"].unique()),
        },
        yaxis=theme.linear_axis("Throughput (requests/s)"),
    )
    predicted = rows[rows["protocol"] == _PREDICTED]
    figure.add_traces(_band(predicted))
    figure.add_traces([_line(line, points) for _, line in rows.groupby(["protocol", "share"])])
    for _, line in predicted.groupby("share"):
        figure.add_annotation(_end(line.iloc[-1]))
    return figure.update_layout(margin_r=60, legend_traceorder="normal")


def _band(rows: pd.DataFrame) -> list[go.Scatter]:
    """Return the edges of the band, the upper one filled down to the lower one."""
    by_replicas = rows.groupby("replicas")["throughput_rps"]
    low, high = by_replicas.min(), by_replicas.max()
    shares = f"{rows['share'].min():.0%} to {rows['share'].max():.0%}"
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    band = {"fill": "tonexty", "fillcolor": theme.tint(_PREDICTED, _BAND_TINT)}
    name = f"{theme.label(_PREDICTED)}, {shares}"
    return [
        go.Scatter(x=low.index, y=low, showlegend=False, **edge),
        go.Scatter(x=high.index, y=high, name=name, **edge, **band),
    ]


def _line(rows: pd.DataFrame, points: pd.DataFrame) -> go.Scatter:
    protocol, share = str(rows["protocol"].iloc[0]), float(rows["share"].iloc[0])
    is_shipped = share == SHIPPED_SHARE
    named = f"{theme.label(protocol)}, {share:.0%} execution"
    return go.Scatter(
        x=rows["replicas"],
        y=rows["throughput_rps"],
        mode="lines+markers" if is_shipped else "lines",
        cliponaxis=False,
        name=f"{theme.label(protocol)} ({_ORIGINS[protocol]})",
        showlegend=is_shipped,
        line=theme.line(protocol)
        if is_shipped
        else {"color": theme.tint(protocol, _SPLIT_TINT), "dash": "dot", "width": 1.2},
        marker={"color": theme.colour(protocol), "size": 8},
        **marks(
            rows,
            [_hover_text(named, row) for row in points.loc[rows.index].to_dict("records")],
        ),
    )


def _hover_text(title: str, point: Mapping[Hashable, Any]) -> str:
    rate = theme.si(point["throughput_rps"], "requests/s")
    facts = {"Replicas": f"{point['replicas']}", "Throughput": rate}
    return theme.hover(title, {**facts, **settings.facts(point)})


def _end(row: "pd.Series[Any]") -> dict[str, Any]:
    """Return the share, written at the right end of a line."""
    place = {"x": row["replicas"], "y": row["throughput_rps"], "xanchor": "left", "xshift": 8}
    share = f"{row['share']:.0%}"
    return {
        **place,
        "text": f"<b>{share}</b>" if row["share"] == SHIPPED_SHARE else share,
        "showarrow": False,
    }
