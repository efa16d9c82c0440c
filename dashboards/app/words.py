"""Words that the tables give, as components: nothing that was in a file becomes HTML."""

from html.parser import HTMLParser
from typing import Any

import dash_mantine_components as dmc
from dash import html

_STYLES: dict[str, Any] = {"strong": html.Strong, "em": html.Em, "code": dmc.Code}


def components(text: str) -> list[Any]:
    """Return what HTML, such as that of `dashboards.findings`, says: with emphasis, and no more."""
    parser = _Words()
    parser.feed(text)
    parser.close()
    return parser.found


class _Words(HTMLParser):
    """Keeps the text, and which of it stands in one of `_STYLES`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Any] = []
        self._style = ""

    def handle_starttag(self, tag: str, _: object) -> None:
        self._style = tag

    def handle_endtag(self, _: str) -> None:
        self._style = ""

    def handle_data(self, data: str) -> None:
        style = _STYLES.get(self._style)
        self.found.append(style(data) if style else data)
