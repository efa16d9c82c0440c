"""Latency at the same offered load: both systems get the same requests, whatever they do."""

from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.offered import open_loop
from dashboards.series import marks
from experiments.linter import KEPT_UP_SHARE

TITLE = "Latency at the same offered load"
WHAT_TO_SEE = (
    "Left and middle: from the moment at which a request arrives; right, service time: from the "
    "moment at which it was sent, all that closed-loop clients would see. Hollow "
    f"points are overloaded, with less than {KEPT_UP_SHARE:.0%} of the offered requests answered "
    "(but for chance): their latency grows for as long as the run goes on, and says nothing else."
)
PANELS = {
    "latency_ms_p50": "p50 from arrival",
    "latency_ms_p99": "p99 from arrival",
    "service_ms_p99": "p99 service time",
}


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot latency and service time of open-loop points against the offered load."""
    offered = open_loop(points)
    figure = theme.panels(
        TITLE,
        rows=1,
        cols=len(PANELS),
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=list(PANELS.values()),
        horizontal_spacing=0.03,
    )
    for column, measure in enumerate(PANELS, start=1):
        for protocol, rows in offered.groupby("protocol"):
            figure.add_trace(_line(rows, str(protocol), measure), row=1, col=column)
    figure.update_traces(showlegend=True, col=1)
    figure.add_trace(_overloaded(), row=1, col=1)
    figure.update_xaxes(theme.linear_axis("Offered load (requests/s)"))
    figure.update_yaxes(theme.log_axis("Latency (ms)", offered[list(PANELS)], theme.PLAIN_TICKS))
    figure.update_yaxes(title_text="", selector=lambda axis: axis.anchor != "x")
    return figure


def _line(rows: pd.DataFrame, protocol: str, measure: str) -> go.Scatter:
    return go.Scatter(
        x=rows["arrival_rate_rps"],
        y=rows[measure],
        mode="lines+markers",
        cliponaxis=False,
        name=theme.label(protocol),
        legendgroup=protocol,
        showlegend=False,
        line=theme.line(protocol),
        marker={
            "color": theme.colour(protocol),
            "size": 9,
            "symbol": ["circle" if kept_up else "circle-open" for kept_up in rows["kept_up"]],
            "line": {"width": 2, "color": theme.colour(protocol)},
        },
        **marks(rows, [_hover_text(row) for row in rows.to_dict("records")]),
    )


def _overloaded() -> go.Scatter:
    """Return the line of the legend that explains hollow points."""
    marker = {"color": theme.MUTED, "size": 9, "symbol": "circle-open", "line": {"width": 2}}
    return go.Scatter(x=[None], y=[None], mode="markers", name="overloaded", marker=marker)


def _hover_text(row: dict[Hashable, Any]) -> str:
    share = row["throughput_rps"] / row["arrival_rate_rps"]
    facts = {
        "Offered": theme.si(row["arrival_rate_rps"], "requests/s"),
        "Answered": f"{theme.si(row['throughput_rps'], 'requests/s')} ({share:.0%})",
        **{name: f"{theme.significant(row[measure])} ms" for measure, name in PANELS.items()},
        "In flight": f"{row['in_flight']:,.0f} requests",
        **settings.facts(row),
    }
    state = "" if row["kept_up"] else ", overloaded"
    return theme.hover(f"{theme.label(row['protocol'])}{state}", facts)
