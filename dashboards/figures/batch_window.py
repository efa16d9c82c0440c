"""Batch size and window: what throughput each pair reaches, one heat map a protocol."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import hover_text

TITLE = "Throughput by batch size and window"
WHAT_TO_SEE = (
    "In each cell is the throughput in requests/s; the stronger its colour, the more. To the "
    "right more batches are under way at once, to the top each may be larger. Each protocol has "
    "its own scale."
)
_SPACING = 0.2
_HEADING_PIXELS = 56
_DARKEST = 0.6
"""Strength of the greatest throughput's tint: ink can be read on it."""


class Panel(NamedTuple):
    """A heat map: what is swept along its axes, and what these are called."""

    window: str
    batch: str
    window_title: str
    batch_title: str


_PANELS = {
    "jpaxos": Panel("window", "batch_bytes_max", "Window (open instances)", "Batch size (bytes)"),
    "spaxos": Panel(
        "dissemination_window",
        "dissemination_batch_bytes_max",
        "Dissemination window (open batches a host)",
        "Disseminated batch size (bytes)",
    ),
}


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot the median throughput of each batch size and window; one point a protocol and cell."""
    shown = [protocol for protocol in _PANELS if (points["protocol"] == protocol).any()]
    figure = theme.panels(
        TITLE,
        rows=1,
        cols=len(shown),
        subplot_titles=[theme.label(protocol) for protocol in shown],
        horizontal_spacing=_SPACING,
    )
    for column, protocol in enumerate(shown, start=1):
        panel = _PANELS[protocol]
        right = figure.get_subplot(1, column).xaxis.domain[1]
        cells = _cells(protocol, points[points["protocol"] == protocol], right)
        figure.add_trace(cells, row=1, col=column)
        figure.update_xaxes(title_text=panel.window_title, col=column)
        figure.update_yaxes(title_text=panel.batch_title, col=column)
    # Their steps are factors: each value is a category of its own.
    axis = {"type": "category", "showgrid": False, "showline": False, "ticks": ""}
    figure.update_xaxes(axis).update_yaxes(axis)
    return figure.update_layout(margin_t=theme.TITLE_PIXELS + _HEADING_PIXELS)


def _cells(protocol: str, rows: pd.DataFrame, right: float) -> go.Heatmap:
    """Return a heat map with its scale to the `right` of it, in shares of the figure's width."""
    panel = _PANELS[protocol]
    hovers = [_hover_text(protocol, row) for row in rows.to_dict("records")]
    told = rows.assign(hover=hovers, name=rows.index)
    table = told.pivot(index=panel.batch, columns=panel.window)
    throughput = table["throughput_rps"]
    return go.Heatmap(
        x=[f"{window:,}" for window in throughput.columns],
        y=[f"{batch:,}" for batch in throughput.index],
        z=throughput,
        zmin=0,
        zmax=throughput.max(axis=None),
        text=throughput.map(theme.si),
        texttemplate="%{text}",
        hovertext=table["hover"],
        hoverinfo="text",
        customdata=table["name"].to_numpy(object).tolist(),
        xgap=2,
        ygap=2,
        colorscale=[[0, theme.tint(protocol, 0)], [1, theme.tint(protocol, _DARKEST)]],
        colorbar={
            "x": right,
            "thickness": 12,
            "outlinewidth": 0,
            "tickformat": theme.SI_TICKS,
            "title": {"text": "requests/s"},
        },
    )


def _hover_text(protocol: str, row: Mapping[Hashable, Any]) -> str:
    panel = _PANELS[protocol]
    place = {
        panel.window_title: f"{row[panel.window]:,}",
        panel.batch_title: f"{row[panel.batch]:,}",
    }
    return hover_text(theme.label(protocol), row, place)
