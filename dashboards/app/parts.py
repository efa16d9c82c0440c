"""What several pages are put together from."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, dcc

from dashboards.app import export
from experiments.linter import RULES

GRAPH: Any = {
    "displaylogo": False,
    "responsive": True,
    # The menu of its card has more to offer than the camera.
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"],
    # Plotly would offer to send the figure to its makers' server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}
"""How graphs behave."""


def graph(name: str, figure: go.Figure | None = None, code: str = "") -> Any:
    """Return a figure in a card, with a menu to take it along; `code` is Python that draws it.

    The graph's id is {"graph": name}, a store with the id {"code": name} holds the code. Without a
    figure, a callback draws it. Names are told to readers and become names of files: words with
    hyphens between them.
    """
    drawn = {} if figure is None else {"figure": figure}
    return dmc.Paper(
        [
            dmc.Box(export.menu(name, has_code=bool(code)), **_CORNER),
            dcc.Graph(id={"graph": name}, config=GRAPH, **drawn),
            dcc.Store(id={"code": name}, data=code),
        ],
        withBorder=True,
        p="xs",
        mb="xs",
        pos="relative",
    )


_CORNER: Any = {"pos": "absolute", "top": 8, "right": 8, "style": {"zIndex": 1}}


def keep_link(app: Dash, store: str) -> None:
    """Have the address show the query, from `?` on, that the store with this id holds."""
    # The link changes in place: "back" leads to the page before, not to each choice in turn.
    app.clientside_callback(  # type: ignore[no-untyped-call] # Dash has no types for it.
        "query => { if (query) history.replaceState("
        "history.state, '', location.pathname + query + location.hash); }",
        Input(store, "data"),
    )


def report_link(name: str) -> Any:
    """Return a link to the offline report of a result folder, or of a reproduction."""
    # It leads to a file, not to a page.
    return dmc.Anchor("Report", href=f"/report/{quote(name)}", refresh=True, size="sm")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    """Return a table; cells are texts, numbers or components."""
    return dmc.Table(
        [
            dmc.TableThead(dmc.TableTr([dmc.TableTh(each) for each in head])),
            dmc.TableTbody([dmc.TableTr([dmc.TableTd(each) for each in row]) for row in rows]),
        ],
        striped=True,
        fz="sm",
    )


def problem(title: str, *lines: str) -> Any:
    """Return a notice that something cannot be shown, and why."""
    return dmc.Alert([dmc.Text(line, size="sm") for line in lines], title=title, color="orange")


def caution(said: pd.DataFrame) -> Any | None:
    """Return what the linter says of runs, as `experiments.linter.lint` does; None for nothing."""
    if said.empty:
        return None
    lines = []
    for rule, rows in said.groupby("rule", sort=False):
        about = RULES[str(rule)]
        lines.append(
            dmc.ListItem(
                [
                    dmc.Text(f"{_summed(rows['words'])}. ", span=True, inherit=True, fw=600),
                    f"{about.reason} {about.advice}",
                ]
            )
        )
    colour = "red" if "error" in set(said["severity"]) else "yellow"
    return dmc.Alert(dmc.List(lines, size="sm"), title="Read with care", color=colour)


def _summed(words: "pd.Series[str]") -> str:
    """Return what is said of runs, or of one of them where it differs."""
    if len(words) == 1:
        return words.iloc[0]
    instance = ", for instance" if words.nunique() > 1 else ""
    return f"{len(words)} runs{instance}: {words.iloc[0]}"
