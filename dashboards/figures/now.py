"""A run that is going on: what its clients see and what its hosts do, up to this moment."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.faults import Event, FaultyRun, happened
from dashboards.figures.timeline import labels
from experiments.progress import CurrentRun, HostUsage, Moment

TITLE = "Now"
WHAT_TO_SEE = (
    "The run that is under way, about twice a second. What will count lies between the grey of "
    "warm-up and cool-down. A fault lasts as long as its coloured ground, until it is mended; "
    "dotted lines mark what followed. Point at a triangle to read more."
)
EVENTS_SHOWN = 40
"""Events that are marked, the latest ones: more would hide the lines."""


class _Panel(NamedTuple):
    """A place in the grid, and its axis."""

    title: str
    """Ends with the unit in parentheses."""
    ticks: str
    row: int
    column: int
    rows: int
    """How many rows of the grid it takes."""
    is_log: bool = False


_THROUGHPUT, _LATENCY, _CPU, _OUT, _IN = range(5)
_PANELS = (
    _Panel("Throughput<br>(requests/s)", theme.SI_TICKS, 1, 1, 3),
    # A fault has a percentile jump a thousandfold: on a linear axis all others would be flat.
    _Panel("Latency<br>(ms)", theme.PLAIN_TICKS, 4, 1, 3, is_log=True),
    _Panel("CPU by host<br>(cores)", theme.PLAIN_TICKS, 1, 2, 2),
    _Panel("Network out<br>(Mbit/s)", theme.PLAIN_TICKS, 3, 2, 2),
    _Panel("Network in<br>(Mbit/s)", theme.PLAIN_TICKS, 5, 2, 2),
)
_ROWS, _COLUMNS = 6, 2
_HEIGHT_PIXELS = 560
_LABEL_PIXELS = 15
_FAULT_MARK = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
_OTHER_MARK = "\N{WHITE DOWN-POINTING SMALL TRIANGLE}"
_NAMED = {_CPU: "legend", _LATENCY: "legend2"}
"""The panels above which there are the names of their lines; other lines of hosts are alike."""


class _Line(NamedTuple):
    name: str
    panel: int
    look: dict[str, Any]


def draw(run: CurrentRun) -> go.Figure:
    """Plot the moments of a run so far; `extension` tells what to add to it later."""
    figure = _grid()
    so_far = extension(run, run.moments)
    for line, x, y in zip(_lines(run), so_far["x"], so_far["y"], strict=True):
        place = _PANELS[line.panel]
        figure.add_trace(_trace(line, x, y), place.row, place.column)
    figure.update_xaxes(range=[0, run.load_s])
    events = happenings(run)[-EVENTS_SHOWN:]
    return figure.update_layout(
        shapes=list(_grounds(run, events)),
        annotations=list(_told(events, run.load_s)),
        uirevision=run.run_id,  # What was zoomed stays so while the run lasts.
    )


def extension(run: CurrentRun, moments: Sequence[Moment]) -> dict[str, list[list[Any]]]:
    """Return what moments add to each line of the figure, as Dash's `extendData` takes it."""
    times_s = [moment.time_s for moment in moments]
    used = {host: [_usage(moment, host) for moment in moments] for host in _hosts(run)}
    y: list[list[Any]] = [
        [moment.throughput_rps for moment in moments],
        [moment.latency_ms_p50 for moment in moments],
        [moment.latency_ms_p99 for moment in moments],
        *([each and each.cpu_cores for each in used[host]] for host in used),
        *([each and each.network_mbit_s_out for each in used[host]] for host in used),
        *([each and each.network_mbit_s_in for each in used[host]] for host in used),
    ]
    return {"x": [times_s] * len(y), "y": y}


def happenings(run: CurrentRun) -> list[Event]:
    """Return what happened so far, in order; times are since the clients began."""
    rows = [(run.run_id, each.time_s, each.event, each.target, each.detail) for each in run.events]
    events = pd.DataFrame(rows, columns=["run_id", "time_s", "event", "target", "detail"])
    whole: dict[Hashable, Any] = {"run_id": run.run_id, "warmup_s": 0.0, "duration_s": run.load_s}
    return happened(FaultyRun("", whole), events)


def _lines(run: CurrentRun) -> Iterator[_Line]:
    """Yield each line, in the order of `extension`."""
    yield _Line("throughput", _THROUGHPUT, theme.line(run.protocol))
    yield _Line("p50", _LATENCY, theme.line(run.protocol))
    yield _Line("p99", _LATENCY, theme.line(run.protocol, "dash"))
    for panel in (_CPU, _OUT, _IN):
        yield from (_Line(f"host {host}", panel, theme.host_line(host)) for host in _hosts(run))


def _hosts(run: CurrentRun) -> range:
    return range(run.replicas)


def _usage(moment: Moment, host: int) -> HostUsage | None:
    """Return what a host used; None if it was not heard of."""
    return next((used for used in moment.hosts if used.host == host), None)


# --- Drawing ------------------------------------------------------------------------------------


def _grid() -> go.Figure:
    specs: list[list[dict[str, int] | None]] = [[None] * _COLUMNS for _ in range(_ROWS)]
    for panel in _PANELS:
        specs[panel.row - 1][panel.column - 1] = {"rowspan": panel.rows}
    figure = theme.panels(
        "", rows=_ROWS, cols=_COLUMNS, specs=specs, vertical_spacing=0.07, horizontal_spacing=0.09
    )
    for panel in _PANELS:
        axis = theme.linear_axis(panel.title, panel.ticks)
        if panel.is_log:
            axis |= {"type": "log"}
        figure.update_yaxes(axis, row=panel.row, col=panel.column)
    figure.update_xaxes(matches="x", showticklabels=False)
    for panel in _PANELS:
        if panel.row + panel.rows > _ROWS:
            time = "Time since the clients began (s)"
            figure.update_xaxes(
                title_text=time, showticklabels=True, row=panel.row, col=panel.column
            )
    return figure.update_layout(
        height=_HEIGHT_PIXELS,
        margin={"t": 64, "b": 48},
        **{legend: _above(figure, _PANELS[panel]) for panel, legend in _NAMED.items()},
    )


def _above(figure: go.Figure, panel: _Panel) -> dict[str, Any]:
    """Return a legend in a row above a panel, where no text on events stands."""
    right = next(figure.select_xaxes(row=panel.row, col=panel.column)).domain[1]
    top = next(figure.select_yaxes(row=panel.row, col=panel.column)).domain[1]
    place = {"x": right, "y": top, "xanchor": "right", "yanchor": "bottom"}
    return {**place, "orientation": "h", "bgcolor": theme.CLEAR}


def _trace(line: _Line, x: Sequence[float], y: Sequence[float | None]) -> go.Scatter:
    return go.Scatter(
        x=[0.0, *x],  # Plotly stumbles over lines without any point.
        y=[None, *y],
        mode="lines",
        name=line.name,
        line=line.look,
        legendgroup=line.name,
        showlegend=line.panel in _NAMED,
        legend=_NAMED.get(line.panel),
        hovertemplate=f"{line.name}, %{{x:.1f}} s: %{{y:.3~s}}<extra></extra>",
    )


def _grounds(run: CurrentRun, events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """Yield the ground of what will not count and of faults, and their lines, in both columns."""
    for column in ("x", "x2"):
        whole = {"xref": column, "yref": "paper", "y0": 0, "y1": 1}
        for start_s, stop_s in (
            (0.0, run.warmup_s),
            (run.warmup_s + run.duration_s, run.load_s),
        ):
            yield {**whole, **_ground(theme.SHADE), "x0": start_s, "x1": stop_s}
        for event in events:
            if event.mended_s > event.time_s:
                lasts = {"x0": event.time_s, "x1": event.mended_s}
                yield {**whole, **_ground(theme.FAULT_GROUND), **lasts}
            dash = "solid" if event.is_fault else "dot"
            line = {"color": theme.MUTED, "width": 1, "dash": dash}
            yield {**whole, "type": "line", "x0": event.time_s, "x1": event.time_s, "line": line}


def _ground(colour: str) -> dict[str, Any]:
    return {"type": "rect", "layer": "below", "fillcolor": colour, "line": {"width": 0}}


def _told(events: Sequence[Event], load_s: float) -> Iterator[dict[str, Any]]:
    """Yield what stands above the first panel: a triangle an event, and words if there is room."""
    above = {"xref": "x", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    for event in events:
        yield {
            **above,
            "x": event.time_s,
            "text": _FAULT_MARK if event.is_fault else _OTHER_MARK,
            "yshift": -6,
            "hovertext": theme.hover(event.text, {"Time": f"{event.time_s:.2f} s"}),
        }
    for label in labels(events, load_s):
        yield {
            **above,
            "x": label.event.time_s,
            "xanchor": "right" if label.is_left_of_mark else "left",
            "text": label.event.text,
            "font": {"size": 11},
            "yshift": 8 + label.level * _LABEL_PIXELS,
        }
