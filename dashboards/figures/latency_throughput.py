"""Latency against throughput: what each protocol's clients pay for the same work done."""

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import PERCENTILES, Series, hover_texts, split

TITLE = "Latency against throughput"
WHAT_TO_SEE = (
    "The honest comparison, since both axes are results: lower and further right is better, and "
    "each line runs from few clients to many (solid: median, dashed: 99th percentile)."
)
_DASHES = {"p50": "solid", "p99": "dash"}


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot p50 and p99 latency against throughput, points joined from few clients to many."""
    latencies = points[[PERCENTILES[percentile] for percentile in _DASHES]]
    figure = theme.figure(
        TITLE,
        xaxis=theme.linear_axis("Throughput (requests/s)"),
        yaxis=theme.log_axis("Latency (ms)", latencies, theme.PLAIN_TICKS),
    )
    figure.add_traces(
        [_line(series, percentile) for series in split(points) for percentile in _DASHES]
    )
    return figure


def _line(series: Series, percentile: str) -> go.Scatter:
    rows = series.rows
    return go.Scatter(
        x=rows["throughput_rps"],
        y=rows[PERCENTILES[percentile]],
        mode="lines+markers",
        cliponaxis=False,
        name=f"{series.name}, {percentile}",
        legendgroup=series.name,
        line=theme.line(series.protocol, _DASHES[percentile]),
        marker=theme.marker(series.protocol, series.rank),
        hovertext=hover_texts(series),
        hoverinfo="text",
    )
