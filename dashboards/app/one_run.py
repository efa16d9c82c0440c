"""One run: what its clients saw, who did the work, its settings and its verdict."""

from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
import pandas as pd
from dash import dcc

from dashboards import theme
from dashboards.app.library import Library
from dashboards.app.parts import GRAPH, problem
from dashboards.figures import distribution, hosts, over_time
from experiments import results, summarise
from experiments.results import ResultsError


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder` and `run`."""
    said = parse_qs(query)
    folder, run_id = (said.get(key, [""])[-1] for key in ("folder", "run"))
    try:
        return _page(library, folder, run_id)
    except ResultsError as error:
        return problem("This run cannot be shown", str(error))


def _page(library: Library, folder: str, run_id: str) -> Any:
    path = library.path(folder)
    runs = results.runs(path)
    found = runs[runs["run_id"] == run_id]
    if found.empty:
        raise ResultsError(f"{folder}: no run {run_id}")
    run = found.iloc[0]
    tables = (results.timeline, results.latency, results.counters)
    timeline, latency, counters = (read(path, [run_id]) for read in tables)
    figures = [
        over_time.draw(run, timeline, latency, counters),
        hosts.draw(found, counters),
        distribution.draw(run, latency, timeline),
    ]
    return dmc.Stack(
        [
            dmc.Title(f"{theme.label(run['protocol'])}, {run['clients']:,} clients", order=2),
            _verdict(run),
            *(dcc.Graph(figure=each, config=GRAPH) for each in figures),
            _settings(run),
        ]
    )


def _verdict(run: "pd.Series[Any]") -> Any:
    is_sound = bool(summarise.is_sound(run.to_frame().T).iloc[0])
    words = (
        "finished, and passed every safety check"
        if is_sound
        else f"{run['outcome']}; {run['safety']}"
    )
    return dmc.Badge(words, color="teal" if is_sound else "red", size="lg", variant="light")


def _settings(run: "pd.Series[Any]") -> Any:
    rows = [[str(key), str(value)] for key, value in run.items()]
    return dmc.Table(data={"head": ["column", "value"], "body": rows}, striped=True, fz="sm")
