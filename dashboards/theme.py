"""How figures and the report look: one colour a protocol, one font, one way to write numbers.

A figure is drawn in one of two schemes, light and dark, and all that they differ in is in its
template. What figures colour themselves can be seen on either paper: see `colour`, `tint`, `MUTED`
and `SHADE`.
"""

import math
import zlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

Number = float | int

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


class Scheme(NamedTuple):
    """The colours of everything that is no one's own."""

    paper: str
    ink: str
    muted: str
    """Of axes and of small print."""
    grid: str
    hatching: str
    """Stands out from every colour of a protocol, and from its tints on this paper."""


SCHEMES = {
    "light": Scheme(
        paper="#ffffff", ink="#1f2933", muted="#52606d", grid="#e4e7eb", hatching="#101418"
    ),
    "dark": Scheme(
        paper="#1a1b1e", ink="#dee2e6", muted="#a6adb5", grid="#343a42", hatching="#fefeff"
    ),
}

MUTED = "#74808d"
"""Lines and marks that belong to no protocol, on either paper."""

SHADE = "rgba(116, 128, 141, 0.16)"
"""Ground that stands out a little from either paper."""

FAULT_GROUND = "rgba(204, 121, 167, 0.2)"
"""The reddish purple of Okabe and Ito's palette, which no protocol that is shipped has."""

CLEAR = "rgba(0, 0, 0, 0)"

HEIGHT_PIXELS = 460
"""Of a figure that has no reason to be higher or lower."""

TITLE_PIXELS = 24
"""Room that a figure leaves for its title."""

_LEFT = {"x": 0, "xref": "paper", "xanchor": "left"}
_TOP = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}}
"""Of the title: the very top, so that it lies on nothing that stands above a panel."""

GAP = "\N{EN DASH}"
"""What stands for a number that is not there."""

NOT_MODELLED = "not modelled"
"""What is said of CPU where hosts have none: in virtual time, unless it is modelled."""

SI_TICKS = "~s"
PLAIN_TICKS = ",~g"
"""For what may be below 1 and whose unit has a prefix already: never 500m cores or 5k ms."""

# Okabe and Ito's palette: told apart also by readers with colour vision deficiencies. Its yellow
# and its light blue are too faint for white paper: the last two of the spare colours stand in.
_PROTOCOLS = {
    "jpaxos": ("JPaxos", "#0072B2"),
    "spaxos": ("S-Paxos", "#D55E00"),
    "multipaxos": ("MultiPaxos", "#009E73"),
    "unreplicated": ("Unreplicated", "#7B8794"),
}
_SPARE_COLOURS = ("#CC79A7", "#A6761D", "#8A6FC9")
# None is that of a protocol that is shipped.
HOST_COLOURS = ("#8A6FC9", "#A6761D", "#1E8A99", "#B8509E", "#5E8C31", "#C0392B", "#3A7BD5")
"""What tells hosts apart in a figure of one protocol, with a dash of its own each."""

COLOURS = (*(shade for _, shade in _PROTOCOLS.values()), *_SPARE_COLOURS)
"""All that a protocol may have."""

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SPAN_OF_CLOSE_TICKS = 2000
_PLAIN_MIN, _PLAIN_END = 1e-9, 1e15
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def label(protocol: str) -> str:
    """Return the name of a protocol as readers know it; safe to show as HTML."""
    return _PROTOCOLS[protocol][0] if protocol in _PROTOCOLS else escape(protocol)


def colour(protocol: str) -> str:
    """Return the colour of a protocol, the same in every figure and on every day."""
    if protocol in _PROTOCOLS:
        return _PROTOCOLS[protocol][1]
    return _SPARE_COLOURS[zlib.crc32(protocol.encode()) % len(_SPARE_COLOURS)]


def tint(protocol: str, strength: float) -> str:
    """Return the colour of a protocol, let through by so much; at strength 1 it is pure."""
    if strength == 1:
        return colour(protocol)
    red, green, blue = (int(colour(protocol)[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {strength:g})"


def symbol(rank: int) -> str:
    """Return the marker of the `rank`-th combination of settings."""
    return _SYMBOLS[rank % len(_SYMBOLS)]


def dash(rank: int) -> str:
    """Return the line style of the `rank`-th combination of settings."""
    return _DASHES[rank % len(_DASHES)]


def significant(value: Number) -> str:
    """Write a number with three significant digits; a gap as a dash.

    There is an exponent only where a number is too long, or too small, to be read without.
    """
    if not math.isfinite(value):
        return GAP
    if value == 0:
        return "0"
    if not _PLAIN_MIN <= abs(value) < _PLAIN_END:
        return f"{value:.2e}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def si(value: Number, unit: str = "") -> str:
    """Write a number with three significant digits, an SI prefix and its unit: 1.23 M req/s."""
    scale, prefix = next((pair for pair in _PREFIXES if abs(value) >= pair[0]), (1.0, ""))
    return " ".join(part for part in (significant(value / scale), prefix, unit) if part)


def figure(title: str, **layout: Any) -> go.Figure:
    """Return an empty figure in this theme."""
    return go.Figure(layout={**_layout(title), **layout})


def panels(title: str, **grid: Any) -> go.Figure:
    """Return an empty figure of several panels; `grid` as `plotly.subplots.make_subplots` takes."""
    return make_subplots(**grid).update_layout(_layout(title))


def _layout(title: str) -> dict[str, Any]:
    # A height of the template's would give way to that of the figure that was there before.
    return {"height": HEIGHT_PIXELS, "template": TEMPLATES["light"], "title": {"text": title}}


def say_instead(drawing: go.Figure, text: str, row: int, column: int) -> None:
    """Say in the middle of a panel why nothing is drawn in it."""
    middle = {"x": 0.5, "y": 0.5, "xref": "x domain", "yref": "y domain", "showarrow": False}
    drawing.add_annotation(text=text, font={"color": MUTED}, **middle, row=row, col=column)


def linear_axis(title: str, ticks: str = SI_TICKS) -> dict[str, Any]:
    """Return an axis from zero; `title` ends with the unit in parentheses."""
    return {"title": {"text": title}, "rangemode": "tozero", "tickformat": ticks}


def log_axis(title: str, values: ArrayLike, ticks: str = SI_TICKS) -> dict[str, Any]:
    """Return a logarithmic axis for `values`; `title` ends with the unit in parentheses.

    Labelled at 1, 2 and 5, or at 1 alone where that would be crowded.
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    span = numbers.max() / numbers.min() if numbers.size else 1.0
    dtick = "D2" if span <= _SPAN_OF_CLOSE_TICKS else 1
    return {"title": {"text": title}, "type": "log", "dtick": dtick, "tickformat": ticks}


def line(protocol: str, dash_style: str = "solid") -> dict[str, Any]:
    """Return the line of a protocol."""
    return {"color": colour(protocol), "dash": dash_style, "width": 2}


def host_line(host: int) -> dict[str, Any]:
    """Return the line of a host in a figure of one protocol."""
    return {"color": HOST_COLOURS[host % len(HOST_COLOURS)], "dash": dash(host), "width": 2}


def marker(protocol: str, rank: int) -> dict[str, Any]:
    """Return the marker of a protocol with the `rank`-th combination of settings."""
    return {"color": colour(protocol), "symbol": symbol(rank), "size": 8}


def hatching(are_hatched: Iterable[bool]) -> dict[str, Any]:
    """Return the pattern of bars, one each: hatched, or plain; the template has its colour."""
    shapes = ["/" if is_hatched else "" for is_hatched in are_hatched]
    return {"shape": shapes, "fillmode": "overlay", "fgopacity": 1, "solidity": 0.2}


def name_once(figure: go.Figure) -> None:
    """Have the legend show each name once, however many traces have it."""
    shown: set[str] = set()
    for trace in figure.data:
        trace.showlegend = trace.name not in shown
        shown.add(trace.name)


def interval(rows: pd.DataFrame, measure: str) -> dict[str, Any]:
    """Return the error bars of a measure of `experiments.summarise.summary`."""
    columns = (measure, f"{measure}_low", f"{measure}_high")
    middle, low, high = (rows[column].to_numpy() for column in columns)
    return {
        "array": high - middle,
        "arrayminus": middle - low,
        # A single repeat spans nothing: no strokes that look like an interval.
        "visible": bool((high > low).any()),
        "symmetric": False,
        "thickness": 1.2,
        "width": 4,
    }


def hover(title: str, facts: Mapping[str, str]) -> str:
    """Return the text of a hover label: a title, as HTML, and one line a fact, of plain text."""
    lines = (f"<br>{name}: {escape(value, quote=False)}" for name, value in facts.items())
    return f"<b>{title}</b>{''.join(lines)}"


def _axis(scheme: Scheme) -> dict[str, Any]:
    return {
        "automargin": True,
        "gridcolor": scheme.grid,
        "linecolor": scheme.muted,
        "showline": True,
        "tickcolor": scheme.muted,
        "ticks": "outside",
        "title": {"standoff": 12},
        "zeroline": False,
    }


def _template(scheme: Scheme) -> go.layout.Template:
    layout = {
        "colorway": COLOURS,
        "font": {"family": FONT, "size": 13, "color": scheme.ink},
        "hoverlabel": {
            "align": "left",
            "bgcolor": scheme.paper,
            "bordercolor": scheme.muted,
            "font": {"family": FONT, "color": scheme.ink},
        },
        "hovermode": "closest",
        # Right of the plot: there Plotly makes room for a legend of any length.
        "legend": {"x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top", "tracegroupgap": 4},
        "margin": {"l": 72, "r": 24, "t": 32 + TITLE_PIXELS, "b": 64},
        "paper_bgcolor": scheme.paper,
        "plot_bgcolor": CLEAR,
        "showlegend": True,
        "sliderdefaults": {"tickcolor": scheme.muted},
        "title": {**_LEFT, **_TOP, "font": {"size": 17}},
        "xaxis": _axis(scheme),
        "yaxis": _axis(scheme),
    }
    # Plotly's own choices for these are made for white paper.
    data = {
        "bar": [
            {
                "error_y": {"color": scheme.ink},
                "marker": {"pattern": {"fgcolor": scheme.hatching}},
            }
        ],
        "heatmap": [{"textfont": {"color": scheme.ink}}],
        "scatter": [{"marker": {"line": {"color": scheme.paper}}}],
    }
    return go.layout.Template(layout=layout, data=data)


TEMPLATES = {name: _template(scheme) for name, scheme in SCHEMES.items()}
"""By scheme; Plotly knows them as `paxoscope-light` and `paxoscope-dark`."""

plotly.io.templates.update({f"paxoscope-{name}": each for name, each in TEMPLATES.items()})
