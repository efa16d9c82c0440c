"""A mark beside a number that is to be read with care, with what the linter says of it."""

from collections.abc import Iterator
from typing import Any

import dash_mantine_components as dmc
import pandas as pd

from experiments.linter import RULES, by_rule


def about(said: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return what is said, as by `experiments.linter.lint`, of a column of the table of runs."""
    return said[said["rule"].map(lambda rule: RULES[rule].is_about(column)).astype(bool)]


def about_all(said: pd.DataFrame) -> pd.DataFrame:
    """Return what is said of all numbers of a run alike."""
    return said[said["rule"].map(lambda rule: RULES[rule].is_about_all).astype(bool)]


def summed(said: pd.DataFrame) -> pd.DataFrame:
    """Return what is said of many runs, a row a rule."""
    rows = [(each.rule.severity, each.words) for each in by_rule(said)]
    return pd.DataFrame(rows, columns=["severity", "words"])


def colour(said: pd.DataFrame) -> str:
    """Return the colour of what is said: red where numbers do not count."""
    return "red" if "error" in set(said["severity"]) else "yellow"


def mark(said: pd.DataFrame) -> Iterator[Any]:
    """Yield a mark that tells when it is pointed at, or reached by keys; none for nothing."""
    if len(said):
        words = "; ".join(dict.fromkeys(said["words"]))
        badge = dmc.Badge("!", color=colour(said), circle=True, size="sm")
        focusable = dmc.Box(badge, tabIndex=0, **{"aria-label": f"Read with care: {words}"})
        yield dmc.Tooltip(
            focusable,
            label=words,
            multiline=True,
            w=280,
            events={"hover": True, "focus": True, "touch": True},
        )
