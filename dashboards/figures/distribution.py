"""The latencies of one run: a percentile plot to p99.99, and a histogram."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from experiments.summarise import distribution, in_window

TITLE = "Distribution of latency"
WHAT_TO_SEE = (
    "Left, how long the given share of the requests took at most: each step to the right is ten "
    "times rarer. Right, how many took how long. Of the measured window."
)
_MARKS = (0.5, 0.9, 0.99, 0.999, 0.9999)


def draw(run: "pd.Series[Any]", latency: pd.DataFrame, timeline: pd.DataFrame) -> go.Figure:
    """Plot the latencies of one run, a row of the table of runs; the tables hold that run alone."""
    figure = theme.panels(TITLE, rows=1, cols=2, horizontal_spacing=0.1)
    bins = in_window(timeline, run["warmup_s"], run["duration_s"])["bin"]
    found = distribution(latency[latency["bin"].isin(bins)])
    rarity = 1 / (1 - np.minimum(found["share"], 1 - 1e-5))
    line = theme.line(run["protocol"])
    figure.add_trace(go.Scatter(x=rarity, y=found["latency_ms"], mode="lines", line=line), 1, 1)
    bars = {"x": found["latency_ms"], "y": found["count"], "fill": "tozeroy", "mode": "lines"}
    figure.add_trace(go.Scatter(**bars, line={**line, "shape": "hvh"}), 1, 2)
    figure.update_xaxes(
        title={"text": "Share of requests (%)"},
        type="log",
        tickvals=[1 / (1 - mark) for mark in _MARKS],
        ticktext=[f"{100 * mark:g}" for mark in _MARKS],
        col=1,
    )
    figure.update_yaxes(
        theme.log_axis("Latency (ms)", found["latency_ms"], theme.PLAIN_TICKS), col=1
    )
    figure.update_xaxes(
        theme.log_axis("Latency (ms)", found["latency_ms"], theme.PLAIN_TICKS), col=2
    )
    figure.update_yaxes(theme.linear_axis("Requests (count)"), col=2)
    return figure.update_layout(showlegend=False)
