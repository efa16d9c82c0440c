"""Throughput and latency over time in runs with faults: what each fault cost, and for how long."""

from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import settings, theme
from dashboards.faults import Event, FaultyRun, happened, shown
from dashboards.series import PERCENTILES
from experiments.spec import BIN_S
from experiments.summarise import over_time

TITLE = "Through the faults"
WHAT_TO_SEE = (
    "Each row is a run, in bins of 100 ms: at zero throughput nobody was answered, and there is no "
    "latency (solid: median, dashed: 99th percentile). Vertical lines mark faults and, dotted, "
    "what followed; the ground is grey until a fault is mended. Point at a triangle to read more."
)
_DASHES = {"p50": "solid", "p99": "dash"}
_TINT = 0.25
_PLOT_PIXELS = 150
_PANEL_PIXELS = 345
"""Least width of a panel on a screen of 1,280 pixels, beside the controls of the explorer."""
_LABEL_PIXELS = 15
_LABEL_LEVELS = 3
_LABEL_GAP_PIXELS = 8
_CHARACTER_PIXELS = 6.2
_HEAD_PIXELS = 24 + _LABEL_LEVELS * _LABEL_PIXELS
_TITLE_GAP_PIXELS = 8
_GAP_PIXELS = 16 + _HEAD_PIXELS
_FOOT_PIXELS = 64


class Label(NamedTuple):
    """Where the text of an event stands above a panel."""

    event: Event
    level: int
    """0 is next to the panel."""
    is_left_of_mark: bool


def draw(
    runs: pd.DataFrame, timeline: pd.DataFrame, latency: pd.DataFrame, events: pd.DataFrame
) -> go.Figure:
    """Plot the runs with faults over their window, one row a run; at least one has faults.

    The other tables are those of `experiments.results`, and may hold more runs. Each mark of a
    run knows the name of its row.
    """
    rows = shown(runs)
    figure = _panels(len(rows), max(run.row["duration_s"] for run in rows))
    shapes: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for row, run in enumerate(rows, start=1):
        found = happened(run, events)
        _draw_bins(figure, row, run, _over_window(run, timeline, latency), found)
        name = runs.index[runs["run_id"] == run.row["run_id"]][0]
        for trace in figure.select_traces(row=row):
            trace.customdata = [name] * len(trace.x)
        left, right = _axes(2 * row - 1), _axes(2 * row)
        for event, axes in product(found, (left, right)):
            shapes += _shapes(event, axes)
        heads += _head(run, found, left)
    # All at once: one by one, each would have Plotly look at those before.
    return figure.update_layout(shapes=shapes, annotations=heads)


def _panels(rows: int, duration_s: float) -> go.Figure:
    pixels = rows * (_PLOT_PIXELS + _GAP_PIXELS) - _GAP_PIXELS
    figure = theme.panels(
        TITLE,
        rows=rows,
        cols=2,
        shared_xaxes="all",
        horizontal_spacing=0.11,
        vertical_spacing=_GAP_PIXELS / pixels,
    )
    figure.update_xaxes(theme.linear_axis("", theme.PLAIN_TICKS) | {"range": [0, duration_s]})
    figure.update_xaxes(title_text="Time in the measured window (s)", row=rows)
    top = _HEAD_PIXELS + theme.TITLE_PIXELS + _TITLE_GAP_PIXELS
    return figure.update_layout(
        height=pixels + top + _FOOT_PIXELS,
        margin={"t": top, "b": _FOOT_PIXELS},
        showlegend=False,
    )


def _axes(panel: int) -> str:
    """Return what Plotly appends to x and y to name the axes of a panel, counted from 1."""
    return str(panel) if panel > 1 else ""


def _over_window(run: FaultyRun, timeline: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    run_id = run.row["run_id"]
    return over_time(
        timeline[timeline["run_id"] == run_id],
        latency[latency["run_id"] == run_id],
        run.row["warmup_s"],
        run.row["duration_s"],
    )


def _draw_bins(
    figure: go.Figure, row: int, run: FaultyRun, bins: pd.DataFrame, events: Sequence[Event]
) -> None:
    top = 1.1 * max(1.0, bins["throughput_rps"].max())
    replies = [_throughput(bins, run), marks(events, top)]
    figure.add_traces(replies, rows=row, cols=1)
    figure.add_traces([_latency(bins, run, each) for each in _DASHES], rows=row, cols=2)
    throughput = theme.linear_axis("Throughput (req/s)") | {"range": [0, top]}
    latencies = bins[[PERCENTILES[each] for each in _DASHES]]
    figure.update_yaxes(throughput, row=row, col=1)
    figure.update_yaxes(
        theme.log_axis("Latency (ms)", latencies, theme.PLAIN_TICKS), row=row, col=2
    )


def _throughput(bins: pd.DataFrame, run: FaultyRun) -> go.Scatter:
    protocol = run.row["protocol"]
    return go.Scatter(
        x=bins["time_s"] - BIN_S / 2,
        y=bins["throughput_rps"],
        line=theme.line(protocol) | {"shape": "hvh", "width": 1.5},
        fill="tozeroy",
        fillcolor=theme.tint(protocol, _TINT),
        hovertemplate=_hover(run, {"Throughput": "%{y:.3s} requests/s"}),
    )


def _latency(bins: pd.DataFrame, run: FaultyRun, percentile: str) -> go.Scatter:
    protocol = run.row["protocol"]
    return go.Scatter(
        x=bins["time_s"] - BIN_S / 2,
        y=bins[PERCENTILES[percentile]],
        mode="lines",
        line=theme.line(protocol, _DASHES[percentile]) | {"width": 1.5},
        hovertemplate=_hover(run, {f"Latency {percentile}": "%{y:.3~f} ms"}),
    )


def _hover(run: FaultyRun, facts: Mapping[str, str]) -> str:
    """Return the template of a hover label: a time, what is told of it, and the run's settings."""
    time = {"Time": "%{x:.2f} s"}
    return f"{theme.hover(run.name, {**time, **facts, **settings.facts(run.row)})}<extra></extra>"


def marks(events: Sequence[Event], top: float) -> go.Scatter:
    """Return a mark for each event at the height `top`, told in full where it is pointed at."""
    return go.Scatter(
        x=[event.time_s for event in events],
        y=[top] * len(events),
        mode="markers",
        cliponaxis=False,
        marker={
            "color": theme.MUTED,
            "symbol": [f"triangle-down{'' if event.is_fault else '-open'}" for event in events],
            "size": 9,
        },
        hovertext=[theme.hover(event.text, {"Time": f"{event.time_s:.2f} s"}) for event in events],
        hoverinfo="text",
        showlegend=False,
    )


def _shapes(event: Event, axes: str) -> Iterator[dict[str, Any]]:
    """Yield what marks an event in a panel: a line and, if it lasts, grey ground."""
    place = {"xref": f"x{axes}", "yref": f"y{axes} domain", "y0": 0, "y1": 1, "x0": event.time_s}
    if event.mended_s > event.time_s:
        shade = {"fillcolor": theme.SHADE, "line": {"width": 0}, "layer": "below"}
        yield {**place, **shade, "type": "rect", "x1": event.mended_s}
    line = {"color": theme.MUTED, "width": 1, "dash": "solid" if event.is_fault else "dot"}
    yield {**place, "type": "line", "x1": event.time_s, "line": line}


def _head(run: FaultyRun, events: Sequence[Event], axes: str) -> Iterator[dict[str, Any]]:
    """Yield what stands above a panel: the name of the run and, where there is room, its events."""
    above = {"yref": f"y{axes} domain", "y": 1, "yanchor": "bottom", "showarrow": False}
    placed = labels(events, run.row["duration_s"])
    levels = max((1 + label.level for label in placed), default=0)
    yield {
        **above,
        "text": f"<b>{run.name}</b>",
        "xref": f"x{axes} domain",
        "x": 0,
        "xanchor": "left",
        "yshift": 6 + levels * _LABEL_PIXELS,
    }
    for label in placed:
        yield {
            **above,
            "text": label.event.text,
            "font": {"size": 11},
            "xref": f"x{axes}",
            "x": label.event.time_s,
            "xanchor": "right" if label.is_left_of_mark else "left",
            "yshift": 4 + label.level * _LABEL_PIXELS,
        }


def labels(events: Sequence[Event], duration_s: float) -> list[Label]:
    """Return the labels for which there is room above a panel; those of faults are placed first."""
    placed: list[Label] = []
    taken: list[tuple[int, float, float]] = []  # Level, and from where to where, in pixels.
    for event in sorted(events, key=lambda event: not event.is_fault):
        for level, is_left in product(range(_LABEL_LEVELS), (False, True)):
            width = _CHARACTER_PIXELS * len(unescape(event.text))
            start = event.time_s / duration_s * _PANEL_PIXELS - is_left * width
            is_inside = 0 <= start <= _PANEL_PIXELS - width
            if is_inside and not any(
                level == other and start < end and begin < start + width
                for other, begin, end in taken
            ):
                placed.append(Label(event, level, is_left))
                taken.append((level, start - _LABEL_GAP_PIXELS, start + width + _LABEL_GAP_PIXELS))
                break
    return placed
