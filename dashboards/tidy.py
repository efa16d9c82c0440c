"""The data of a figure as a table: a row a point, under the titles of its axes."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any

import numpy as np
import pandas as pd

Json = Mapping[str, Any]


def tidy(figure: Json) -> pd.DataFrame:
    """Return the points of a figure, as `plotly.graph_objects.Figure.to_dict` makes it.

    Columns: `panel` where there are several; `trace`, the name in the legend; the titles of the
    axes; and `<title>, low` and `<title>, high` where there are error bars. Bars that stand at
    named places have the name of theirs. What only explains (entries of the legend, numbers that
    are written on bars) is left out.
    """
    traces = [trace for trace in figure["data"] if trace.get("mode") != "text"]
    panels = list(dict.fromkeys(map(_axes_of, traces)))
    tables = []
    for trace in traces:
        table = _points(trace, figure["layout"])
        table.insert(0, "trace", plain(trace.get("name") or ""))
        if len(panels) > 1:
            panel = _panel(figure["layout"], *_axes_of(trace))
            table.insert(0, "panel", panel or str(1 + panels.index(_axes_of(trace))))
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["trace"])


def plain(text: str) -> str:
    """Return a text of a figure without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def csv(table: pd.DataFrame) -> str:
    """Return a table as CSV, in which no text is a formula to a spreadsheet."""
    return table.map(_harmless).to_csv(index=False)


def _harmless(cell: object) -> object:
    is_formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if is_formula else cell


# --- Points -------------------------------------------------------------------------------------


def _points(trace: Json, layout: Json) -> pd.DataFrame:
    """Return what a trace shows, without points that are nowhere."""
    axes = _axes_of(trace)
    x_title, y_title = (_title(layout, axis) or axis[0] for axis in axes)
    x, y = (_values(trace.get(key, [])) for key in "xy")
    if trace["type"] == "heatmap":
        return _cells(trace, x, y, (x_title, y_title))
    table = pd.DataFrame(
        {
            x_title: x if trace["type"] != "bar" else _named(x, layout.get(axes[0], {})),
            **_error_bars(trace, "x", x_title, x),
            y_title: y if trace["type"] != "bar" else _named(y, layout.get(axes[1], {})),
            **_error_bars(trace, "y", y_title, y),
        }
    )
    return table.dropna(subset=[x_title, y_title], how="all")


def _cells(
    trace: Json, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], titles: Sequence[str]
) -> pd.DataFrame:
    z = _values(trace["z"])
    table = pd.DataFrame(
        {titles[0]: np.tile(x, len(y)), titles[1]: np.repeat(y, len(x)), "z": z.ravel()}
    )
    scale = plain(trace.get("colorbar", {}).get("title", {}).get("text", ""))
    return table.rename(columns={"z": scale or "z"})


def _error_bars(
    trace: Json, axis: str, title: str, values: np.ndarray[Any, Any]
) -> dict[str, np.ndarray[Any, Any]]:
    bars = trace.get(f"error_{axis}", {})
    if "array" not in bars or not bars.get("visible", True):
        return {}
    above = _values(bars["array"])
    below = _values(bars.get("arrayminus", bars["array"]))
    return {f"{title}, low": values - below, f"{title}, high": values + above}


def _values(raw: Any) -> np.ndarray[Any, Any]:
    """Return an array of a figure, which comes as a list or, packed, as base64."""
    if not isinstance(raw, Mapping):
        return np.asarray(raw)
    packed = np.frombuffer(base64.b64decode(raw["bdata"]), np.dtype(raw["dtype"]))
    shape = [int(size) for size in str(raw.get("shape", packed.size)).split(",")]
    return packed.reshape(shape)


def _named(places: np.ndarray[Any, Any], axis: Json) -> np.ndarray[Any, Any]:
    """Return the names of the places of bars, each that of the nearest tick, if ticks have names.

    The bars of a group stand a little beside its tick.
    """
    if "ticktext" not in axis:
        return places
    ticks, names = _values(axis["tickvals"]), [plain(text) for text in axis["ticktext"]]
    nearest = [int(np.abs(ticks - place).argmin()) for place in places]
    return np.array([names[tick] for tick in nearest], object)


# --- Axes ---------------------------------------------------------------------------------------


def _axes_of(trace: Json) -> tuple[str, str]:
    """Return the keys of the axes of a trace in the layout: `xaxis2` is what `x2` names."""
    x, y = (trace.get(f"{key}axis") or key for key in "xy")
    return f"xaxis{x[1:]}", f"yaxis{y[1:]}"


def _title(layout: Json, axis: str) -> str:
    """Return the title of an axis, or of one that it goes along with: inner ones have none."""
    titles = (layout.get(each, {}).get("title", {}).get("text") for each in _matching(layout, axis))
    return plain(next(filter(None, titles), ""))


def _matching(layout: Json, axis: str) -> Iterator[str]:
    yield axis
    for other, described in layout.items():
        is_axis = other.startswith(axis[:5]) and other != axis
        if is_axis and _leader(other, described) == _leader(axis, layout.get(axis, {})):
            yield other


def _leader(axis: str, described: Json) -> str:
    """Return the name of the axis that an axis goes along with: its own where there is none."""
    return str(described.get("matches") or axis.replace("axis", ""))


def _panel(layout: Json, x_axis: str, y_axis: str) -> str:
    """Return what is written above a panel."""
    left, right = layout.get(x_axis, {}).get("domain", (0, 1))
    top = layout.get(y_axis, {}).get("domain", (0, 1))[1]
    for note in layout.get("annotations", ()):
        if note.get("yref") == "paper" and np.allclose(
            (note["x"], note["y"]), ((left + right) / 2, top)
        ):
            return plain(note["text"])
    return ""
