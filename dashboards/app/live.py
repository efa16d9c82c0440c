"""Live: the sweep that is going on now, in this terminal's folder or another's.

The page asks about twice a second. It is sent what is new since it asked last, and a whole figure
only where another run has begun, something happened or a run has ended: a run that is watched on
its own machine is to notice little of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.drawings import along
from dashboards.app.library import Library
from dashboards.app.metrics import metric
from dashboards.app.parts import DEMO, graph, keep_link, link, nothing_yet, problem, table
from dashboards.app.sweeps import Ears, Followed
from dashboards.app.view import varies
from dashboards.app.words import components
from dashboards.figures import explore, now
from dashboards.series import SETTINGS
from dashboards.settings import shown
from experiments.estimate import duration
from experiments.progress import SILENT_S, CurrentRun, Moment, Progress

PERIOD_MS = 400
RUNS_SHOWN = 8
EVENTS_TOLD = 6
"""Events that are told in words, the latest ones."""

_Drawn = Mapping[str, Any]
"""What a part of the page shows already: it is sent again only where that has changed."""

_Answer = dict[str, Any]
"""What changes on the page, by the keys of `_OUTPUTS`; what is not there stays as it is."""

_OUTPUTS = {
    "link": Output("live-link", "data"),
    "sweep": Output("live-sweep-drawn", "data"),
    "chosen": Output("live-choice", "value"),
    "choices": Output("live-choice", "data"),
    "are_choices_hidden": Output("live-choices", "hidden"),
    "head": Output("live-sweep", "children"),
    "ended": Output("live-ended", "children"),
    "run": Output("live-run-drawn", "data"),
    "figure": Output({"graph": "live"}, "figure"),
    "added": Output({"graph": "live"}, "extendData"),
    "is_run_hidden": Output("live-run", "hidden"),
    "results": Output("live-results-drawn", "data"),
    "results_figure": Output({"graph": "live-results"}, "figure"),
    "are_results_hidden": Output("live-results", "hidden"),
}


def layout(_library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder`, else the sweep that told last."""
    folder = parse_qs(query).get("folder", [""])[-1]
    return dmc.Stack(
        [
            dcc.Interval(id="live-clock", interval=PERIOD_MS),
            dcc.Store(id="live-link"),
            *(dcc.Store(id=f"live-{part}-drawn", data={}) for part in ("sweep", "run", "results")),
            html.Div(_choice(folder), id="live-choices", hidden=True),
            html.Div(dmc.Text("Looking for a sweep", c="dimmed"), id="live-sweep"),
            html.Div([graph("live"), _explained(now.WHAT_TO_SEE)], id="live-run", hidden=True),
            html.Div(
                [
                    dmc.Title("Results so far", order=3),
                    _explained("A point is the median of those of its repeats that have ended."),
                    graph("live-results"),
                ],
                id="live-results",
                hidden=True,
            ),
            html.Div(id="live-ended"),
        ]
    )


def _choice(folder: str) -> Any:
    return dmc.Select(
        id="live-choice",
        label="Several sweeps are running: show that in",
        data=[folder],
        value=folder,
        allowDeselect=False,
        maw=420,
    )


def _explained(text: str) -> Any:
    return dmc.Text(text, c="dimmed", size="sm", maw="110ch", mb="xs")


def connect(app: Dash, library: Library) -> None:
    """Have the page follow the sweep."""
    keep_link(app, "live-link")
    ears = Ears(library)

    @app.callback(
        output=_OUTPUTS,
        inputs={
            "_ticks": Input("live-clock", "n_intervals"),
            "chosen": State("live-choice", "value"),
            "drawn": {
                part: State(f"live-{part}-drawn", "data") for part in ("sweep", "run", "results")
            },
            "is_hidden": {part: State(f"live-{part}", "hidden") for part in ("run", "results")},
        },
        # Asked again before it has answered, an answer would be thrown away.
        running=[(Output("live-clock", "disabled"), True, False)],
    )
    def follow(
        _ticks: int, chosen: str, drawn: Mapping[str, _Drawn], is_hidden: Mapping[str, bool]
    ) -> _Answer:
        followed = ears.follow([chosen, drawn["sweep"].get("folder", "")])
        told = followed.told
        if told is None:
            answer = _over(library, drawn["sweep"].get("folder", chosen), drawn["sweep"])
        else:
            answer = _links(followed, chosen, drawn["sweep"])
            answer |= _of_sweep(library, followed, told, drawn["sweep"])
        # Plotly cannot draw what is not there.
        if told is not None and told.run is not None and not is_hidden["run"]:
            answer |= _of_run(followed.name, told.run, drawn["run"])
        if not is_hidden["results"]:
            answer |= _of_results(library, answer["sweep"], drawn["results"])
        return dict.fromkeys(_OUTPUTS, no_update) | answer


# --- What has changed ---------------------------------------------------------------------------


def _over(library: Library, folder: str, drawn: _Drawn) -> _Answer:
    """Tell that no sweep goes on, or that the one that was looked at has ended."""
    if not drawn and library.runs([folder]).empty:
        return {"head": _nothing(library), "sweep": drawn}
    answer = {"sweep": {"folder": folder}, "are_choices_hidden": True}
    if drawn == answer["sweep"]:
        return answer
    return {
        **answer,
        "head": _has_ended(library, folder),
        "ended": _ended_runs(library, folder),
    }


def _links(followed: Followed, chosen: str, drawn: _Drawn) -> _Answer:
    """Have the link and the choice name the sweep that is followed."""
    answer: _Answer = {}
    if drawn.get("folder") != followed.name:
        answer["link"] = f"?{urlencode({'folder': followed.name})}"
    if chosen != followed.name:
        answer["chosen"] = followed.name
    if drawn.get("going_on") != followed.going_on:
        answer["choices"] = followed.going_on
        answer["are_choices_hidden"] = len(followed.going_on) < 2
    return answer


def _of_sweep(library: Library, followed: Followed, told: Progress, drawn: _Drawn) -> _Answer:
    # What has ended may be there a moment later; a run that is repeated adds no row.
    ended = [told.ended, len(library.runs([followed.name]))]
    about = {"folder": followed.name, "ended": ended, "going_on": followed.going_on}
    answer: _Answer = {"head": _head(followed, told), "sweep": about}
    if any(drawn.get(key) != about[key] for key in ("folder", "ended")):
        answer["ended"] = _ended_runs(library, followed.name)
    if told.run is not None:  # Between two runs what was shown stays for a moment.
        answer["is_run_hidden"] = not told.run.is_live
        is_empty = told.run.is_live or library.points([followed.name]).empty
        answer["are_results_hidden"] = is_empty
    return answer


def _of_run(folder: str, run: CurrentRun, drawn: _Drawn) -> _Answer:
    """Return the figure, if it must be drawn anew, and else what to add to it."""
    known = [_measured(moment) for moment in run.moments]
    about = {"folder": folder, "run_id": run.run_id, "events": len(run.events)}
    last = {"last": known[-1] if known else None}
    if drawn == about | last:
        return {}
    # Its id is that of its settings: the same run may be going on elsewhere, or have begun again.
    is_longer = drawn.get("last") in known and all(drawn[key] == about[key] for key in about)
    if not is_longer:
        return {"figure": now.draw(run), "run": about | last}
    added = now.extension(run, run.moments[known.index(drawn["last"]) + 1 :])
    return {"added": [added, list(range(len(added["y"])))], "run": about | last}


def _measured(moment: Moment) -> list[float | None]:
    """Return what tells a moment from others: of two runs, some may be of the same time."""
    latencies_ms = (moment.latency_ms_p50, moment.latency_ms_p99)
    return [moment.time_s, moment.throughput_rps, *latencies_ms]


def _of_results(library: Library, sweep: _Drawn, drawn: _Drawn) -> _Answer:
    about = {key: sweep.get(key) for key in ("folder", "ended")}
    points = library.points([about["folder"] or ""])
    if drawn == about or points.empty:
        return {}
    return {"results_figure": _results(points), "results": about}


def _results(points: pd.DataFrame) -> go.Figure:
    swept = along(points)
    x, y = (_axis(key) for key in (swept, "throughput_rps"))
    return explore.draw(points, x, y, along=swept).update_layout(uirevision=True)


def _axis(key: str) -> explore.Axis:
    column, about = metric(key, "p99")
    return explore.Axis(column, about.title, about.ticks, is_log=about.is_log)


# --- What is shown ------------------------------------------------------------------------------


def _nothing(library: Library) -> Any:
    said = (
        "A sweep that runs in another terminal, or as a job on a cluster that is followed in one, "
        f"appears here by itself where its results are below {library.root}. To see one:"
    )
    return nothing_yet("No sweep is running", said, DEMO)


def _has_ended(library: Library, folder: str) -> Any:
    return dmc.Alert(
        link("Look at its results", _explored(folder)),
        title=f"The sweep in {library.root / folder} has ended",
        color="teal",
    )


def _head(followed: Followed, told: Progress) -> Any:
    to = _explored(followed.name)
    return dmc.Stack(
        [
            dmc.Group(
                [
                    dmc.Title(f"Live: {told.suite}", order=2),
                    link(f"results so far in {followed.name}", to),
                ],
                align="baseline",
            ),
            *_silence(followed.silent_s),
            _how_far(told),
            _current(told.run, told.beside) if told.run else dmc.Text("Getting ready", c="dimmed"),
        ]
    )


def _silence(silent_s: float) -> Sequence[Any]:
    if silent_s <= SILENT_S:
        return []
    return [
        problem(
            "No sign of life",
            f"Nothing was heard for {duration(silent_s)}, at least: this sweep was stopped by "
            "force, or its machine is, or whoever follows it. What had finished is kept; the same "
            "command goes on with the rest.",
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


def _current(run: CurrentRun, beside: int) -> Any:
    others = f" and {beside} more" if beside else ""
    name = dmc.Text([dmc.Text("Now: ", span=True, c="dimmed"), run.name + others])
    if not run.is_live:
        when = "A run in virtual time tells its numbers when it has ended."
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
    return dmc.Stack([name, dmc.SimpleGrid(cards, cols={"base": 2, "sm": 4}), *_happenings(run)])


def _happenings(run: CurrentRun) -> Iterator[Any]:
    """Yield what happened last, in words."""
    events = now.happenings(run)
    earlier = len(events) - EVENTS_TOLD
    words: list[Any] = [f"{earlier} before; "] if earlier > 0 else []
    for event in events[-EVENTS_TOLD:]:
        words += [f"{event.time_s:.1f} s ", *components(event.text), "; "]
    if words:
        yield dmc.Text(["Happened: ", *words[:-1]], size="sm")


def _ended_runs(library: Library, folder: str) -> Any:
    """Return the table of the runs that ended last."""
    runs = library.runs([folder])
    if runs.empty:
        return []
    said = library.linted([folder])
    swept = [key for key in ("repeat", *SETTINGS) if key != "replicas" and varies(runs[key])]
    latest = runs.sort_values("started_at", ascending=False).head(RUNS_SHOWN)
    rows = [
        _row(run, swept, said[said["run_id"] == run["run_id"]]) for run in latest.to_dict("records")
    ]
    head = ["run", "", "throughput (req/s)", "p50 (ms)", "p99 (ms)", "outcome"]
    return [dmc.Title("Ended last", order=3), table(head, rows)]


def _row(run: Mapping[Any, Any], swept: Sequence[str], said: pd.DataFrame) -> list[Any]:
    settings = [f"{key} = {shown(run[key])}" for key in swept]
    name = f"{theme.label(run['protocol'])}, n = {run['replicas']}, {run['clients']:,} clients"
    return [
        link(", ".join([name, *settings]), one_run.link(run["folder"], run["run_id"])),
        dmc.Group(list(care.mark(said))),
        f"{run['throughput_rps']:,.0f}" if run["outcome"] == "ok" else theme.GAP,
        theme.significant(run["latency_ms_p50"]),
        theme.significant(run["latency_ms_p99"]),
        run["outcome"] if run["outcome"] != "ok" else f"safety: {run['safety']}",
    ]


def _explored(folder: str) -> str:
    return f"/?{urlencode({'folders': folder})}"


def _ms(latency_ms: float | None) -> str:
    return theme.GAP if latency_ms is None else f"{theme.significant(latency_ms)} ms"
