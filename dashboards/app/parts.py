"""What several pages are put together from."""

from collections.abc import Iterable, Sequence
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import dcc, html

from experiments.linter import RULES

GRAPH: Any = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    "toImageButtonOptions": {"format": "svg"},
    # Plotly would offer to send the figure to its makers' server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}
"""How graphs behave: their camera makes an SVG."""


def graph(name: str, figure: go.Figure | None = None, code: str = "") -> Any:
    """Return a figure that can be taken along; `code` is Python that draws it.

    The graph's id is {"graph": name}, a store with the id {"code": name} holds the code. Without a
    figure, a callback draws it.
    """
    drawn = {} if figure is None else {"figure": figure}
    return html.Div(
        [
            dcc.Graph(id={"graph": name}, config=GRAPH, **drawn),
            dcc.Store(id={"code": name}, data=code),
        ]
    )


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
        words = rows["words"].iloc[0] + (f" ({len(rows)} runs)" if len(rows) > 1 else "")
        about = RULES[str(rule)]
        lines.append(
            dmc.ListItem(
                [dmc.Text(f"{words}. ", span=True, fw=600), f"{about.reason} {about.advice}"]
            )
        )
    colour = "red" if "error" in set(said["severity"]) else "yellow"
    return dmc.Alert(dmc.List(lines, size="sm"), title="Read with care", color=colour)
