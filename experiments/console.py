"""What a sweep shows on the terminal: its progress, a line a run, and a table of its points."""

import math
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Self

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from experiments.estimate import Countdown, duration
from experiments.linter import Severity, by_rule
from experiments.results import Row
from experiments.runner import OK, is_sound
from experiments.spec import Suite
from experiments.sweep import POINT, Run, name_of, repeats, shown

_MEASURES = {
    "req/s": "throughput_rps",
    "p50\nms": "latency_ms_p50",
    "p99\nms": "latency_ms_p99",
}
_UNDISTURBED = {"CPU\nµs/req": "cpu_us_per_request"}
_UNDER_FAULTS = {"gap\ns": "unavailability_s", "recovery\ns": "recovery_s"}
_WORD_MAX = 10
"""Longest part of the name, or of a value, of a swept setting that is not broken in two."""

_SEVERITIES: Mapping[Severity, str] = {"error": "bold red", "warning": "yellow", "note": "dim"}


class Display:
    """Shows runs as they end and, on a terminal, a bar with the time that is left."""

    def __init__(self, console: Console, suite: Suite, runs: Sequence[Run]) -> None:
        self._suite = suite
        self._runs = len(runs)
        self._ended = 0
        self._under_way: dict[str, Run] = {}  # By run_id, in the order in which they began.
        self._countdown = Countdown(runs)
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            _Remaining(self._countdown),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task("", total=self._runs)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, run: Run) -> None:
        """Show which run is under way."""
        self._countdown.started(run)
        self._under_way[run.run_id] = run
        self._show_under_way()

    def finished(self, run: Run, row: Row) -> None:
        """Print a line on the run that ended."""
        self._ended += 1
        self._countdown.finished(run, row["wall_s"])
        del self._under_way[run.run_id]
        self._progress.advance(self._task)
        self._show_under_way()
        line = f"[{self._ended}/{self._runs}] {name_of(self._suite, run)}: {_result(row)}"
        self._progress.console.print(
            Text(line, style="" if is_sound(row) else "bold red"), soft_wrap=True
        )

    def _show_under_way(self) -> None:
        """Name the run that began first, and say how many others there are."""
        if not self._under_way:
            return
        beside = len(self._under_way) - 1
        name = name_of(self._suite, next(iter(self._under_way.values())))
        others = f" and {beside} more" if beside else ""
        self._progress.update(self._task, description=name + others)


class _Remaining(ProgressColumn):
    """The time that is left, counting down also while a run lasts."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self._countdown = countdown

    def render(self, task: Task) -> Text:  # noqa: ARG002 # The base class calls it so.
        return Text(f"{duration(self._countdown.remaining_s())} left", style="cyan")


def points_table(suite: Suite, rows: Mapping[str, Row]) -> Table:
    """Make the table of a suite's points: medians over the sound runs in `rows`, by run_id."""
    swept = [key for key in suite.swept if key not in POINT]
    table = Table(
        title=Text(suite.name), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    has_faults = any(each.faults for each in suite.points())
    measures = _MEASURES | (_UNDER_FAULTS if has_faults else _UNDISTURBED)
    table.add_column("protocol", no_wrap=True)
    for header in ("n", "clients"):
        table.add_column(header, justify="right", no_wrap=True)
    for key in swept:
        values = [getattr(each, key) for each in suite.points()]
        table.add_column(
            _broken(key),
            justify="left" if isinstance(values[0], str) else "right",
            min_width=_longest_word([_broken(key), *map(shown, values)]),
            overflow="fold",
        )
    for header in measures:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("runs", min_width=4, overflow="fold")
    for point in suite.points():
        settings = [shown(getattr(point, key)) for key in (*POINT, *swept)]
        ran = [rows.get(run.run_id) for run in repeats(suite, point)]
        sound = [row for row in ran if row is not None and is_sound(row)]
        medians = [_median(sound, measure) for measure in measures.values()]
        table.add_row(*settings, *medians, _verdict(ran))
    return table


def _broken(key: str) -> str:
    """Write the name of a setting on as many lines as it takes."""
    return "\n".join(wrap(key.replace("_", "_ "), _WORD_MAX)).replace("_ ", "_")


def _longest_word(texts: Iterable[str]) -> int:
    words = (word for text in texts for word in text.split())
    return min(_WORD_MAX, max(map(len, words)))


def _median(sound: Sequence[Row], measure: str) -> str:
    """Write the median over the runs; a dash if there are none, or one has no such number."""
    if not sound:
        return "-"
    median = float(np.median([row[measure] for row in sound]))
    return f"{median:,.0f}" if measure == "throughput_rps" else _three_digits(median)


def _verdict(ran: Sequence[Row | None]) -> Text:
    faults = [_fault(row) for row in ran if not is_sound(row)]
    if not faults:
        return Text("ok", style="green")
    sound = len(ran) - len(faults)
    several = f"{sound} of {len(ran)} ok; " if len(ran) > 1 else ""
    return Text(several + "; ".join(dict.fromkeys(faults)), style="bold red")


def _fault(row: Row | None) -> str:
    if row is None:
        return "not run"
    return f"UNSAFE: {row['safety']}" if row["outcome"] == OK else f"failed: {row['outcome']}"


def care_table(title: str, said: pd.DataFrame) -> Table:
    """Make a table of what `experiments.linter.lint` says: a line a rule, with what to do."""
    table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    for each in by_rule(said):
        runs = f"{each.runs:,} run{'' if each.runs == 1 else 's'}"
        severity = Text(each.rule.severity, _SEVERITIES[each.rule.severity])
        table.add_row(severity, f"{each.name}, {runs}: {each.rule.advice}")
    return table


def _result(row: Row) -> str:
    if not is_sound(row):
        return _fault(row)
    p50, p99 = _three_digits(row["latency_ms_p50"]), _three_digits(row["latency_ms_p99"])
    throughput = f"{row['throughput_rps']:,.0f} req/s"
    return f"{throughput}, p50 {p50} ms, p99 {p99} ms, CPU {_cpu(row)}, safe"


def _cpu(row: Row) -> str:
    cpu_us = row["cpu_us_per_request"]
    if not row["throughput_rps"]:
        return "-"
    return "not modelled" if math.isnan(cpu_us) else f"{_three_digits(cpu_us)} µs/req"


def _three_digits(value: float) -> str:
    """Write a measured value with three digits that count, or all before the point; nan as -."""
    if math.isnan(value):
        return "-"
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"
