"""One run: its numbers and what is to be said of them, over time, by host; settings, verdict."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import dcc

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import GRAPH, caution, problem, table
from dashboards.app.view import shown
from dashboards.figures import distribution, hosts, over_time
from experiments import results, summarise
from experiments.linter import lint
from experiments.results import CONFIGURATION_COLUMNS, ResultsError

_POINT = ("protocol", "replicas", "clients", "repeat", "seed")


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder` and `run`."""
    said = parse_qs(query)
    folder, run_id = (said.get(key, [""])[-1] for key in ("folder", "run"))
    try:
        return dmc.Stack(list(_page(library, folder, run_id)))
    except ResultsError as error:
        return problem("This run cannot be shown", str(error))


def _page(library: Library, folder: str, run_id: str) -> Iterator[Any]:
    path = library.path(folder)
    runs = results.runs(path)
    found = runs[runs["run_id"] == run_id]
    if found.empty:
        raise ResultsError(f"{folder}: no run {run_id}")
    run = found.iloc[0]
    tables = (results.timeline, results.latency, results.counters)
    timeline, latency, counters = (read(path, [run_id]) for read in tables)
    said = lint(runs, timeline=timeline, counters=counters)
    yield _head(run, folder)
    if not summarise.is_sound(found).iloc[0]:
        yield problem("This run does not count", f"{run['outcome']}; safety: {run['safety']}")
    else:
        yield _numbers(run)
    if warnings := caution(said[said["run_id"] == run_id]):
        yield warnings
    if len(timeline):
        for figure in (
            over_time.draw(run, timeline, latency, counters),
            hosts.draw(found, counters),
            distribution.draw(run, latency, timeline),
        ):
            yield dcc.Graph(figure=figure, config=GRAPH)
    yield dmc.Accordion(
        [
            _folded("Settings", {key: run[key] for key in (*_POINT, *CONFIGURATION_COLUMNS)}),
            _folded("Everything that was recorded", dict(run.items())),
        ]
    )


def _head(run: Any, folder: str) -> Any:
    title = f"{theme.label(run['protocol'])}, n = {run['replicas']}, {run['clients']:,} clients"
    return dmc.Group(
        [
            dmc.Title(title, order=2),
            dmc.Anchor(f"of {folder}", href=f"/?folders={folder}", size="sm"),
        ],
        align="baseline",
    )


def _numbers(run: Any) -> Any:
    numbers = {
        "Throughput": theme.si(run["throughput_rps"], "req/s"),
        "Median latency": f"{theme.significant(run['latency_ms_p50'])} ms",
        "99th percentile": f"{theme.significant(run['latency_ms_p99'])} ms",
        "CPU of all hosts": f"{theme.significant(run['cpu_us_per_request'])} \N{MICRO SIGN}s/req",
        "Safety": "every check passed",
    }
    return dmc.SimpleGrid(
        [
            dmc.Paper(
                [dmc.Text(name, c="dimmed", size="sm"), dmc.Text(value, fw=650, size="xl")],
                withBorder=True,
                p="sm",
            )
            for name, value in numbers.items()
        ],
        cols={"base": 2, "md": 5},
    )


def _folded(title: str, facts: dict[Any, Any]) -> Any:
    rows = [[str(key), shown(value)] for key, value in facts.items()]
    panel = dmc.AccordionPanel(table(["name", "value"], rows))
    return dmc.AccordionItem([dmc.AccordionControl(title), panel], value=title)
