"""The application: pages in a frame, found by their address."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html

from dashboards import theme
from dashboards.app import explore, one_run
from dashboards.app.library import Library

PAGES: dict[str, tuple[str, Callable[[Library, str], Any]]] = {
    "/": ("Explore", explore.layout),
    "/run": ("Run", one_run.layout),
}
"""By address: the name of a page, and what shows it for the query of a link."""

MANTINE = {"fontFamily": theme.FONT, "primaryColor": "blue", "defaultRadius": "sm"}


def create(root: Path) -> Dash:
    """Return the application over the result folders below `root`; it loads nothing from afar."""
    library = Library(root)
    app = Dash(
        "paxoscope",
        title="Paxoscope",
        update_title=None,
        serve_locally=True,
        suppress_callback_exceptions=True,  # Pages come and go.
    )
    app.layout = _frame(root)
    _route(app, library)
    explore.connect(app, library)
    one_run.connect(app, library)
    return app


def serve(root: Path, host: str, port: int) -> None:
    """Serve the application until it is interrupted."""
    create(root).run(host=host, port=port, debug=False)


def _frame(root: Path) -> Any:
    return dmc.MantineProvider(
        theme=MANTINE,
        children=dmc.AppShell(
            header={"height": 56},
            padding="lg",
            children=[
                dcc.Location(id="address", refresh="callback-nav"),
                dmc.AppShellHeader(
                    dmc.Group(
                        [
                            dmc.Anchor(dmc.Title("Paxoscope", order=3), href="/", underline="never"),
                            dmc.Text(f"results in {root}", c="dimmed", size="sm"),
                        ],
                        h="100%",
                        px="lg",
                    )
                ),
                dmc.AppShellMain(html.Div(id="page")),
            ],
        ),
    )


def _route(app: Dash, library: Library) -> None:
    @app.callback(Output("page", "children"), Input("address", "pathname"), Input("address", "href"))
    def show(path: str | None, href: str | None) -> Any:
        query = (href or "").partition("?")[2]
        if path not in PAGES:
            return dmc.Alert(f"There is no page {path}.", title="Not found", color="orange")
        return PAGES[path][1](library, query)
