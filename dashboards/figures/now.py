"""A run that is going on: what its clients see and what its hosts do, up to this moment."""

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboards import theme
from experiments.progress import CurrentRun, HostUsage, Moment

TITLE = "Now"
WHAT_TO_SEE = (
    "The run that is under way, about twice a second. What will count lies between the grey of "
    "warm-up and cool-down. Dotted lines mark faults and what followed."
)
_PANELS = (
    ("Throughput<br>(requests/s)", theme.SI_TICKS),
    ("CPU by host<br>(cores)", theme.PLAIN_TICKS),
    ("Latency<br>(ms)", theme.PLAIN_TICKS),
    ("Network out by host<br>(Mbit/s)", theme.PLAIN_TICKS),
)
"""In the order of reading: two in a row."""

_LEGENDS = ("", "legend", "legend2", "legend")
_ROW_OF_NAMES = {"orientation": "h", "xanchor": "left", "yanchor": "bottom", "bgcolor": theme.CLEAR}


def draw(run: CurrentRun) -> go.Figure:
    """Plot the moments of a run so far; `extension` tells what to add to it later."""
    figure = theme.panels(
        "", rows=2, cols=2, shared_xaxes="all", vertical_spacing=0.17, horizontal_spacing=0.09
    )
    so_far = extension(run, run.moments)
    for (name, panel, dash), x, y in zip(_lines(run), so_far["x"], so_far["y"], strict=True):
        row, column = divmod(panel, 2)
        line = go.Scatter(
            x=[0.0, *x],  # Plotly stumbles over lines without any point.
            y=[None, *y],
            mode="lines",
            name=name,
            line=theme.line(run.protocol, dash),
            legendgroup=name,
            showlegend=panel in {1, 2},
            legend=_LEGENDS[panel] or None,
        )
        figure.add_trace(line, row + 1, column + 1)
    for panel, (title, ticks) in enumerate(_PANELS):
        row, column = divmod(panel, 2)
        figure.update_yaxes(theme.linear_axis(title, ticks), row=row + 1, col=column + 1)
    figure.update_xaxes(range=[0, run.load_s])
    figure.update_xaxes(title_text="Time since the clients began (s)", row=2)
    _mark(figure, run)
    return figure.update_layout(
        height=440,
        margin={"t": 36, "b": 48},
        uirevision=run.run_id,  # What was zoomed stays so while the run lasts.
        legend={**_ROW_OF_NAMES, "x": 0.55, "y": 1.01},
        legend2={**_ROW_OF_NAMES, "x": 0, "y": 0.43},
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
    ]
    return {"x": [times_s] * len(y), "y": y}


def _lines(run: CurrentRun) -> Iterator[tuple[str, int, str]]:
    """Yield name, panel and dash of each line, in the order of `extension`."""
    yield "throughput", 0, "solid"
    yield "p50", 2, "solid"
    yield "p99", 2, "dash"
    for panel in (1, 3):
        yield from ((f"host {host}", panel, theme.dash(host)) for host in _hosts(run))


def _hosts(run: CurrentRun) -> range:
    return range(run.replicas)


def _usage(moment: Moment, host: int) -> HostUsage | None:
    """Return what a host used; None if it was not heard of."""
    return next((used for used in moment.hosts if used.host == host), None)


def _mark(figure: go.Figure, run: CurrentRun) -> None:
    """Shade what will not count, and mark what happened."""
    end_s = run.warmup_s + run.duration_s
    for start_s, stop_s in ((0.0, run.warmup_s), (end_s, run.load_s)):
        figure.add_vrect(x0=start_s, x1=stop_s, fillcolor=theme.SHADE, line_width=0, layer="below")
    for event in run.events:
        figure.add_vline(x=event.time_s, line={"color": theme.MUTED, "dash": "dot", "width": 1})
