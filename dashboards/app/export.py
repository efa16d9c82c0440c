"""What can be taken along of a figure: an image, its data, the code that draws it."""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html

from dashboards.tidy import csv, tidy

_ITEMS = {
    "png": "Image (PNG)",
    "svg": "Image (SVG)",
    "csv": "Data (CSV)",
    "code": "Python code",
}


def menu(name: str, *, has_code: bool) -> Any:
    """Return the menu of the figure whose graph has the id {"graph": name}."""
    return dmc.Menu(
        [
            dmc.MenuTarget(
                dmc.Button(
                    "Export",
                    size="compact-xs",
                    variant="default",
                    **{"aria-label": f"Export the figure {name}"},
                )
            ),
            dmc.MenuDropdown(
                [
                    dmc.MenuItem(
                        words,
                        id={"graph": name, "take": take},
                        display="block" if take != "code" or has_code else "none",
                    )
                    for take, words in _ITEMS.items()
                ]
            ),
        ],
        position="bottom-end",
    )


def outlet() -> Any:
    """Return what all menus share; the frame of every page holds it once."""
    return html.Div(
        [
            dcc.Store(id="export-data"),
            dcc.Download(id="export-file"),
            dmc.Modal(
                dmc.CodeHighlight(id="export-code", code="", language="python"),
                id="export-shown",
                title="Python that draws this figure",
                size="xl",
            ),
        ]
    )


def connect(app: Dash) -> None:
    """Have every menu do as it says."""
    in_browser: Any = app.clientside_callback  # Dash leaves it without types.
    in_browser(
        ClientsideFunction("paxoscope", "take"),
        Output("export-data", "data"),
        Output("export-code", "code"),
        Output("export-shown", "opened"),
        Input({"graph": ALL, "take": ALL}, "n_clicks"),
        State({"graph": ALL}, "figure"),
        State({"code": ALL}, "data"),
        prevent_initial_call=True,
    )
    in_browser(
        ClientsideFunction("paxoscope", "offer"),
        Output({"graph": ALL, "take": "code"}, "display"),
        Input({"code": ALL}, "data"),
    )

    @app.callback(
        Output("export-file", "data"), Input("export-data", "data"), prevent_initial_call=True
    )
    def send(taken: Mapping[str, Any]) -> dict[str, str]:
        table = tidy(taken["figure"])
        return {
            "content": csv(table),
            "filename": f"{taken['name']}.csv",
            "type": "text/csv",
        }
