"""The application: pages in a frame, found by their address."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html

from dashboards import theme
from dashboards.app import compared, explore, messages, one_run, reproduced
from dashboards.app.library import Library
from dashboards.app.parts import problem

PAGES: dict[str, Callable[[Library, str], Any]] = {
    "/": explore.layout,
    "/run": one_run.layout,
    "/compare": compared.layout,
    "/messages": messages.layout,
    "/reproduction": reproduced.layout,
}
"""By address: what shows a page for the query of a link."""

LINKS = {
    "/": "Explore",
    "/compare": "Compare",
    "/messages": "Messages",
    "/reproduction": "Reproduction",
}
"""What the head of every page leads to."""

MANTINE = {"fontFamily": theme.FONT, "primaryColor": "blue", "defaultRadius": "sm"}


def create(root: Path) -> Dash:
    """Return the application over the result folders below `root`; it loads nothing from afar."""
    library = Library(root)
    app = Dash(
        "paxoscope",
        title="Paxoscope",
        update_title="Paxoscope",
        serve_locally=True,
        suppress_callback_exceptions=True,  # Pages come and go.
    )
    app.layout = _frame(root)
    _route(app, library)
    for page in (explore, compared, messages, reproduced):
        page.connect(app, library)
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
                            dmc.Anchor(
                                dmc.Title("Paxoscope", order=3), href="/", underline="never"
                            ),
                            *(
                                dmc.Anchor(name, href=path, c="dark", size="sm")
                                for path, name in LINKS.items()
                            ),
                            dmc.Text(f"results in {root}", c="dimmed", size="sm", ml="auto"),
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
    @app.callback(
        Output("page", "children"), Input("address", "pathname"), State("address", "search")
    )
    def show(path: str | None, query: str | None) -> Any:
        if path not in PAGES:
            return problem("Not found", f"There is no page {path}.")
        return PAGES[path](library, (query or "").removeprefix("?"))
