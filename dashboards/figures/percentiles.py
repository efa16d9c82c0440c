"""Latency percentiles against clients: what waiting costs, in the middle and in the tail."""

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import PERCENTILES, Series, hover_texts, marks, split

TITLE = "Latency percentiles against clients"
WHAT_TO_SEE = (
    "All panels share their axes: the further a line climbs from the p50 panel to the p99.9 panel, "
    "the longer the tail; past saturation every further client only adds waiting."
)
_COLUMNS = 2
_ROWS = 2


def draw(points: pd.DataFrame) -> go.Figure:
    """Plot each percentile of the latency in a panel of its own, one line a curve."""
    figure = theme.panels(
        TITLE,
        rows=_ROWS,
        cols=_COLUMNS,
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=list(PERCENTILES),
        horizontal_spacing=0.04,
        vertical_spacing=0.09,
    )
    for index, measure in enumerate(PERCENTILES.values()):
        row, column = index // _COLUMNS + 1, index % _COLUMNS + 1
        for series in split(points):
            figure.add_trace(_line(series, measure), row=row, col=column)
    figure.update_traces(showlegend=True, row=1, col=1)
    latencies = points[list(PERCENTILES.values())]
    figure.update_xaxes(theme.log_axis("Closed-loop clients (count)", points["clients"]))
    figure.update_yaxes(theme.log_axis("Latency (ms)", latencies, theme.PLAIN_TICKS))
    figure.update_xaxes(title_text="", row=1)
    figure.update_yaxes(title_text="", col=2)
    return figure.update_layout(height=680)


def _line(series: Series, measure: str) -> go.Scatter:
    rows = series.rows
    return go.Scatter(
        x=rows["clients"],
        y=rows[measure],
        mode="lines+markers",
        cliponaxis=False,
        name=series.name,
        legendgroup=series.name,
        showlegend=False,
        line=theme.line(series.protocol, theme.dash(series.rank)),
        marker=theme.marker(series.protocol, series.rank),
        **marks(rows, hover_texts(series)),
    )
