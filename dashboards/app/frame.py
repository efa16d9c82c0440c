"""What is around every page: its head, its colour scheme, and what the browser needs to know."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html
from flask import Response, request

from dashboards import plotly_script, theme
from dashboards.app import export

_WIDTH_MAX_PIXELS = 1920
"""Of the content: lines longer than this are not read, and figures gain nothing."""

_DARK = theme.SCHEMES["dark"]
_GREYS = [
    *("#c1c2c5", "#a6a7ab", "#909296", "#5c5f66", "#373a40", "#2c2e33", "#25262b"),
    *(_DARK.paper, "#141517", "#101113"),
]
"""From light to dark; the eighth is the ground of a dark page, on which figures are drawn."""

_MANTINE = {
    "fontFamily": theme.FONT,
    "primaryColor": "blue",
    "defaultRadius": "sm",
    "colors": {"dark": _GREYS},
    # White letters, or black ones, on a strong ground: these shades are dark or light enough.
    "primaryShade": 8,
    "autoContrast": True,
    "luminanceThreshold": 0.19,
}


_TINTED = ("red", "orange", "yellow", "teal", "blue", "gray")
"""The colours of notices and badges."""

_LETTERS = {
    "light": {"red": "#c92a2a", "yellow": "#8a5200", "teal": "#087f5b"},
    "dark": {"red": "#ff8787", "yellow": "#ffd43b", "teal": "#38d9a9"},
}
"""The colour of letters that are to stand out, in each scheme."""

_LINKS = {"light": "#0b5cad", "dark": "#4dabf7"}
"""The colour of links in each scheme."""


_PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
"""Where Dash serves it."""


def dressed(index: str) -> str:
    """Return the outermost HTML with its language, and text in the colours of the figures.

    It loads Plotly while the first page is computed; Dash would do so when it has come.
    """
    style = "".join(_ink(name, scheme) for name, scheme in theme.SCHEMES.items())
    # A dark page does not flash white before it is there.
    ground = f"html:not([data-mantine-color-scheme]){{background:{_DARK.paper}}}"
    style += f"@media (prefers-color-scheme:dark){{{ground}}}"
    index = index.replace("<html>", '<html lang="en">')
    index = index.replace("</head>", f"<style>{style}</style></head>")
    early = f'<link rel="preload" as="script" fetchpriority="low" href="{_PLOTLY}">'
    return index.replace("</head>", f"{early}</head>")


def _ink(name: str, scheme: theme.Scheme) -> str:
    colours = {
        "text": scheme.ink,
        "dimmed": scheme.muted,
        "anchor": _LINKS[name],
        **{f"{colour}-text": value for colour, value in _LETTERS[name].items()},
        # On grounds of a colour's own light tint its own letters would be too faint.
        **{f"{colour}-light-color": scheme.ink for colour in _TINTED},
    }
    variables = ";".join(f"--mantine-color-{key}:{value}" for key, value in colours.items())
    # Said twice, `:root` outweighs Mantine's own rule.
    return f':root:root[data-mantine-color-scheme="{name}"]{{{variables}}}'


def layout(root: Path) -> Any:
    """Return the frame; the components `page`, `links` and `title` are there to be filled."""
    return dmc.MantineProvider(
        [
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Store(id="title"),
            dcc.Store(id="scheme"),
            dcc.Store(
                id="templates",
                data={name: each.to_plotly_json() for name, each in theme.TEMPLATES.items()},
            ),
            html.A("Skip to the content", href="#content", className="skip"),
            export.outlet(),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(_head(root)),
                    dmc.AppShellMain(
                        dmc.Box(_unseen_figure(), id="page", maw=_WIDTH_MAX_PIXELS, mx="auto"),
                        id="content",
                        tabIndex=-1,
                    ),
                ],
                header={"height": 56},
                padding="lg",
            ),
        ],
        theme=_MANTINE,
        defaultColorScheme="auto",
    )


def _serve_plotly() -> Response:
    """Return Plotly, where Dash would have returned all of it."""
    response = Response(plotly_script.text(), mimetype="text/javascript")
    response.add_etag()
    response.make_conditional(request)
    return response


def _unseen_figure() -> Any:
    """Return what has the browser prepare for figures while the server computes the first page."""
    return dcc.Graph(style={"display": "none"})


def links(pages: Iterable[tuple[str, str]], current: str | None) -> list[Any]:
    """Return the links of the head to pages, an address and a title each; one is marked."""
    return [
        dmc.Anchor(
            title,
            href=path,
            size="sm",
            c="var(--mantine-color-text)",
            fw=700 if path == current else 400,
            underline="always" if path == current else "hover",
            **({"aria-current": "page"} if path == current else {}),
        )
        for path, title in pages
    ]


def connect(app: Dash) -> None:
    """Serve Plotly; have titles and figures follow, all in the browser."""
    app.server.add_url_rule(_PLOTLY, view_func=_serve_plotly)
    in_browser: Any = app.clientside_callback  # Dash leaves it without types.
    in_browser(ClientsideFunction("paxoscope", "entitle"), Input("title", "data"))
    in_browser(
        ClientsideFunction("paxoscope", "dress"),
        Output({"graph": ALL}, "figure", allow_duplicate=True),
        Input("scheme", "data"),
        Input({"graph": ALL}, "figure"),
        State("templates", "data"),
        prevent_initial_call="initial_duplicate",
    )


def _head(root: Path) -> Any:
    return dmc.Group(
        [
            dmc.Anchor(
                dmc.Text("Paxoscope", fw=700, size="xl"),
                href="/",
                underline="never",
                c="var(--mantine-color-text)",
            ),
            html.Nav(dmc.Group(id="links", gap="md"), **_labelled("Pages")),
            dmc.Text(
                f"folder: {root}", c="dimmed", size="sm", ml="auto", truncate="start", maw="40%"
            ),
            dmc.ColorSchemeToggle(
                lightIcon="\N{BLACK SUN WITH RAYS}",
                darkIcon="\N{LAST QUARTER MOON}",
                variant="default",
                **_labelled("Light or dark"),
            ),
        ],
        h="100%",
        px="lg",
        wrap="nowrap",
    )


def _labelled(label: str) -> Mapping[str, Any]:
    """Return what tells those who do not see a component what it is."""
    return {"aria-label": label}
