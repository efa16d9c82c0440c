"""Throughput against clients: how much each protocol carries, and where it saturates."""

import pandas as pd
import plotly.graph_objects as go

from dashboards import lines, theme

TITLE = "Throughput against clients"
WHAT_TO_SEE = (
    "A line rises while clients wait for replies and goes flat where something saturates; bars "
    "span the 95% confidence interval over the repeats, or their range if fewer than 3. Dotted, "
    "where hosts have limits, is the most that they allow."
)


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the median throughput against the clients, one line a curve (see dashboards.series)."""
    figure = theme.figure(
        TITLE,
        xaxis=theme.log_axis("Closed-loop clients (count)", points["clients"]),
        yaxis=theme.linear_axis("Throughput (requests/s)"),
    )
    return figure.add_traces(list(lines.throughput(points, "clients")))
