"""What a sweep shows on the terminal: its progress, a line a run, and a table of its points."""

import math
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
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
from experiments.results import Row
from experiments.runner import OK, is_sound
from experiments.spec import Suite
from experiments.sweep import POINT, Run, name_of, repeats, shown

_MEASURES = {
    "req/s": "throughput_rps",
    "p50 ms": "latency_ms_p50",
    "p95 ms": "latency_ms_p95",
    "p99 ms": "latency_ms_p99",
    "CPU µs/req": "cpu_us_per_request",
}
_UNDER_FAULTS = {"gap s": "unavailability_s", "recovery s": "recovery_s"}


class Display:
    """Shows runs as they end and, on a terminal, a bar with the time that is left."""

    def __init__(self, console: Console, suite: Suite, runs: Sequence[Run]) -> None:
        self._suite = suite
        self._runs = len(runs)
        self._ended = 0
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
        self._progress.update(self._task, description=name_of(self._suite, run))

    def finished(self, run: Run, row: Row) -> None:
        """Print a line on the run that ended."""
        self._ended += 1
        self._countdown.finished(run, row["wall_s"])
        self._progress.advance(self._task)
        line = f"[{self._ended}/{self._runs}] {name_of(self._suite, run)}: {_result(row)}"
        self._progress.console.print(
            Text(line, style="" if is_sound(row) else "bold red"), soft_wrap=True
        )


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
    table.add_column("protocol", no_wrap=True)
    measures = _MEASURES | (_UNDER_FAULTS if any(each.faults for each in suite.points()) else {})
    for header in ("n", "clients", *swept, *measures):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("runs")
    for point in suite.points():
        settings = [shown(getattr(point, key)) for key in (*POINT, *swept)]
        ran = [rows.get(run.run_id) for run in repeats(suite, point)]
        sound = [row for row in ran if row is not None and is_sound(row)]
        medians = [_median(sound, measure) for measure in measures.values()]
        table.add_row(*settings, *medians, _verdict(ran))
    return table


def _median(sound: Sequence[Row], measure: str) -> str:
    """Write the median over the runs; a dash if there are none, or one has no such number."""
    median = float(np.median([row[measure] for row in sound])) if sound else math.nan
    if math.isnan(median):
        return "-"
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


def _result(row: Row) -> str:
    if not is_sound(row):
        return _fault(row)
    p50, p99 = _three_digits(row["latency_ms_p50"]), _three_digits(row["latency_ms_p99"])
    cpu = _three_digits(row["cpu_us_per_request"])
    throughput = f"{row['throughput_rps']:,.0f} req/s"
    return f"{throughput}, p50 {p50} ms, p99 {p99} ms, CPU {cpu} µs/req, safe"


def _three_digits(value: float) -> str:
    """Write a measured value with three digits that count, or all before the point."""
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"
