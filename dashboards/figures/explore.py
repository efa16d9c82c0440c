"""Any measure against any other, for every curve of a table, of one folder or of several."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import plotly.colors
import plotly.graph_objects as go

from dashboards import theme
from dashboards.series import SETTINGS, Series, hover_text, marks, split
from dashboards.settings import named

PROTOCOL = "protocol"
FOLDER = "folder"
"""The column that says which result folder a point is of, where there may be several."""

FACETS_PER_ROW = 3

# Paul Tol's muted scheme, but for what is faint: told apart by all readers on light and dark paper.
_COLOURS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#44AA99", "#882255", "#88CCEE", "#AA4499")
_SCALE, _SCALE_ENDS = "Viridis", (0.15, 0.85)
"""For numbers: it runs from dark to light, and its ends would be lost on one paper or the other."""


@dataclass(frozen=True)
class Axis:
    """What is put on an axis: a column of the points, its title, whether it is logarithmic."""

    column: str
    title: str
    ticks: str = theme.SI_TICKS
    is_log: bool = False

    def layout(self, points: pd.DataFrame) -> dict[str, object]:
        """Return the axis as Plotly takes it."""
        above_0 = points.loc[points[self.column] > 0, self.column]
        if self.is_log and len(above_0):
            return theme.log_axis(self.title, above_0, self.ticks)
        return theme.linear_axis(self.title, self.ticks)

    def missing(self, points: pd.DataFrame) -> Iterator[str]:
        """Say which of the points have no place on the axis, or why it is not as was asked for."""
        values = points[self.column]
        measured = values[np.isfinite(values)]
        if measured.empty:
            yield f"{self.title}: not measured at any of these points."
            return
        if len(measured) < len(values):
            yield f"{self.title}: measured at {len(measured):,} of {len(values):,} points."
        lost = int((measured <= 0).sum()) if self.is_log else 0
        if lost == len(measured):
            yield f"{self.title}: no value is above 0, so that the axis is not logarithmic."
        elif lost:
            yield f"{self.title}: a logarithmic axis has no place for {lost:,} of the points."


def draw(
    points: pd.DataFrame,
    x: Axis,
    y: Axis,
    *,
    along: str = "clients",
    colour: str = PROTOCOL,
    facet: str = "",
) -> go.Figure:
    """Plot `y` against `x`, a line a curve, its points joined in the order of `along`.

    `points` as `experiments.summarise.summary` makes them, at least one. A line has one colour:
    that of its protocol, or of its value of another setting. With `facet` a panel a value of that
    setting.
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
        vertical_spacing=min(0.12, 0.6 / rows),
        horizontal_spacing=0.04,
    )
    pen = _Pen(points, x=x, y=y, along=along, colour=colour)
    named: set[str] = set()
    for index, (_, part) in enumerate(panels):
        lines = [line for series in split(part, along) for line in pen.lines(series)]
        for line in lines:
            line["showlegend"] = line["name"] not in named
            named.add(line["name"])
        place = [index // columns + 1] * len(lines), [index % columns + 1] * len(lines)
        figure.add_traces(lines, rows=place[0], cols=place[1])
    if not named:
        theme.say_instead(figure, f"not measured: {y.title}", 1, 1)
    figure.update_xaxes({**x.layout(points), "title": None})
    figure.update_yaxes({**y.layout(points), "title": None})
    # The last row may be short: above where it has no panel, a panel is the lowest of its column.
    for column in range(columns):
        lowest = rows if (rows - 1) * columns + column < len(panels) else rows - 1
        figure.update_xaxes(
            title={"text": x.title}, showticklabels=True, row=lowest, col=column + 1
        )
    figure.update_yaxes(title={"text": y.title}, col=1)
    return figure.update_layout(
        height=theme.HEIGHT_PIXELS if rows == 1 else 320 * rows, margin={"t": 32}
    )


def by_folder(points: pd.DataFrame) -> pd.DataFrame:
    """Return points or runs whose `case` names their folder, too, where there are several.

    Figures set curves of different cases apart: so they do curves of different folders.
    """
    folders = points[FOLDER].unique().tolist()
    if len(folders) < 2:
        return points
    names = points[FOLDER].map(short_names(folders))
    return points.assign(case=names.where(points["case"] == "", names + ", " + points["case"]))


def short_names(folders: Sequence[str]) -> dict[str, str]:
    """Return what to call each folder: its last name where no other has the same."""
    last = {folder: PurePosixPath(folder).name or folder for folder in folders}
    names = list(last.values())
    return {folder: name if names.count(name) == 1 else folder for folder, name in last.items()}


def _panels(points: pd.DataFrame, facet: str) -> list[tuple[str, pd.DataFrame]]:
    if not facet:
        return [("", points)]
    values = sorted(points[facet].unique())
    return [(named(facet, value), points[points[facet] == value]) for value in values]


class _Pen:
    """Draws the curves of a table, each in the style that it has everywhere in the figure."""

    def __init__(self, points: pd.DataFrame, *, x: Axis, y: Axis, along: str, colour: str) -> None:
        self._x, self._y = x, y
        self._key = colour
        self._colours = _colours(points[colour])
        self._further = [] if colour == PROTOCOL else _further(points, {along, colour}, colour)
        self._styles: dict[tuple[object, ...], int] = {}
        # All at once: row by row, curve by curve, this would take longer than all else together.
        self._rows = dict(zip(points.index, points.to_dict("records"), strict=True))

    def lines(self, series: Series) -> Iterator[dict[str, Any]]:
        """Yield the lines of a curve: one, or where their colours differ one a colour."""
        parts: list[tuple[Any, pd.DataFrame]] = [(series.protocol, series.rows)]
        if self._key != PROTOCOL:
            parts = list(series.rows.groupby(self._key, sort=False))
        for value, rows in parts:
            if np.isfinite(rows[self._y.column].to_numpy(float)).any():
                said = f", {named(self._key, value)}" if len(parts) > 1 else ""
                yield self._line(series.name + said, self._rank(series, rows), value, rows)

    def _rank(self, series: Series, rows: pd.DataFrame) -> int:
        if self._key == PROTOCOL:
            return series.rank
        style = tuple(rows[key].iloc[0] for key in self._further)
        return self._styles.setdefault(style, len(self._styles))

    def _line(self, name: str, rank: int, value: object, rows: pd.DataFrame) -> dict[str, Any]:
        x, y = self._x.column, self._y.column
        colour = self._colours[value]
        # Plotly makes a trace of it when it is added, and would do so again with a go.Scatter.
        return {
            "type": "scatter",
            "x": rows[x].tolist(),
            "y": rows[y].tolist(),
            "mode": "lines+markers",
            "cliponaxis": False,
            "name": name,
            "legendgroup": name,
            "line": {"color": colour, "dash": theme.dash(rank), "width": 2},
            "marker": {"color": colour, "symbol": theme.symbol(rank), "size": 8},
            "error_y": theme.interval(rows, y) if f"{y}_low" in rows else None,
            **marks(rows, [hover_text(name, self._rows[index]) for index in rows.index]),
        }


def _colours(values: "pd.Series[Any]") -> dict[object, str]:
    """Return the colour of each value: a protocol's own, a scale's for numbers, else one each."""
    found = sorted(values.unique().tolist())
    if values.name == PROTOCOL:
        return {value: theme.colour(value) for value in found}
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        places = np.linspace(*_SCALE_ENDS, len(found)) if len(found) > 1 else [_SCALE_ENDS[0]]
        return dict(zip(found, plotly.colors.sample_colorscale(_SCALE, places), strict=True))
    return {value: _COLOURS[rank % len(_COLOURS)] for rank, value in enumerate(found)}


def _further(points: pd.DataFrame, but: Collection[str], colour: str) -> list[str]:
    """Return the settings that tell apart curves of one colour, leaving some out."""
    keys = [key for key in (PROTOCOL, "clients", *SETTINGS) if key not in but]
    values = points.groupby(colour)[keys].nunique().max()
    return [key for key in keys if values[key] > 1]
