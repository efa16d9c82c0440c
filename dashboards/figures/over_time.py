"""One run over time: what its clients saw, what its hosts did, what waited where, its faults."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme
from dashboards.axes import between_labels
from dashboards.bottleneck import capacities
from dashboards.faults import Event, FaultyRun, happened
from dashboards.figures.timeline import labels, marks
from experiments.spec import BIN_S
from experiments.summarise import distribution, replies_by_bin, usage_by_host

TITLE = "Over time"
WHAT_TO_SEE = (
    "Bins of 100 ms, from when the clients began. What counts lies between the grey of warm-up and "
    "cool-down: a run that still changes there is too short. A fault lasts as long as its coloured "
    "ground; dotted lines mark what followed. Click a name to show or hide its lines."
)
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
SHOWN = ("p50", "p99")
"""Percentiles that are drawn where no others are asked for."""

NEAR_SHARE = 0.4
"""The share of what a host can do from which on a panel shows that, too."""

_MBIT = 8e-6
_ROWS = 4
_PLOT_PIXELS = 150
_GAP_PIXELS = 44
_HEAD_PIXELS = 76
_FOOT_PIXELS = 56

_Floats = NDArray[np.float64]


class Panel(NamedTuple):
    """What is drawn over the time, on one axis."""

    title: str
    """Of the axis: ends with the unit in parentheses."""
    ticks: str
    lines: Sequence[go.Scatter]
    most: float = np.inf
    """What there can be at most; inf where nothing limits it."""
    what_is_most: str = ""
    is_log: bool = False
    instead: str = ""
    """What is said where there is no line."""


def draw(
    run: "pd.Series[Any]",
    timeline: pd.DataFrame,
    latency: pd.DataFrame,
    counters: pd.DataFrame,
    events: pd.DataFrame,
    *,
    percentiles: Collection[str] = SHOWN,
) -> go.Figure:
    """Plot one run, a row of the table of runs; the other tables hold that run alone.

    `timeline` has a row at least. Of `PERCENTILES` those asked for are drawn; a click on their
    names in the legend shows the others.
    """
    end_s = float(timeline["time_s"].max())
    counters = since_clients_began(counters)
    of_clients = _of_clients(run, timeline, latency, counters, percentiles)
    of_hosts = _of_hosts(run, counters, end_s)
    figure = _grid()
    for row, pair in enumerate(zip(of_clients, of_hosts, strict=True), start=1):
        for column, panel in enumerate(pair, start=1):
            _add(figure, panel, row, column, end_s)
    found = _happened(run, events)
    _mark_events(figure, found, end_s)
    # All at once: one by one, each would have Plotly look at those before.
    figure.update_layout(shapes=list(_grounds(run, found, end_s)))
    figure.update_xaxes(range=[0, end_s])
    return figure.update_xaxes(title_text="Time since the clients began (s)", row=_ROWS)


def since_clients_began(counters: pd.DataFrame) -> pd.DataFrame:
    """Return the counters of one run with the times and bins of hosts counted as the clients' are.

    Hosts begin to measure a moment before. The first row in which any has admitted a request tells
    when the clients began, to a bin.
    """
    of_hosts = counters["host"] >= 0
    begins_s = counters.groupby("actor")["time_s"].shift().fillna(0.0)
    admits = counters.reindex(columns=["requests_in"])["requests_in"] > 0
    first_s = begins_s[of_hosts & admits].min()
    since = round(first_s / BIN_S) if np.isfinite(first_s) else 0
    bins = counters["bin"] - since * of_hosts
    return counters.assign(time_s=counters["time_s"] - since * BIN_S * of_hosts, bin=bins)


# --- What there is to draw ----------------------------------------------------------------------


def _of_clients(
    run: "pd.Series[Any]",
    timeline: pd.DataFrame,
    latency: pd.DataFrame,
    counters: pd.DataFrame,
    percentiles: Collection[str],
) -> list[Panel]:
    replies = replies_by_bin(timeline, 0.0, float(timeline["time_s"].max()))
    middles_s = (np.arange(len(replies)) + 0.5) * BIN_S
    protocol = run["protocol"]
    throughput = _line(middles_s, replies / BIN_S, protocol, "throughput")
    by_bin = percentiles_by_bin(latency, len(replies))
    latencies = [
        _line(middles_s, by_bin[name], protocol, name, theme.dash(rank)).update(
            visible=True if name in percentiles else "legendonly"
        )
        for rank, name in enumerate(PERCENTILES)
    ]
    return [
        Panel(
            "Throughput<br>(requests/s)",
            theme.SI_TICKS,
            [throughput.update(showlegend=False)],
            run["limit_rps"],
            "computed limit",
        ),
        Panel("Latency<br>(ms)", theme.PLAIN_TICKS, latencies, is_log=True),
        Panel("Requests<br>(count)", theme.SI_TICKS, _requests(run, timeline, counters)),
        Panel("Ordering<br>(count)", theme.PLAIN_TICKS, _behind(run, counters)),
    ]


def percentiles_by_bin(latency: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Return the latency of one run, in ms: a row each of the first `bins`, nan without a reply.

    Columns: the keys of `PERCENTILES`.
    """
    numbers = range(bins)
    if latency.empty:
        return pd.DataFrame(np.nan, index=numbers, columns=list(PERCENTILES))
    counts = latency.groupby(["bin", "bucket"])["count"].sum().unstack(fill_value=0)
    up_to = counts.to_numpy(np.float64).cumsum(axis=1)
    all_ms = distribution(latency)["latency_ms"].to_numpy()  # Of the buckets in their order, too.
    found = {
        name: all_ms[(up_to >= np.ceil(q * up_to[:, -1:] / 100)).argmax(axis=1)]
        for name, q in PERCENTILES.items()
    }
    return pd.DataFrame(found, index=counts.index).reindex(numbers)


def _requests(
    run: "pd.Series[Any]", timeline: pd.DataFrame, counters: pd.DataFrame
) -> list[go.Scatter]:
    """Return where the requests are that have no reply yet."""
    by_bin = timeline.groupby("time_s")[["outstanding", "waiting"]].sum()
    found = {"in flight": by_bin.sum(axis=1)}
    if run["arrival_rate_rps"]:
        found["of these waiting for a client"] = by_bin["waiting"]
    found["taken in by hosts"] = _gauge(counters, "pending_requests", "sum")
    found["of these waiting for a batch"] = _gauge(counters, "batcher_requests", "sum")
    return _dashed(run, found)


def _behind(run: "pd.Series[Any]", counters: pd.DataFrame) -> list[go.Scatter]:
    """Return what is begun and not done, on the host that has most of it."""
    names = {
        "open_instances": "open instances",
        "unstable_batches": "batches not stable",
        "execution_backlog": "decided, not executed",
    }
    return _dashed(run, {name: _gauge(counters, key, "max") for key, name in names.items()})


def _gauge(
    counters: pd.DataFrame, column: str, over_actors: Literal["sum", "max"]
) -> "pd.Series[float]":
    """Return how things stood at the end of each bin, over all actors of hosts that have such."""
    of_hosts = counters[counters["host"] >= 0].reindex(columns=["actor", "bin", column])
    told = of_hosts.dropna()
    by_actor = told.pivot_table(index="bin", columns="actor", values=column, aggfunc="last")
    # A busy actor is sampled late now and then; one that is dead has nothing any more.
    found: pd.Series[float] = by_actor.ffill(limit=2).agg(over_actors, axis=1)
    return found.rename(lambda number: number * BIN_S)


def _of_hosts(run: "pd.Series[Any]", counters: pd.DataFrame, end_s: float) -> list[Panel]:
    used = usage_by_host(counters, run["warmup_s"], run["duration_s"])
    leads = dict(zip(used["host"], used["leads"], strict=True))
    has = capacities(run.to_dict())
    is_modelled = np.isfinite(has["cpu_cores"])
    rates = [
        ("CPU of each host<br>(cores)", "modelled_cpu_s" if is_modelled else "cpu_s", 1.0),
        ("Network out<br>(Mbit/s)", "network_bytes_out", _MBIT),
        ("Network in<br>(Mbit/s)", "network_bytes_in", _MBIT),
    ]
    panels = [
        Panel(
            title,
            theme.PLAIN_TICKS,
            _each_host(run, leads, dict(_rates(counters, column, unit, end_s))),
            most,
            "all that a host has",
        )
        for (title, column, unit), most in zip(rates, has.values(), strict=True)
    ]
    if used["cpu_cores"].isna().any():
        panels[0] = panels[0]._replace(lines=[], instead=theme.NOT_MODELLED)
    queued = {
        host: _gauge(counters[counters["host"] == host], "queued_bytes", "sum") for host in leads
    }
    waiting = Panel("Queued to send<br>(bytes)", theme.SI_TICKS, _each_host(run, leads, queued))
    panels.append(waiting)
    for panel in [each for each in panels if each.lines][1:]:
        for line in panel.lines:
            line.showlegend = False  # The first panel with lines names the hosts of all.
    return panels


def _rates(
    counters: pd.DataFrame, column: str, unit: float, end_s: float
) -> Iterator[tuple[int, "pd.Series[float]"]]:
    """Yield what each host counted per second, in each bin; what it counts is worth `unit`."""
    edges_s: _Floats = np.arange(round(end_s / BIN_S) + 1) * np.float64(BIN_S)
    for host, rows in counters[counters["host"] >= 0].groupby("host"):
        so_far = [_so_far(actor, column, edges_s) for _, actor in rows.groupby("actor")]
        per_s = np.diff(np.sum(so_far, axis=0)) * unit / BIN_S
        yield int(str(host)), pd.Series(per_s, index=edges_s[1:] - BIN_S / 2)


def _so_far(actor: pd.DataFrame, column: str, edges_s: _Floats) -> _Floats:
    """Return what one actor has counted by each of these times.

    A row covers the time since the row before, its first a bin, and is spread evenly over it.
    """
    rows = actor.sort_values("time_s")
    ends_s = rows["time_s"].to_numpy(np.float64)
    counted = rows.reindex(columns=[column])[column].fillna(0.0).to_numpy(np.float64)
    so_far: _Floats = np.interp(edges_s, [ends_s[0] - BIN_S, *ends_s], [0.0, *counted.cumsum()])
    return so_far


def _happened(run: "pd.Series[Any]", events: pd.DataFrame) -> list[Event]:
    warmup_s = run["warmup_s"]
    return [
        event._replace(time_s=event.time_s + warmup_s, mended_s=event.mended_s + warmup_s)
        for event in happened(FaultyRun("", run.to_dict()), events)
    ]


# --- Drawing ------------------------------------------------------------------------------------


def _grid() -> go.Figure:
    plots = _ROWS * (_PLOT_PIXELS + _GAP_PIXELS) - _GAP_PIXELS
    top = _HEAD_PIXELS + theme.TITLE_PIXELS
    figure = theme.panels(
        TITLE,
        rows=_ROWS,
        cols=2,
        shared_xaxes="all",
        horizontal_spacing=0.14,
        vertical_spacing=_GAP_PIXELS / plots,
    )
    margin = {"t": top, "b": _FOOT_PIXELS}
    return figure.update_layout(height=plots + top + _FOOT_PIXELS, margin=margin)


def _add(figure: go.Figure, panel: Panel, row: int, column: int, end_s: float) -> None:
    number = 2 * (row - 1) + column
    legend = f"legend{number}" if number > 1 else "legend"
    for line in panel.lines:
        line.legend = legend
    figure.add_traces(list(panel.lines), rows=row, cols=column)
    if not panel.lines and panel.instead:
        theme.say_instead(figure, panel.instead, row, column)
    values = np.concatenate([[0.0], *(np.asarray(line.y, np.float64) for line in panel.lines)])
    peak = float(np.nanmax(values))
    if peak >= NEAR_SHARE * panel.most:
        figure.add_trace(_most(panel, end_s), row=row, col=column)
        peak = max(peak, panel.most)
    figure.update_yaxes(_axis(panel, values[values > 0], peak), row=row, col=column)
    corner = next(figure.select_yaxes(row=row, col=column)).domain[1]
    left = next(figure.select_xaxes(row=row, col=column)).domain[0]
    place = {"x": left, "y": corner, "xanchor": "left", "yanchor": "bottom", "orientation": "h"}
    look = {"font": {"size": 11}, "bgcolor": theme.CLEAR, "groupclick": "togglegroup"}
    figure.update_layout({legend: {**place, **look}})


def _axis(panel: Panel, above_0: _Floats, peak: float) -> dict[str, Any]:
    if panel.is_log:
        return between_labels(panel.title, above_0, panel.ticks)
    axis = theme.linear_axis(panel.title, panel.ticks)
    if not peak:
        return axis | {"range": [0, 1], "tickvals": [0]}
    return axis | {"range": [0, 1.18 * peak]}


def _most(panel: Panel, end_s: float) -> go.Scatter:
    text = f"{panel.what_is_most}: {theme.si(panel.most)}"
    return go.Scatter(
        x=[0, end_s],
        y=[panel.most] * 2,
        mode="lines+text",
        line={"color": theme.MUTED, "dash": "dash", "width": 1},
        text=[text, ""],
        textposition="top right",
        textfont={"size": 11},
        hoverinfo="skip",
        showlegend=False,
    )


def _each_host(
    run: "pd.Series[Any]", leads: dict[int, bool], found: dict[int, "pd.Series[float]"]
) -> list[go.Scatter]:
    """Return a line a host: the leader's strong, and those of the others alike."""
    protocol = run["protocol"]
    others = [host for host in found if not leads.get(host)]
    lines = []
    for host in [*others, *(host for host in found if leads.get(host))]:  # The leader's on top.
        name = f"host {host}" if host not in others else "other hosts"
        line = _line(found[host].index, found[host], protocol, f"host {host}")
        line.update(
            name=f"{name}, which led" if host not in others else name,
            legendgroup=name,
            showlegend=host not in others or host == others[0],
            hovertemplate=f"host {host}, %{{x:.2f}} s: %{{y:.3~s}}<extra></extra>",
        )
        if host in others:
            line.line.update(color=theme.MUTED, width=1)
        lines.append(line)
    return lines


def _dashed(run: "pd.Series[Any]", found: dict[str, "pd.Series[float]"]) -> list[go.Scatter]:
    told = {name: values for name, values in found.items() if len(values)}
    return [
        _line(values.index, values, run["protocol"], name, theme.dash(rank))
        for rank, (name, values) in enumerate(told.items())
    ]


def _line(x: Any, y: Any, protocol: str, name: str, dash: str = "solid") -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name=name,
        line=theme.line(protocol, dash) | {"width": 1.5},
        hovertemplate=f"{name}, %{{x:.2f}} s: %{{y:.3~s}}<extra></extra>",
    )


# --- Faults -------------------------------------------------------------------------------------


def _grounds(
    run: "pd.Series[Any]", events: Iterable[Event], end_s: float
) -> Iterator[dict[str, Any]]:
    """Yield the ground of warm-up, cool-down and faults, and the lines, through all panels."""
    window = run["warmup_s"], run["warmup_s"] + run["duration_s"]
    for number in ("", *range(2, 2 * _ROWS + 1)):
        whole = {"xref": f"x{number}", "yref": f"y{number} domain", "y0": 0, "y1": 1}
        for start_s, stop_s in ((0.0, window[0]), (window[1], end_s)):
            yield _ground(whole, start_s, stop_s, theme.SHADE)
        for event in events:
            if event.mended_s > event.time_s:
                yield _ground(whole, event.time_s, event.mended_s, theme.FAULT_GROUND)
            dash = "solid" if event.is_fault else "dot"
            line = {"color": theme.MUTED, "width": 1, "dash": dash}
            yield {**whole, "type": "line", "x0": event.time_s, "x1": event.time_s, "line": line}


def _ground(whole: dict[str, Any], start_s: float, stop_s: float, colour: str) -> dict[str, Any]:
    bounds = {"x0": start_s, "x1": stop_s, "fillcolor": colour, "line": {"width": 0}}
    return {**whole, **bounds, "type": "rect", "layer": "below"}


def _mark_events(figure: go.Figure, events: Sequence[Event], end_s: float) -> None:
    """Say above the first panel what happened, and in full where it is pointed at."""
    top = figure.layout.yaxis.range[1]
    figure.add_trace(marks(events, top), row=1, col=1)
    for label in labels(events, end_s):
        figure.add_annotation(
            text=label.event.text,
            font={"size": 11},
            x=label.event.time_s,
            xref="x",
            xanchor="right" if label.is_left_of_mark else "left",
            y=1,
            yref="paper",
            yanchor="bottom",
            yshift=8 + 15 * label.level,
            showarrow=False,
        )
