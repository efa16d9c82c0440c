"""The latencies of one run: a percentile plot to p99.99, and a histogram."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.axes import between_labels
from experiments.summarise import distribution, in_window

TITLE = "Distribution of latency"
WHAT_TO_SEE = (
    "Left, how long the given share of the requests took at most: each step to the right is ten "
    "times rarer, and dotted means that fewer than 10 requests lie beyond, which is chance. Right, "
    "how many took how long. Of the measured window."
)
FEW = 10
"""Requests that lie beyond a percentile at least, for it to say more than chance."""

_MARKS = (0.5, 0.9, 0.99, 0.999, 0.9999)
_RAREST = 10 * 1 / (1 - _MARKS[-1])
"""How rare the last request of a run is drawn at most: beyond the axis, whatever their number."""


def draw(run: "pd.Series[Any]", latency: pd.DataFrame, timeline: pd.DataFrame) -> go.Figure:
    """Plot the latencies of one run, a row of the table of runs; the tables hold that run alone."""
    bins = in_window(timeline, run["warmup_s"], run["duration_s"])["bin"]
    found = distribution(latency[latency["bin"].isin(bins)])
    figure = theme.panels(TITLE, rows=1, cols=2, horizontal_spacing=0.1)
    line = theme.line(run["protocol"])
    figure.add_traces(_percentiles(found, line), rows=1, cols=1)
    figure.add_trace(_histogram(found, line), 1, 2)
    figure.update_xaxes(
        title={"text": "Share of requests (%)"},
        type="log",
        tickvals=[1 / (1 - mark) for mark in _MARKS],
        ticktext=[f"{100 * mark:g}" for mark in _MARKS],
        range=[0, np.log10(1.2 / (1 - _MARKS[-1]))],
        col=1,
    )
    latency_axis = between_labels("Latency (ms)", found["latency_ms"], theme.PLAIN_TICKS)
    figure.update_yaxes(latency_axis, col=1)
    figure.update_xaxes(latency_axis, col=2)
    figure.update_yaxes(theme.linear_axis("Requests (count)"), col=2)
    return figure.update_layout(showlegend=False)


def _percentiles(found: pd.DataFrame, line: dict[str, Any]) -> list[go.Scatter]:
    """Return how long what share took: solid up to where few requests lie beyond, then dotted."""
    # However small the share, it took as long as the quickest request.
    found = pd.concat([found.head(1).assign(share=0.0, count=0), found], ignore_index=True)
    rarity = 1 / np.maximum(1 - found["share"], 1 / _RAREST)
    beyond = found["count"].sum() - found["count"].cumsum()
    # Each line ends where the other begins.
    is_few = beyond < FEW
    parts = {"solid": ~is_few.shift(fill_value=False), "dot": is_few | is_few.shift(-1)}
    hover = "%{text}% took at most %{y:.3~f} ms<extra></extra>"
    return [
        go.Scatter(
            x=rarity[part],
            y=found["latency_ms"][part],
            text=[f"{100 * share:.6g}" for share in found["share"][part]],
            mode="lines",
            line={**line, "dash": dash},
            hovertemplate=hover,
        )
        for dash, part in parts.items()
    ]


def _mode(found: pd.DataFrame) -> str:
    # A line takes two points: where all requests took as long, there is one.
    return "lines" if len(found) > 1 else "markers"


def _histogram(found: pd.DataFrame, line: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=found["latency_ms"],
        y=found["count"],
        mode=_mode(found),
        fill="tozeroy",
        line={**line, "shape": "hvh"},
        hovertemplate="%{y:,} took about %{x:.3~f} ms<extra></extra>",
    )
