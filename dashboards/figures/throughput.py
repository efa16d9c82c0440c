"""Throughput against clients: how much each protocol carries, and where it saturates."""

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import Series, hover_texts, split

TITLE = "Throughput against clients"
WHAT_TO_SEE = (
    "A line rises while clients wait for replies and goes flat where something saturates; "
    "bars span the 95% confidence interval over the repeats, or their range if fewer than 3."
)


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the median throughput against the clients, one line a curve (see dashboards.series)."""
    figure = theme.figure(
        TITLE,
        xaxis=theme.log_axis("Closed-loop clients (count)", points["clients"]),
        yaxis=theme.linear_axis("Throughput (requests/s)"),
    )
    figure.add_traces([_line(series) for series in split(points)])
    return figure


def _line(series: Series) -> go.Scatter:
    rows = series.rows
    return go.Scatter(
        x=rows["clients"],
        y=rows["throughput_rps"],
        error_y={
            "array": rows["throughput_rps_high"] - rows["throughput_rps"],
            "arrayminus": rows["throughput_rps"] - rows["throughput_rps_low"],
            "symmetric": False,
            "thickness": 1.2,
            "width": 4,
        },
        mode="lines+markers",
        cliponaxis=False,
        name=series.name,
        line=theme.line(series.protocol, theme.dash(series.rank)),
        marker=theme.marker(series.protocol, series.rank),
        hovertext=hover_texts(series),
        hoverinfo="text",
    )
