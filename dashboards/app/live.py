"""Live: the sweep that is going on now, in this terminal's folder or another's.

The page asks about twice a second. It is sent what is new since it asked last, and the whole figure
only where another run has begun or something happened: a run that is watched on its own machine is
to notice little of it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import graph, problem, table
from dashboards.figures import now
from experiments.estimate import duration
from experiments.progress import SILENT_S, CurrentRun, Progress

PERIOD_MS = 400
RUNS_SHOWN = 8

_Drawn = Mapping[str, Any]
"""What the page shows: the folder, the run and how many events of it, until when; runs ended."""


def layout(_library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder`, else the sweep that told last."""
    folder = parse_qs(query).get("folder", [""])[-1]
    return dmc.Stack(
        [
            dcc.Interval(id="live-clock", interval=PERIOD_MS),
            dcc.Store(id="live-drawn", data={}),
            dcc.Store(id="live-wanted", data=folder),
            html.Div(dmc.Text("Looking for a sweep", c="dimmed"), id="live-sweep"),
            html.Div(graph("live"), id="live-figure", hidden=True),
            html.Div(id="live-ended"),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the page follow the sweep."""
    ears = Ears(library)

    @app.callback(
        Output("live-sweep", "children"),
        Output({"graph": "live"}, "figure"),
        Output({"graph": "live"}, "extendData"),
        Output("live-figure", "hidden"),
        Output("live-ended", "children"),
        Output("live-drawn", "data"),
        Input("live-clock", "n_intervals"),
        State("live-wanted", "data"),
        State("live-drawn", "data"),
        State("live-figure", "hidden"),
        # Asked again before it has answered, an answer would be thrown away.
        running=[(Output("live-clock", "disabled"), True, False)],
    )
    def follow(_ticks: int, wanted: str, drawn: _Drawn, is_hidden: bool) -> tuple[Any, ...]:
        folder, told = ears.sweep([wanted, drawn.get("folder", "")])
        if told is None:
            ended = _has_ended(library, drawn["folder"]) if drawn.get("folder") else None
            return ended or _nothing(library), *[no_update] * 5
        runs = no_update
        if (drawn.get("folder"), drawn.get("ended")) != (folder, told.ended):
            runs = _ended_runs(library, folder)
        head, about = _head(folder, told, ears), {"folder": folder, "ended": told.ended}
        if told.run is None:  # The figure of the run before stays for a moment.
            return head, no_update, no_update, no_update, runs, {**drawn, **about}
        figure, added, is_drawn = no_update, no_update, drawn
        if not is_hidden:  # Plotly cannot draw what is not there.
            figure, added = _changes(told.run, drawn)
            is_drawn = _drawn(told.run)
        is_live = told.run.is_live
        return head, figure, added, not is_live, runs, {**is_drawn, **about}


# --- What goes on -------------------------------------------------------------------------------


class Ears:
    """Hears of the sweeps below a root, and for how long nothing new was heard of each.

    That is told by the clock here: whoever sweeps may have another.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._heard: dict[str, tuple[float, float]] = {}

    def sweep(self, looked_at: Iterable[str]) -> tuple[str, Progress | None]:
        """Return a sweep that goes on: one that is looked at, else the one that told last."""
        for name in filter(None, looked_at):
            told = self._library.progress(name)
            if told is not None and self.silent_s(name, told) <= SILENT_S:
                return name, told
        going_on = {
            name: told for name in self._library.sweeps() if (told := self._library.progress(name))
        }
        if not going_on:
            return "", None
        name = min(going_on, key=lambda each: self.silent_s(each, going_on[each]))
        return name, going_on[name]

    def silent_s(self, name: str, told: Progress) -> float:
        """Return for how long a sweep has told nothing but `told`, as far as is known."""
        now_s = time.monotonic()
        told_at_s, heard_s = self._heard.get(name, (None, now_s))
        if told_at_s != told.told_at_s:
            heard_s = now_s
        self._heard[name] = told.told_at_s, heard_s
        return now_s - heard_s


def _drawn(run: CurrentRun) -> _Drawn:
    until_s = run.moments[-1].time_s if run.moments else 0.0
    return {"run": run.run_id, "events": len(run.events), "until_s": until_s}


def _changes(run: CurrentRun, drawn: _Drawn) -> tuple[Any, Any]:
    """Return the figure, if it must be drawn anew, and else what to add to it."""
    if (drawn.get("run"), drawn.get("events")) != (run.run_id, len(run.events)):
        return now.draw(run), no_update
    moments = [moment for moment in run.moments if moment.time_s > drawn["until_s"]]
    if not moments:
        return no_update, no_update
    added = now.extension(run, moments)
    return no_update, [added, list(range(len(added["y"])))]


# --- What is shown ------------------------------------------------------------------------------


def _nothing(library: Library) -> Any:
    return dmc.Alert(
        [
            dmc.Text(
                f"A sweep that runs in another terminal, or as a Ray job, appears here by itself "
                f"where its results are below {library.root}. To see one:"
            ),
            dmc.Code("paxoscope run demo", block=True),
        ],
        title="No sweep is running",
        color="blue",
    )


def _has_ended(library: Library, folder: str) -> Any:
    return dmc.Alert(
        dmc.Anchor("Look at its results", href=_results(folder)),
        title=f"The sweep in {library.root / folder} has ended",
        color="teal",
    )


def _head(folder: str, told: Progress, ears: Ears) -> Any:
    return dmc.Stack(
        [
            dmc.Group(
                [
                    dmc.Title(f"Live: {told.suite}", order=2),
                    dmc.Anchor(f"results so far in {folder}", href=_results(folder), size="sm"),
                ],
                align="baseline",
            ),
            *_silence(ears.silent_s(folder, told)),
            _how_far(told),
            _current(told.run) if told.run else dmc.Text("Getting ready", c="dimmed"),
        ]
    )


def _silence(silent_s: float) -> Sequence[Any]:
    if silent_s <= SILENT_S:
        return []
    return [
        problem(
            "No sign of life",
            f"Nothing was heard for {duration(silent_s)}, at least: this sweep was stopped by "
            "force, or its machine is. What had finished is kept; the same command goes on with "
            "the rest.",
        )
    ]


def _how_far(told: Progress) -> Any:
    left = f"about {duration(told.remaining_s)}" if told.remaining_s >= 1 else "a moment"
    words = [f"{told.ended} of {told.runs} runs", f"{left} left"]
    failed = f"{told.failed} failed"
    return dmc.Stack(
        [
            dmc.Progress(
                value=100 * told.ended / max(1, told.runs),
                color="red" if told.failed else "blue",
                **{"aria-label": "Runs that have ended"},
            ),
            dmc.Group(
                [
                    dmc.Text(", ".join(words), size="sm"),
                    *([dmc.Badge(failed, color="red")] if told.failed else []),
                ]
            ),
        ],
        gap=6,
    )


def _current(run: CurrentRun) -> Any:
    name = dmc.Text([dmc.Text("Now: ", span=True, c="dimmed"), run.name])
    if not run.is_live:
        when = "Its numbers come when it has ended."
        return dmc.Stack([name, dmc.Text(when, c="dimmed", size="sm")], gap=4)
    if not run.moments:
        return dmc.Stack([name, dmc.Text("Its actors start.", c="dimmed", size="sm")], gap=4)
    last = run.moments[-1]
    numbers = {
        "Throughput": theme.si(last.throughput_rps, "req/s"),
        "Median latency": _ms(last.latency_ms_p50),
        "99th percentile": _ms(last.latency_ms_p99),
        "Time": f"{last.time_s:.0f} of {run.load_s:g} s",
    }
    cards = [
        dmc.Paper(
            [dmc.Text(title, c="dimmed", size="sm"), dmc.Text(value, fw=650, size="xl")],
            withBorder=True,
            p="sm",
        )
        for title, value in numbers.items()
    ]
    return dmc.Stack([name, dmc.SimpleGrid(cards, cols=4), *_happenings(run)])


def _happenings(run: CurrentRun) -> Sequence[Any]:
    words = [
        " ".join(filter(None, (f"{each.time_s:.1f} s", each.event, each.target, each.detail)))
        for each in run.events
    ]
    return [dmc.Text(f"Happened: {'; '.join(words)}", size="sm")] if words else []


def _ended_runs(library: Library, folder: str) -> Any:
    """Return the table of the runs that ended last."""
    runs = library.runs([folder])
    if runs.empty:
        return []
    latest = runs.sort_values("started_at", ascending=False).head(RUNS_SHOWN)
    head = ["run", "throughput (req/s)", "p50 (ms)", "p99 (ms)", "outcome"]
    return [dmc.Title("Ended last", order=3), table(head, map(_row, _records(latest)))]


def _row(run: Mapping[Any, Any]) -> list[Any]:
    name = f"{theme.label(run['protocol'])}, n = {run['replicas']}, {run['clients']:,} clients"
    link = urlencode({"folder": run["folder"], "run": run["run_id"]})
    return [
        dmc.Anchor(name, href=f"/run?{link}", size="sm"),
        f"{run['throughput_rps']:,.0f}" if run["outcome"] == "ok" else theme.GAP,
        theme.significant(run["latency_ms_p50"]),
        theme.significant(run["latency_ms_p99"]),
        run["outcome"] if run["outcome"] != "ok" else f"safety: {run['safety']}",
    ]


def _records(runs: pd.DataFrame) -> list[dict[Any, Any]]:
    return runs.to_dict("records")


def _results(folder: str) -> str:
    return f"/?{urlencode({'folders': folder})}"


def _ms(latency_ms: float | None) -> str:
    return theme.GAP if latency_ms is None else f"{theme.significant(latency_ms)} ms"
