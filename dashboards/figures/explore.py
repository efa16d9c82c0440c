"""Any measure against any other, for every curve of a table."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import Series, hover_texts, split

FACETS_PER_ROW = 3


class Axis:
    """What is put on an axis: a column of the points, its title, whether it is logarithmic."""

    def __init__(self, column: str, title: str, ticks: str, *, is_log: bool) -> None:
        self.column = column
        self.title = title
        self.ticks = ticks
        self.is_log = is_log

    def layout(self, points: pd.DataFrame) -> dict[str, object]:
        """Return the axis as Plotly takes it."""
        values = points[self.column]
        if self.is_log and bool((values > 0).any()):
            return theme.log_axis(self.title, values[values > 0], self.ticks)
        return theme.linear_axis(self.title, self.ticks)


def draw(points: pd.DataFrame, x: Axis, y: Axis, along: str, facet: str = "") -> go.Figure:
    """Plot `y` against `x`, a line a curve, its points joined in the order of `along`.

    `points` as `experiments.summarise.summary` makes them, at least one. With `facet` a panel a
    value of that setting.
    """
    panels = _panels(points, facet)
    columns = min(FACETS_PER_ROW, len(panels))
    rows = -(-len(panels) // columns)
    figure = theme.panels(
        "",
        rows=rows,
        cols=columns,
        subplot_titles=[title for title, _ in panels] if facet else None,
        shared_xaxes="all",
        shared_yaxes="all",
        vertical_spacing=0.12 if rows > 1 else 0.0,
        horizontal_spacing=0.04,
    )
    named: set[str] = set()
    for index, (_, part) in enumerate(panels):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        for line in _lines(part, x, y, along):
            line.showlegend = line.name not in named
            named.add(str(line.name))
            figure.add_trace(line, **place)
    figure.update_xaxes({**x.layout(points), "title": None})
    figure.update_yaxes({**y.layout(points), "title": None})
    figure.update_xaxes(title={"text": x.title}, row=rows)
    figure.update_yaxes(title={"text": y.title}, col=1)
    return figure.update_layout(height=460 if rows == 1 else 320 * rows, margin={"t": 32})


def _panels(points: pd.DataFrame, facet: str) -> list[tuple[str, pd.DataFrame]]:
    if not facet:
        return [("", points)]
    values = sorted(points[facet].unique())
    return [(f"{facet} = {value}", points[points[facet] == value]) for value in values]


def _lines(points: pd.DataFrame, x: Axis, y: Axis, along: str) -> Iterator[go.Scatter]:
    for series in split(points, along):
        rows = series.rows
        if np.isfinite(rows[y.column].astype(float)).any():
            yield _line(series, x, y)


def _line(series: Series, x: Axis, y: Axis) -> go.Scatter:
    rows = series.rows
    return go.Scatter(
        x=rows[x.column],
        y=rows[y.column],
        mode="lines+markers",
        cliponaxis=False,
        name=series.name,
        legendgroup=series.name,
        line=theme.line(series.protocol, theme.dash(series.rank)),
        marker=theme.marker(series.protocol, series.rank),
        error_y=theme.interval(rows, y.column) if f"{y.column}_low" in rows else None,
        hovertext=hover_texts(series),
        hoverinfo="text",
        customdata=rows.index.tolist(),  # An array would not come back with a click.
    )
