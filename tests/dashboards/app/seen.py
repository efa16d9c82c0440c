"""What a page would show, read off its components."""

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
import pytest
from dash import dcc
from dash.development.base_component import Component


def texts(shown: Any) -> str:
    """Return all that a component says, its parts one after the other."""
    return " | ".join(_texts(shown))


def graphs(shown: Any) -> dict[str, go.Figure]:
    """Return the figures by the names of their graphs."""
    return {each.id["graph"]: each.figure for each in _all(shown) if isinstance(each, dcc.Graph)}


def links(shown: Any) -> dict[str, list[str]]:
    """Return where the links lead, by what they say, in their order."""
    found: dict[str, list[str]] = {}
    for each in _all(shown):
        if getattr(each, "href", None):
            found.setdefault(texts(each), []).append(each.href)
    return found


def drawn_by_code(shown: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, go.Figure]:
    """Run the Python of each graph, as if it were pasted; return the figures that it shows."""
    figures: list[go.Figure] = []

    def show(figure: go.Figure) -> None:
        figures.append(figure)

    monkeypatch.setattr(go.Figure, "show", show)
    found = {}
    for each in _all(shown):
        if isinstance(each, dcc.Store) and isinstance(each.id, dict) and "code" in each.id:
            exec(each.data, {})  # noqa: S102 # This is what is tested.
            found[each.id["code"]] = figures.pop()
    return found


def _all(shown: Any) -> Iterator[Component]:
    for each in shown if isinstance(shown, list | tuple) else [shown]:
        if isinstance(each, Component):
            yield each
            yield from (part for part in each._traverse() if isinstance(part, Component))


def _texts(shown: Any) -> Iterator[str]:
    if isinstance(shown, list | tuple):
        for each in shown:
            yield from _texts(each)
    elif isinstance(shown, Component):
        for key in ("title", "label", "aria-label"):
            yield from filter(lambda each: isinstance(each, str), [getattr(shown, key, None)])
        yield from _texts(getattr(shown, "children", None))
    elif shown is not None:
        yield str(shown)
