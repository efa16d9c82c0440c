"""Reproduction: the scorecard of the evaluation, and its figures."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html

from dashboards import reproduction
from dashboards.app.library import Library
from dashboards.app.parts import GRAPH, problem, table
from experiments.evaluation import FIGURES
from experiments.results import ResultsError

_COLOURS = {"reproduced": "teal", "trend": "yellow", "not reproduced": "red"}
_HEAD = ("claim", "claimed", "ours", "verdict", "reason")


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder`, else the latest reproduction."""
    names = library.reproductions()
    if not names:
        return dmc.Alert(
            [
                dmc.Text(
                    f"There is no reproduction below {library.root} yet. One takes 3 minutes:"
                ),
                dmc.Code("paxoscope reproduce --quick", block=True),
            ],
            title="Nothing to show yet",
        )
    chosen = parse_qs(query).get("folder", names[:1])[-1]
    return dmc.Stack(
        [
            dmc.Title("The S-Paxos evaluation, reproduced", order=2),
            dmc.Select(
                id="reproduced-folder",
                label="Reproduction",
                data=names,
                value=chosen if chosen in names else names[0],
                allowDeselect=False,
                maw=420,
            ),
            html.Div(id="reproduced-scores"),
            dmc.Select(
                id="reproduced-figure",
                label="Figure",
                data=[{"value": each.figure_id, "label": each.title} for each in _drawable()],
                value=_drawable()[0].figure_id,
                allowDeselect=False,
                maw=420,
            ),
            dcc.Loading(html.Div(id="reproduced-drawn"), delay_show=300),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the choices change what is shown."""

    @app.callback(Output("reproduced-scores", "children"), Input("reproduced-folder", "value"))
    def show_scores(name: str) -> Any:
        try:
            return _scorecard(library.reproduction(name))
        except ResultsError as error:
            return problem("This scorecard cannot be shown", str(error))

    @app.callback(
        Output("reproduced-drawn", "children"),
        Input("reproduced-folder", "value"),
        Input("reproduced-figure", "value"),
    )
    def show_figure(name: str, figure_id: str) -> Any:
        figure = FIGURES[figure_id]
        try:
            drawn = reproduction.figures(library.reproduction(name), figure)
        except ResultsError as error:
            return problem("This figure cannot be shown", str(error))
        return [
            dmc.Text(figure.see, c="dimmed", maw="90ch"),
            *(dcc.Graph(figure=each, config=GRAPH) for each in drawn),
        ]


def _drawable() -> list[Any]:
    return [figure for figure in FIGURES.values() if figure.suites]


def _scorecard(folder: Path) -> Any:
    rows = [
        [
            score["claim"],
            score["paper"],
            dmc.Text(score["ours"], fw=600, size="sm"),
            dmc.Badge(score["verdict"], color=_COLOURS[score["verdict"]], variant="light"),
            score["reason"],
        ]
        for score in reproduction.read_scores(folder)
    ]
    return table(_HEAD, rows)
