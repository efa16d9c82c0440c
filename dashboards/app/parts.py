"""What several pages are put together from."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
import pandas as pd
import plotly.graph_objects as go
from dash import Dash, Input, dcc
from dash.development.base_component import Component

from dashboards.app import care, export
from experiments.linter import by_rule

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

DEMO = "paxoscope run demo"
"""The command that makes results where there are none."""

_WORD_MAX = 40
"""Most letters of a word in a table; longer ones are broken."""

_SMALL = "var(--mantine-font-size-sm)"


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


def link(text: str, href: str, *, loads: bool = False, size: str = _SMALL, heard: str = "") -> Any:
    """Return a link within the site, of a font size; with `loads` the browser loads what is there.

    What is `heard` after the text is not seen: it is for those to whom a page is read.

    Without, only a link to another page shows anything new: within one the address is not read.
    """
    # Mantine's own would decode the address: a folder's name with a % or # in it would be lost.
    words = [text, dmc.VisuallyHidden(heard)] if heard else text
    return dcc.Link(words, href=href, refresh=loads, className="link", style={"fontSize": size})


def report_link(name: str) -> Any:
    """Return a link to the offline report of a result folder, or of a reproduction."""
    # It leads to a file, not to a page. Browsers take a dot at the end, the root's name, away.
    return link("Report", f"/report/{quote(name) if name != '.' else ''}", loads=True)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    """Return a table; cells are texts, numbers or components."""
    return dmc.Table(
        [
            dmc.TableThead(dmc.TableTr([dmc.TableTh(each) for each in head])),
            dmc.TableTbody([dmc.TableTr([_cell(each) for each in row]) for row in rows]),
        ],
        striped=True,
        fz="sm",
    )


def _cell(content: Any) -> Any:
    # Were all words broken anywhere, columns could become so narrow that short ones were, too.
    is_long = any(len(word) > _WORD_MAX for word in _words(content))
    return dmc.TableTd(content, className="long" if is_long else None)


def _words(content: Any) -> Iterator[str]:
    if isinstance(content, Component):
        yield from _words(getattr(content, "children", None))
    elif isinstance(content, list | tuple):
        for each in content:
            yield from _words(each)
    else:
        yield from str(content).split()


def problem(title: str, *lines: str) -> Any:
    """Return a notice that something cannot be shown, and why."""
    return dmc.Alert([dmc.Text(line, size="sm") for line in lines], title=title, color="orange")


def gone(reasons: Sequence[str]) -> Any:
    """Return a notice that results that were chosen are not there any more, for these reasons."""
    reload = "Reload the page to choose among those that are there."
    return problem("These results have gone, or cannot be read", *reasons, reload)


def no_results(title: str, root: Path) -> Any:
    """Return a notice that there are no results below the root."""
    said = f"There are no results below {root} yet. This makes some in a minute or two:"
    return nothing_yet(title, said, DEMO)


def nothing_yet(title: str, said: str, command: str) -> Any:
    """Return a notice that there is nothing to show, and the command that makes something."""
    return dmc.Alert([dmc.Text(said), dmc.Code(command, block=True)], title=title, color="blue")


def caution(said: pd.DataFrame, title: str | None = "Read with care") -> Any | None:
    """Return what the linter says of runs, as `experiments.linter.lint` does; None for nothing."""
    if said.empty:
        return None
    lines = [
        dmc.ListItem(
            [
                dmc.Text(f"{each.words}. ", span=True, inherit=True, fw=600),
                f"{each.rule.reason} {each.rule.advice}",
            ]
        )
        for each in by_rule(said)
    ]
    return dmc.Alert(dmc.List(lines, size="sm"), title=title, color=care.colour(said))
