"""Reproduction: the scorecard of the evaluation, and the figures that its claims stand on."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode

import dash_mantine_components as dmc
import pandas as pd
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html

from dashboards import reproduction
from dashboards.app import care
from dashboards.app.library import Library
from dashboards.app.parts import graph, keep_link, nothing_yet, problem, table
from experiments.claims import CLAIMS, Claim
from experiments.evaluation import FIGURES, Figure
from experiments.linter import TOO_SHORT
from experiments.results import ResultsError
from experiments.summarise import is_sound

_COLOURS = {
    "reproduced": "teal",
    "trend": "yellow",
    "not reproduced": "red",
    "not measured": "gray",
}
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

_Choice = dict[str, str]
"""An item of a Select: its value and its label."""

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
    name = said["folder"] if said.get("folder") in names else names[0]
    figures = choices(library.root / name)
    return dmc.Stack(
        [
            dcc.Store(id="reproduced-link"),
            dmc.Title("The S-Paxos evaluation, reproduced", order=2),
            dmc.Select(
                id="reproduced-folder",
                label="Reproduction",
                data=names,
                value=name,
                allowDeselect=False,
                maw=420,
            ),
            html.Div(id="reproduced-scores"),
            # Links of claims lead here.
            dmc.Title("Figures", order=2, id="figures"),
            dmc.Select(
                id="reproduced-figure",
                label="Figure",
                data=figures,
                value=_chosen(said.get("figure"), figures),
                placeholder="There is none yet",
                allowDeselect=False,
                searchable=True,
                maw=420,
            ),
            dcc.Loading(html.Div(id="reproduced-drawn", style={"minHeight": 520}), delay_show=300),
            html.Div(id="reproduced-lacking"),
        ]
    )


def connect(app: Dash, library: Library) -> None:
    """Have the choices and the links of claims change what is shown, and the link."""
    keep_link(app, "reproduced-link")

    @app.callback(
        Output("reproduced-scores", "children"),
        Output("reproduced-lacking", "children"),
        Output("reproduced-figure", "data"),
        Input("reproduced-folder", "value"),
    )
    def show_scores(name: str) -> tuple[Any, Any, Any]:
        try:
            folder = library.reproduction(name)
        except ResultsError as error:
            return problem("This reproduction cannot be shown", str(error)), None, []
        return _scores(library, name, folder), lacking(folder), choices(folder)

    @app.callback(
        Output("reproduced-figure", "value"),
        Input({"claim": ALL, "figure": ALL}, "n_clicks"),
        Input("reproduced-figure", "data"),
        State("reproduced-figure", "value"),
        prevent_initial_call=True,
    )
    def choose(clicks: list[int | None], figures: list[_Choice], shown: str | None) -> str | None:
        if isinstance(ctx.triggered_id, dict) and any(clicks):
            return str(ctx.triggered_id["figure"])
        return _chosen(shown, figures)

    @app.callback(
        Output("reproduced-drawn", "children"),
        Output("reproduced-link", "data"),
        Input("reproduced-folder", "value"),
        Input("reproduced-figure", "value"),
    )
    def show_figure(name: str, figure_id: str | None) -> tuple[Any, str]:
        if figure_id is None:
            said = "No suite that a figure is drawn from has results in this reproduction."
            return problem("No figure can be drawn yet", said), f"?{urlencode({'folder': name})}"
        query = urlencode({"folder": name, "figure": figure_id})
        return dmc.Stack(list(drawn(library, name, FIGURES[figure_id]))), f"?{query}"


def _empty(library: Library) -> Any:
    said = f"There is no reproduction below {library.root} yet. One takes 3 minutes:"
    return nothing_yet("Nothing to show yet", said, "paxoscope reproduce --quick")


# --- Which figures there are --------------------------------------------------------------------


def choices(folder: Path) -> list[_Choice]:
    """Return the figures that can be chosen, as a Select takes them: those that can be drawn."""
    return [{"value": each.figure_id, "label": each.title} for each in _drawable(folder)]


def _drawable(folder: Path) -> list[Figure]:
    # Those of no suite are on the page of messages.
    return [figure for figure in reproduction.drawable(folder) if figure.suites]


def _chosen(wanted: str | None, figures: Sequence[_Choice]) -> str | None:
    """Return the figure that is wanted, else the first; None where there is none."""
    there = [each["value"] for each in figures]
    return wanted if wanted in there else next(iter(there), None)


def lacking(folder: Path) -> Any:
    """Say which figures have no results in a reproduction, and which command makes them."""
    there = _drawable(folder)
    titles = [each.title for each in FIGURES.values() if each.suites and each not in there]
    if not titles:
        return []
    are = "figure has" if len(titles) == 1 else "figures have"
    return dmc.Alert(
        [
            dmc.Text(f"{'; '.join(titles)}.", size="sm"),
            dmc.Text("To make what they are drawn from, beside what there is:", size="sm", mt="xs"),
            dmc.Code(reproduction.command(folder), block=True),
        ],
        title=f"{len(titles)} {are} no results here",
        color="blue",
        variant="light",
    )


# --- The scorecard ------------------------------------------------------------------------------


def _scores(library: Library, name: str, folder: Path) -> Any:
    there = [each.figure_id for each in FIGURES.values() if not each.suites]
    there += [each.figure_id for each in _drawable(folder)]
    try:
        return scorecard(reproduction.read_scores(folder), there, doubts(library, name))
    except ResultsError as error:
        return problem("This scorecard cannot be shown", str(error))


def doubts(library: Library, name: str) -> dict[str, pd.DataFrame]:
    """Return what the linter says of the numbers that claims are judged by, by id of the claim.

    Nothing of those of which a reproduction has no results.
    """
    return {claim.claim_id: _doubts(library, name, claim) for claim in CLAIMS}


def _doubts(library: Library, name: str, claim: Claim) -> pd.DataFrame:
    folders = [PurePosixPath(name, suite).as_posix() for suite in claim.suites]
    runs, said = library.runs(folders), library.linted(folders)
    if len(said):
        judged_by = claim.chosen(runs[is_sound(runs)])
        said = said.merge(judged_by[["folder", "run_id"]])
        # It is about a percentile, and no claim is judged by one.
        said = said[said["rule"] != TOO_SHORT]
    about = [care.about(said, column) for column in claim.columns]
    return care.summed(pd.concat(about).drop_duplicates())


def scorecard(
    scores: Sequence[Mapping[str, str]],
    figure_ids: Collection[str],
    said: Mapping[str, pd.DataFrame],
) -> Any:
    """Return the claims, as `dashboards.reproduction.read_scores` does, with links to figures.

    Only to those of `figure_ids`: there is nothing to see in the others. `said` are `doubts`.
    """
    found = [score["verdict"] for score in scores]
    badges = [_badge(f"{found.count(each)} {each}", each) for each in _COLOURS if found.count(each)]
    rows = [
        [
            score["claim"],
            score["paper"],
            _ours(score, said),
            _badge(score["verdict"], score["verdict"]),
            score["reason"],
            dmc.Stack(list(_links(score["id"], figure_ids)), gap=2),
        ]
        for score in scores
    ]
    return dmc.Stack([dmc.Group([f"{len(scores)} claims:", *badges]), table(_HEAD, rows)])


def _ours(score: Mapping[str, str], said: Mapping[str, pd.DataFrame]) -> Any:
    marks = care.mark(said[score["id"]]) if score["id"] in said else []
    number = dmc.Text(score["ours"], fw=600, size="sm")
    return dmc.Group([number, *marks], gap="xs", wrap="nowrap")


def _badge(text: str, verdict: str) -> Any:
    return dmc.Badge(text, color=_COLOURS[verdict], variant="light", miw="max-content")


def _links(claim_id: str, figure_ids: Collection[str]) -> Iterator[Any]:
    """Yield what leads to the figures of a claim: down this page, or to that of the messages."""
    for figure_id in SHOWN_IN.get(claim_id, ()):
        figure = FIGURES[figure_id]
        if figure_id not in figure_ids:
            yield dmc.Text(f"{figure.title} (no results)", c="dimmed", size="sm")
            continue
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
