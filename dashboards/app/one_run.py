"""One run: what bounded it, its numbers and what is to be said of them; over time, by host; how."""

import html
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import msgspec
import numpy as np
import pandas as pd
from dash import Dash, Input, Output, State, dcc

from dashboards import bottleneck, theme
from dashboards.app import care, parts
from dashboards.app.library import Library
from dashboards.app.parts import caution, graph, keep_link, problem, table
from dashboards.faults import FaultyRun, happened, has_faults
from dashboards.figures import distribution, hosts, over_time
from dashboards.series import cpu_per_request
from dashboards.settings import shown
from experiments import results, summarise
from experiments.linter import TOO_SHORT, lint
from experiments.results import ResultsError
from experiments.spec import RunConfig

_TABLES = ("timeline", "latency", "counters", "events")
_VERDICT = ("outcome", "safety", "retried", "unavailability_s", "recovery_s", "lag_ms")
_PROVENANCE = ("started_at", "wall_s", "backend", "seed", "run_id", "suite", "commit")
_WHERE = {"sim": "virtual time", "live": "live, on Ray", "null_actor": "null actors, on Ray"}
"""Where a run took place, by its backend."""

_MACHINE = ("nodes", "cpu_model", "cores", "memory_bytes", "os")
MEANINGS = {
    key: " ".join(
        each.description for each in typing.get_args(hint) if hasattr(each, "description")
    )
    for key, hint in typing.get_type_hints(RunConfig, include_extras=True).items()
}
"""What each setting is."""

_OVER_TIME = "over-time"
"""The name of the graph whose percentiles are chosen."""

_CODE = """\
from pathlib import Path

from dashboards.figures import {module}
from experiments import results

folder, run_id = Path({folder!r}), {run_id!r}
runs = results.runs(folder)
run = runs[runs["run_id"] == run_id]
{tables}
figure = {module}.draw({arguments})
figure.show()
"""


class Number(NamedTuple):
    """A number of a run as it is shown."""

    title: str
    text: str
    column: str
    """Of the table of runs: what the linter says of it is about this number; empty for none."""


class Measured(NamedTuple):
    """What was measured over time in one run: the tables of `experiments.results`."""

    timeline: pd.DataFrame
    latency: pd.DataFrame
    counters: pd.DataFrame
    events: pd.DataFrame


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder`, `run`, and each `percentile` drawn."""
    said = parse_qs(query, keep_blank_values=True)
    folder, run_id = (said.get(key, [""])[-1] for key in ("folder", "run"))
    if not folder and not run_id:
        return _choose()
    try:
        return dmc.Stack(list(_page(library, folder, run_id, _percentiles(said))))
    except ResultsError as error:
        return problem("This run cannot be shown", str(error))


def link(folder: str, run_id: str) -> str:
    """Return the address of the page of a run."""
    return f"/run{_query(folder, run_id, over_time.SHOWN)}"


def connect(app: Dash, library: Library) -> None:
    """Have the control and the legend choose the same percentiles, and the link tell which."""
    keep_link(app, "run-link")
    in_browser: Any = app.clientside_callback  # Dash leaves it without types.
    lines = f"'{_OVER_TIME}', {list(over_time.PERCENTILES)}"
    # Drawn there, the figure stays zoomed as it is.
    in_browser(
        f"chosen => dash_clientside.paxoscope.showLines({lines}, chosen)",
        Input("run-percentiles", "value"),
        prevent_initial_call=True,
    )
    in_browser(
        f"(_, chosen) => dash_clientside.paxoscope.shownLines({lines}, chosen)",
        Output("run-percentiles", "value"),
        Input({"graph": _OVER_TIME}, "restyleData"),
        State("run-percentiles", "value"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("run-link", "data"),
        Output({"code": _OVER_TIME}, "data"),
        Input("run-percentiles", "value"),
        State("run-shown", "data"),
        prevent_initial_call=True,
    )
    def tell(chosen: list[str], shown: list[str]) -> tuple[str, str]:
        folder, run_id = shown
        percentiles = [each for each in over_time.PERCENTILES if each in chosen]
        code = _over_time_code(library.root / folder, run_id, percentiles)
        return _query(folder, run_id, percentiles), code


def _percentiles(said: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return which percentiles a link asks for; what makes no sense there asks for the usual."""
    asked = said.get("percentile", over_time.SHOWN)
    known = [each for each in over_time.PERCENTILES if each in asked]
    return known if known or list(asked) == [""] else over_time.SHOWN


def _query(folder: str, run_id: str, percentiles: Sequence[str]) -> str:
    """Return the query of a link, from `?` on: an empty percentile stands for none."""
    said = {"folder": folder, "run": run_id}
    if list(percentiles) == list(over_time.SHOWN):
        return f"?{urlencode(said)}"
    return f"?{urlencode({**said, 'percentile': percentiles or ['']}, doseq=True)}"


def _choose() -> Any:
    said = ["Click a point in ", parts.link("Explore", "/"), ": a run of it opens here."]
    return dmc.Alert(dmc.Text(said, size="sm"), title="Choose a run", color="blue")


def _page(library: Library, folder: str, run_id: str, percentiles: Sequence[str]) -> Iterator[Any]:
    path = library.path(folder)
    runs = results.runs(path)
    found = runs[runs["run_id"] == run_id]
    if found.empty:
        raise ResultsError(f"{folder}: no run {run_id}")
    run = found.iloc[0]
    yield _head(run, folder)
    yield _links(runs, run, folder)
    try:
        measured = Measured(*(getattr(results, name)(path, [run_id]) for name in _TABLES))
    except ResultsError as error:
        yield problem("What happened over time cannot be read", str(error))
        measured = None
    yield from _verdict(found, measured)
    yield from _numbers(runs, found)
    if measured is not None:
        yield dcc.Store(id="run-link")
        yield dcc.Store(id="run-shown", data=[folder, run_id])
        yield from _figures(path, found, measured, percentiles)
    yield _recorded(run)


# --- Which run ----------------------------------------------------------------------------------


def _head(run: "pd.Series[Any]", folder: str) -> Any:
    title = f"{theme.label(run['protocol'])}, n = {run['replicas']}, {_load(run)}"
    case = f"{run['case']}, " if run["case"] else ""
    where = _WHERE.get(run["backend"], run["backend"])
    return dmc.Group(
        [
            dmc.Title(html.unescape(title), order=2),
            dmc.Text(f"{case}repeat {run['repeat']}, {where}, of {folder}", c="dimmed"),
        ],
        align="baseline",
    )


def _load(run: "pd.Series[Any]") -> str:
    if run["arrival_rate_rps"]:
        return f"{theme.si(run['arrival_rate_rps'], 'requests/s')} offered"
    return f"{run['clients']:,} clients"


def _links(runs: pd.DataFrame, run: "pd.Series[Any]", folder: str) -> Any:
    repeats = same_point(runs, run).sort_values("repeat")["run_id"].tolist()
    place = repeats.index(run["run_id"])
    others = same_point(runs, run, apart_from="protocol")
    nearest = others.assign(away=(others["repeat"] - run["repeat"]).abs()).sort_values("away")
    found = [
        *([("Previous repeat", repeats[place - 1])] if place else []),
        *([("Next repeat", repeats[place + 1])] if place + 1 < len(repeats) else []),
        *(
            (f"Same point with {html.unescape(theme.label(str(protocol)))}", rows["run_id"].iloc[0])
            for protocol, rows in nearest.astype({"protocol": str}).groupby("protocol")
            if protocol != run["protocol"]
        ),
    ]
    return dmc.Group(
        [
            *(parts.link(name, link(folder, to), loads=True) for name, to in found),
            parts.link("All points of these results", f"/?{urlencode({'folders': folder})}"),
            parts.link("Compare these results", f"/compare?{urlencode({'b': folder})}"),
        ],
        gap="lg",
    )


def same_point(runs: pd.DataFrame, run: "pd.Series[Any]", apart_from: str = "seed") -> pd.DataFrame:
    """Return the runs with the settings of one of them, but for the seed and another setting."""
    keys = [key for key in RunConfig.__struct_fields__ if key not in {"seed", apart_from}]
    # Column by column is faster than all at once, and every point that is hovered over asks.
    return runs[np.logical_and.reduce([runs[key] == run[key] for key in keys])]


# --- What it says -------------------------------------------------------------------------------


def _verdict(found: pd.DataFrame, measured: Measured | None) -> Iterator[Any]:
    """Say why a run does not count or, if it does, what bounded it."""
    run = found.iloc[0]
    if not summarise.is_sound(found).iloc[0]:
        failed = run["outcome"] != "ok"
        lines = [run["outcome"] if failed else f"It broke a guarantee: {run['safety']}."]
        if measured is None or measured.timeline.empty:
            lines.append("Nothing was measured: there are its settings, and where it ran.")
        yield problem("This run does not count", *lines)
    elif measured is not None:
        said = bottleneck.explain(run.to_dict(), measured.counters)
        lines = [dmc.Text(each, size="sm") for each in said.sentences]
        yield dmc.Alert(lines, title=said.headline, color="blue", variant="light")


def _numbers(runs: pd.DataFrame, found: pd.DataFrame) -> Iterator[Any]:
    run = found.iloc[0]
    of_all = lint(runs)
    said = of_all[of_all["run_id"] == run["run_id"]]
    numbers = _told(run)
    yield dmc.SimpleGrid(
        [_tile(each, _about(each, found, said)) for each in numbers],
        cols={"base": 2, "sm": 3, "lg": len(numbers) if len(numbers) <= 6 else 4},
        spacing="sm",
    )
    if warnings := caution(said):
        yield warnings


def _about(number: Number, found: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return what is said of a number; of a percentile, whether the run is too short for it."""
    if number.column in summarise.PERCENTILES:
        its_own = lint(found, percentile=number.column)
        others = said[said["rule"] != TOO_SHORT]
        said = pd.concat([others, its_own[its_own["rule"] == TOO_SHORT]])
    return care.about(said, number.column) if number.column else said.head(0)


def _told(run: "pd.Series[Any]") -> list[Number]:
    found = [
        Number("Throughput", theme.si(run["throughput_rps"], "req/s"), "throughput_rps"),
        *(
            Number(title, f"{theme.significant(run[column])} ms", column)
            for title, column in (
                ("Median latency", "latency_ms_p50"),
                ("99th percentile", "latency_ms_p99"),
                ("99.9th percentile", "latency_ms_p999"),
            )
        ),
        Number("CPU of all hosts", cpu_per_request(run), "cpu_us_per_request"),
    ]
    if run["faults"]:
        for title, column in (("Longest gap", "unavailability_s"), ("Recovery", "recovery_s")):
            found.append(Number(title, f"{theme.significant(run[column])} s", column))
    safety = {"ok": "every check passed", "": "not checked"}.get(run["safety"], "broken")
    return [*found, Number("Safety", safety, "")]


def _tile(number: Number, said: pd.DataFrame) -> Any:
    return dmc.Paper(
        [
            dmc.Group(
                [dmc.Text(number.title, c="dimmed", size="sm"), *care.mark(said)],
                justify="space-between",
                wrap="nowrap",
            ),
            dmc.Text(number.text, fw=650, size="lg"),
        ],
        withBorder=True,
        p="sm",
    )


# --- Figures ------------------------------------------------------------------------------------


def _figures(
    path: Path, found: pd.DataFrame, measured: Measured, percentiles: Sequence[str]
) -> Iterator[Any]:
    run = found.iloc[0]
    run_id = str(run["run_id"])
    timeline, latency, counters, events = measured
    if len(timeline):
        yield dmc.Text(over_time.WHAT_TO_SEE, c="dimmed", size="sm", maw="110ch")
        yield _choice(percentiles)
        drawn = over_time.draw(run, timeline, latency, counters, events, percentiles=percentiles)
        yield graph(_OVER_TIME, drawn, _over_time_code(path, run_id, percentiles))
        if has_faults(found).any():
            yield _events(run, events)
    if len(summarise.usage(found, counters)):
        drawn = hosts.draw(found, counters)
        yield graph("hosts", drawn, _code(path, run_id, "hosts", ("counters",), run_as="run"))
    if len(latency):
        yield dmc.Text(distribution.WHAT_TO_SEE, c="dimmed", size="sm", maw="110ch")
        drawn = distribution.draw(run, latency, timeline)
        code = _code(path, run_id, "distribution", ("latency", "timeline"))
        yield graph("distribution", drawn, code)


def _choice(percentiles: Sequence[str]) -> Any:
    boxes = [dmc.Checkbox(label=each, value=each, size="xs") for each in over_time.PERCENTILES]
    return dmc.Group(
        [
            dmc.Text("Percentiles of latency", size="sm", fw=500),
            dmc.CheckboxGroup(
                dmc.Group(boxes),
                id="run-percentiles",
                value=list(percentiles),
                **{"aria-label": "Percentiles of latency"},
            ),
        ]
    )


def _over_time_code(path: Path, run_id: str, percentiles: Sequence[str]) -> str:
    is_usual = list(percentiles) == list(over_time.SHOWN)
    chosen = [] if is_usual else [f"percentiles={list(percentiles)!r}"]
    return _code(path, run_id, "over_time", _TABLES, further=chosen)


def _code(
    path: Path,
    run_id: str,
    module: str,
    tables: Sequence[str],
    *,
    run_as: str = "run.iloc[0]",
    further: Sequence[str] = (),
) -> str:
    """Return Python that draws a figure from the files; it takes the run as a row, or a table."""
    return _CODE.format(
        module=module,
        folder=str(path.absolute()),
        run_id=run_id,
        tables="\n".join(f"{name} = results.{name}(folder, [run_id])" for name in tables),
        arguments=", ".join([run_as, *tables, *further]),
    )


def _events(run: "pd.Series[Any]", events: pd.DataFrame) -> Any:
    rows = [
        [f"{event.time_s:.2f}", html.unescape(event.text), _lasted(event.mended_s - event.time_s)]
        for event in happened(FaultyRun("", run.to_dict()), events)
    ]
    return table(["in the measured window at (s)", "what happened", "for (s)"], rows)


def _lasted(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds else ""


# --- How it was done ----------------------------------------------------------------------------


def _recorded(run: "pd.Series[Any]") -> Any:
    default = msgspec.structs.asdict(RunConfig())
    changed = [key for key in default if run[key] != default[key]]
    versions = [key for key in run.index if str(key).endswith("_version")]
    head = ["setting", "value", "default", "what it is"]
    rows = {key: [key, shown(run[key]), shown(default[key]), MEANINGS[key]] for key in default}
    facts = ["name", "value"]
    return dmc.Accordion(
        [
            _folded("Configuration: what differs from the defaults", head, map(rows.get, changed)),
            _folded(
                "Configuration: all else, as by default",
                [*head[:2], head[3]],
                ([*rows[key][:2], rows[key][3]] for key in default if key not in changed),
            ),
            _folded("Verdict", facts, ([key, _fact(run[key])] for key in _VERDICT if key in run)),
            _folded(
                "Provenance",
                facts,
                ([key, shown(run[key])] for key in (*_PROVENANCE, *_MACHINE, *versions)),
            ),
            _folded(
                "Everything that was recorded", facts, ([key, shown(run[key])] for key in run.index)
            ),
        ],
        multiple=True,
        value=["Configuration: what differs from the defaults"],
    )


def _fact(value: object) -> str:
    return theme.GAP if isinstance(value, float) and math.isnan(value) else shown(value)


def _folded(title: str, head: Sequence[str], rows: Any) -> Any:
    panel = dmc.AccordionPanel(table(head, rows))
    return dmc.AccordionItem([dmc.AccordionControl(title), panel], value=title)
