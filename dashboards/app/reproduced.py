"""Reproduction: the scorecard of the evaluation, and the figures that its claims stand on."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, ctx, dcc, html, no_update

from dashboards import reproduction
from dashboards.app.library import Library
from dashboards.app.parts import graph, keep_link, problem, table
from experiments.evaluation import FIGURES, Figure
from experiments.results import ResultsError

_COLOURS = {"reproduced": "teal", "trend": "yellow", "not reproduced": "red"}
_HEAD = ("claim", "claimed", "ours", "verdict", "reason", "figures")

SHOWN_IN: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "jpaxos-peak": ("throughput-clients", "host-load"),
        "jpaxos-saturates": ("throughput-clients", "latency-throughput"),
        "jpaxos-followers": ("host-load", "balance"),
        "jpaxos-replicas": ("throughput-replicas",),
        "spaxos-peak": ("throughput-replicas", "calibration"),
        "spaxos-ratio": ("throughput-replicas", "calibration"),
        "spaxos-grows": ("throughput-replicas",),
        "latency": ("unloaded-latency",),
        "leader-network": ("model-check", "request-size"),
        "model-sim": ("model-check",),
        "model-live": ("model-check",),
        "different-workloads": ("throughput-clients", "same-load"),
        "littles-law": ("response-clients",),
        "network-load": ("messages",),
        "formulas": ("messages",),
    }
)
"""The figures in which a claim can be seen, by the id of the claim."""

_CODE = """\
from pathlib import Path

from dashboards import reproduction
from experiments.evaluation import FIGURES

folder = Path({folder!r})
figure = reproduction.figures(folder, FIGURES[{figure_id!r}])[{number}]
figure.show()
"""


def layout(library: Library, query: str) -> Any:
    """Return the page for the query of a link: `folder`, else the latest, and `figure`."""
    names = library.reproductions()
    if not names:
        return _empty(library)
    said = {key: values[-1] for key, values in parse_qs(query).items()}
    figures = {each.figure_id: each.title for each in drawable()}
    return dmc.Stack(
        [
            dcc.Store(id="reproduced-link"),
            dmc.Title("The S-Paxos evaluation, reproduced", order=2),
            dmc.Select(
                id="reproduced-folder",
                label="Reproduction",
                data=names,
                value=said["folder"] if said.get("folder") in names else names[0],
                allowDeselect=False,
                maw=420,
            ),
            html.Div(id="reproduced-scores"),
            # Links of claims lead here.
            dmc.Title("Figures", order=2, id="figures"),
            dmc.Select(
                id="reproduced-figure",
                label="Figure",
                data=[{"value": each, "label": title} for each, title in figures.items()],
                value=said["figure"] if said.get("figure") in figures else next(iter(figures)),
                allowDeselect=False,
                searchable=True,
                maw=420,
            ),
            dcc.Loading(html.Div(id="reproduced-drawn", style={"minHeight": 520}), delay_show=300),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the choices and the links of claims change what is shown, and the link."""
    keep_link(app, "reproduced-link")

    @app.callback(Output("reproduced-scores", "children"), Input("reproduced-folder", "value"))
    def show_scores(name: str) -> Any:
        try:
            return scorecard(reproduction.read_scores(library.reproduction(name)))
        except ResultsError as error:
            return problem("This scorecard cannot be shown", str(error))

    @app.callback(
        Output("reproduced-figure", "value"),
        Input({"claim": ALL, "figure": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def choose(clicks: list[int | None]) -> Any:
        return ctx.triggered_id["figure"] if any(clicks) else no_update

    @app.callback(
        Output("reproduced-drawn", "children"),
        Output("reproduced-link", "data"),
        Input("reproduced-folder", "value"),
        Input("reproduced-figure", "value"),
    )
    def show_figure(name: str, figure_id: str) -> tuple[Any, str]:
        query = urlencode({"folder": name, "figure": figure_id})
        return dmc.Stack(list(drawn(library, name, FIGURES[figure_id]))), f"?{query}"


def _empty(library: Library) -> Any:
    return dmc.Alert(
        [
            dmc.Text(f"There is no reproduction below {library.root} yet. One takes 3 minutes:"),
            dmc.Code("paxoscope reproduce --quick", block=True),
        ],
        title="Nothing to show yet",
    )


def drawable() -> list[Figure]:
    """Return the figures that can be chosen: those that are drawn from the results of suites."""
    return [figure for figure in FIGURES.values() if figure.suites]


# --- The scorecard ------------------------------------------------------------------------------


def scorecard(scores: Sequence[Mapping[str, str]]) -> Any:
    """Return the claims, as `dashboards.reproduction.read_scores` does, with links to figures."""
    found = [score["verdict"] for score in scores]
    badges = [_badge(f"{found.count(each)} {each}", each) for each in _COLOURS if found.count(each)]
    rows = [
        [
            score["claim"],
            score["paper"],
            dmc.Text(score["ours"], fw=600, size="sm"),
            _badge(score["verdict"], score["verdict"]),
            score["reason"],
            dmc.Stack(list(_links(score["id"])), gap=2),
        ]
        for score in scores
    ]
    return dmc.Stack([dmc.Group([f"{len(scores)} claims:", *badges]), table(_HEAD, rows)])


def _badge(text: str, verdict: str) -> Any:
    return dmc.Badge(text, color=_COLOURS[verdict], variant="light", miw="max-content")


def _links(claim_id: str) -> Iterator[Any]:
    """Yield what leads to the figures of a claim: down this page, or to that of the messages."""
    for figure_id in SHOWN_IN.get(claim_id, ()):
        figure = FIGURES[figure_id]
        to = "#figures" if figure.suites else "/messages"
        identity = {"claim": claim_id, "figure": figure_id}
        # Its clicks are counted, which those of an Anchor are not.
        text = dmc.Text(figure.title, span=True, c="var(--mantine-color-anchor)", size="sm")
        yield html.A(text, href=to, id=identity)


# --- Figures ------------------------------------------------------------------------------------


def drawn(library: Library, name: str, figure: Figure) -> Iterator[Any]:
    """Yield a figure of a reproduction and what it shows, or why it cannot be drawn."""
    try:
        folder = library.reproduction(name)
        found = reproduction.figures(folder, figure)
    except ResultsError as error:
        yield problem("This figure cannot be shown", str(error))
        return
    yield dmc.Text(figure.see, maw="110ch")
    if not found:
        yield problem("Nothing to draw", "No run of this figure counts: each failed, or is unsafe.")
    for number, each in enumerate(found):
        code = _CODE.format(
            folder=str(folder.absolute()), figure_id=figure.figure_id, number=number
        )
        yield graph(figure.figure_id, each, code)
    what_to_see = reproduction.DRAWN[figure.figure_id].what_to_see
    yield dmc.Text(["To read it: ", what_to_see], c="dimmed", size="sm", maw="110ch")
