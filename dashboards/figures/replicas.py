"""Throughput against the number of replicas: what more hosts bring, and what they cannot."""

import pandas as pd
import plotly.graph_objects as go

from dashboards import lines, theme

TITLE = "Throughput against the number of replicas"
WHAT_TO_SEE = (
    "A leader that serves every client does not get faster by more replicas; where each takes its "
    "share of the clients, the line rises until executing every request takes a host all its time. "
    "Dotted is the most that the modelled hosts allow; bars span the 95% confidence interval over "
    "the repeats, or their range if fewer than 3."
)


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the median throughput against n, one line a curve, its computed limit beside it."""
    counts = sorted(points["replicas"].unique())
    figure = theme.figure(
        TITLE,
        xaxis={"title": {"text": "Replicas n (count)"}, "tickvals": counts},
        yaxis=theme.linear_axis("Throughput (requests/s)"),
    )
    return figure.add_traces(list(lines.throughput(points, "replicas")))
