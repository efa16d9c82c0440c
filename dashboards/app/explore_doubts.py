"""What is held against what the explorer shows: runs that do not count, numbers to be doubted."""

from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

import dash_mantine_components as dmc
import pandas as pd
from dash import html

from dashboards import theme
from dashboards.app import care, one_run
from dashboards.app.library import Library
from dashboards.app.parts import caution, link
from dashboards.app.view import KEYS, PROTOCOL, View, varies
from dashboards.series import PERCENTILES
from dashboards.settings import named
from experiments.linter import MIXED_FRAMES, PERCENTILE
from experiments.summarise import is_sound

_LISTED_MAX = 30
"""Runs that a notice lists; the table of the points has all of them."""

_NAMES_ONE_OF_MANY = ("case", "profile", "folder")
"""What stands for other settings: where it says them all, these need not be told."""


def swept(table: pd.DataFrame) -> list[str]:
    """Return the settings of which points, or runs, have several values."""
    return [key for key in KEYS if key in table and varies(table[key])]


def telling(table: pd.DataFrame) -> list[str]:
    """Return the same without those that a name stands for: a case's, a profile's, a folder's."""
    keys = swept(table)
    for name in _NAMES_ONE_OF_MANY:
        if name in keys:
            by_name = table.groupby(name)[keys].nunique().max()
            keys = [key for key in keys if key == name or by_name[key] > 1]
    return keys


def lost_runs(library: Library, view: View) -> pd.DataFrame:
    """Return the runs that the filters let through and that do not count, each with its `reason`.

    Without any it may have no columns.
    """
    runs = view.chosen(library.runs(view.folders))
    if runs.empty:
        return runs
    lost = runs[~is_sound(runs)]
    broken = "broke a guarantee: " + lost["safety"]
    return lost.assign(reason=lost["outcome"].where(lost["outcome"] != "ok", broken))


def said(library: Library, view: View, percentile: str = PERCENTILE) -> pd.DataFrame:
    """Return what the linter says of the runs that the filters let through."""
    said = library.linted(view.folders, percentile)
    runs = view.chosen(library.runs(view.folders))
    if said.empty or runs.empty:
        return said.head(0)
    said = said.merge(runs[["folder", "run_id"]])
    if runs["requests_per_frame_max"].nunique() == 1:
        said = said[said["rule"] != MIXED_FRAMES]  # Of all runs, but not of those shown.
    return said


def lost_notice(library: Library, view: View) -> Any:
    """Return how many runs do not count, which opens a list of them; None where all do."""
    lost = lost_runs(library, view)
    if lost.empty:
        return None
    runs = view.chosen(library.runs(view.folders))
    do = "does" if len(lost) == 1 else "do"
    listed = dmc.List([dmc.ListItem(each) for each in _listed(runs, lost)], size="sm")
    return _folded(f"{len(lost):,} of {len(runs):,} runs {do} not count", listed, "red.9", "filled")


def caution_notice(library: Library, view: View) -> Any:
    """Return what is to be read with care, behind a button; None for nothing."""
    found = said(library, view, PERCENTILES.get(view.percentile, PERCENTILE))
    if found.empty:
        return None
    words = f"Read with care: {found['rule'].nunique()}"
    return _folded(words, caution(found, title=None), care.colour(found))


def link_to(run: Any, text: str) -> Any:
    """Return a link to a run, a row of the table of runs with its `folder`."""
    point = title(run, (PROTOCOL, "replicas", "clients"))
    return link(text, one_run.link(run["folder"], run["run_id"]), heard=f" of {point}")


def title(row: Any, keys: Sequence[str]) -> str:
    """Say which point a row is of, by some settings, as plain text."""
    words = (named(key, row[key]) for key in keys if key != PROTOCOL)
    return unescape(", ".join([theme.label(row[PROTOCOL]), *words]))


def _listed(runs: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Any]:
    keys = telling(runs)
    for run in lost.head(_LISTED_MAX).to_dict("records"):
        yield html.Span(
            [
                f"{title(run, keys)}, repeat {run['repeat']}: ",
                html.Strong(run["reason"]),
                " ",
                link_to(run, "open the run"),
            ]
        )
    if len(lost) > _LISTED_MAX:
        yield f"and {len(lost) - _LISTED_MAX:,} more: the table below the figure has all of them"


def _folded(title: str, notice: Any, colour: str, variant: str = "light") -> Any:
    """Return a notice behind a button, which says how much there is to read."""
    button = dmc.Button(title, color=colour, variant=variant, size="compact-sm")
    return dmc.Popover(
        [
            dmc.PopoverTarget(button),
            dmc.PopoverDropdown(dmc.ScrollArea(notice, mah=420, type="auto")),
        ],
        width=620,
        position="bottom",
        shadow="md",
        trapFocus=True,
    )
