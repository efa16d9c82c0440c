"""Runs with faults: which of them are shown, what they are called, and what happened in them."""

import math
from collections.abc import Hashable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from dashboards.series import SETTINGS, split
from experiments.summarise import FAULTS, is_sound

SHOWN_MAX = 12
"""Most runs that are shown: nobody reads more."""

_PHRASES = {
    "kill": "{} killed",
    "restart": "{} restarted",
    "pause": "{} paused",
    "resume": "{} resumed",
    "suspect": "{} suspects the leader",
    "cut": "{} cut off",
    "slow": "{} slowed down",
    "heal": "network healed",
    "view": "{} leads",
    "recovered": "{} takes part again",
}
_MENDED_BY = {"kill": "recovered", "pause": "resume", "cut": "heal", "slow": "heal"}


class FaultyRun(NamedTuple):
    """A run with faults: its name, as HTML, and its row in the table of runs."""

    name: str
    row: Mapping[Hashable, Any]


class Event(NamedTuple):
    """What happened at a moment of a run's window."""

    time_s: float
    """Since the window began."""
    text: str
    """What it was, as HTML."""
    is_fault: bool
    mended_s: float
    """When it was mended, or the window ended; `time_s` for what passes by itself."""


def has_faults(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each run whether it was to have faults."""
    return runs["faults"].str.strip() != ""


def with_faults(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the sound runs with faults."""
    return runs[is_sound(runs) & has_faults(runs)]


def shown(runs: pd.DataFrame) -> list[FaultyRun]:
    """Return the runs with faults to be shown, ordered by protocol, settings and repeat.

    Where there are more than `SHOWN_MAX`, they are the repeats of each point with the longest gaps.
    """
    worst_first = with_faults(runs).sort_values("unavailability_s", ascending=False, kind="stable")
    rank = worst_first.groupby(["protocol", *SETTINGS, "clients"]).cumcount()
    chosen = worst_first.loc[rank.sort_values(kind="stable").index[:SHOWN_MAX]]
    return [
        FaultyRun(_name(series.name, row, chosen), row)
        for series in split(chosen)
        for row in series.rows.sort_values(["clients", "repeat"]).to_dict("records")
    ]


def _name(curve: str, row: Mapping[Hashable, Any], runs: pd.DataFrame) -> str:
    """Name a run by its curve and, where the runs differ in them, by its clients and repeat."""
    clients = f"{row['clients']:,} clients" if runs["clients"].nunique() > 1 else ""
    repeat = f"repeat {row['repeat']}" if runs["repeat"].nunique() > 1 else ""
    return ", ".join(filter(None, (curve, clients, repeat)))


def happened(run: FaultyRun, events: pd.DataFrame) -> list[Event]:
    """Return what happened in the window of a run, in order; `events` may hold other runs' too."""
    of_run = events[events["run_id"] == run.row["run_id"]].sort_values("time_s", kind="stable")
    rows = of_run.to_dict("records")
    warmup_s, duration_s = run.row["warmup_s"], run.row["duration_s"]
    found = []
    leader = "0"  # Of the first view.
    for index, row in enumerate(rows):
        _, _, number = row["target"].rpartition("-")
        leader = number if row["event"] == "view" else leader
        leads = row["target"] in {f"{part}-{leader}" for part in ("host", "replica", "node")}
        since_s = row["time_s"] - warmup_s
        until_s = min(_mended_at(row, rows[index + 1 :]) - warmup_s, duration_s)
        is_fault = row["event"] in FAULTS
        found.append(Event(since_s, _text(row, is_fault and leads), is_fault, until_s))
    return [event for event in found if 0 <= event.time_s < duration_s]


def _mended_at(row: Mapping[Hashable, Any], later: Sequence[Mapping[Hashable, Any]]) -> float:
    """Return when an event was mended: never is infinite, and what passes by itself at once."""
    if row["event"] not in _MENDED_BY:
        return float(row["time_s"])
    by = _MENDED_BY[row["event"]]
    times = (
        float(each["time_s"])
        for each in later
        if each["event"] == by and each["target"] in (row["target"], "")
    )
    return next(times, math.inf)


def _text(row: Mapping[Hashable, Any], leads: bool) -> str:
    phrase = _PHRASES.get(row["event"], "{} " + row["event"])
    target = row["target"].replace("-", " ") + (" (leader)" if leads else "")
    return escape(" ".join(filter(None, (phrase.replace("{}", target), row["detail"]))))
