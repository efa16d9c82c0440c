"""Throughput against the size of requests: where bytes take over from the cost of a request."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import lines, theme

TITLE = "Throughput against the size of requests"
WHAT_TO_SEE = (
    "While requests are small, their number is what costs; then bytes do, and every line falls. A "
    "leader that sends each request to every follower gets there first. Dotted is the most that "
    "the modelled hosts allow; point at a line to read the throughput in Mbit/s."
)


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the median throughput against the bytes of a request, its computed limit beside it."""
    sizes = sorted(points["request_bytes"].unique())
    axis = theme.log_axis("Request size (bytes)", sizes)
    figure = theme.figure(
        TITLE,
        xaxis=axis | {"tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes]},
        yaxis=theme.linear_axis("Throughput (requests/s)"),
    )
    return figure.add_traces(list(lines.throughput(points, "request_bytes", _in_bytes)))


def _in_bytes(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Say how many bytes there were; both as clients hand them over, without any overhead."""
    mbit_s = row["throughput_rps"] * row["request_bytes"] * 8e-6
    return {
        "Request size": f"{row['request_bytes']:,} bytes",
        "Requests carried": f"{theme.significant(mbit_s)} Mbit/s",
    }
