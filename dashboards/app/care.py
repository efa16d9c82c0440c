"""A mark beside a number that is to be read with care, with what the linter says of it."""

from collections.abc import Iterator
from typing import Any

import dash_mantine_components as dmc
import pandas as pd

from experiments.linter import RULES


def about(said: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return what is said, as by `experiments.linter.lint`, of a column of the table of runs."""
    return said[[RULES[rule].is_about(column) for rule in said["rule"]]]


def mark(said: pd.DataFrame) -> Iterator[Any]:
    """Yield a mark that tells when it is pointed at, or reached by keys; none for nothing."""
    if len(said):
        words = "; ".join(dict.fromkeys(said["words"]))
        colour = "red" if "error" in set(said["severity"]) else "yellow"
        badge = dmc.Badge("!", color=colour, circle=True, size="sm")
        focusable = dmc.Box(badge, tabIndex=0, **{"aria-label": f"Read with care: {words}"})
        yield dmc.Tooltip(
            focusable,
            label=words,
            multiline=True,
            w=280,
            events={"hover": True, "focus": True, "touch": True},
        )
