"""The benchmark: what the protocols reach on this machine; nothing is kept but the numbers.

It is the shipped suite `bench`, run in its own order, with a line a run and the memory of the
actors beside it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.errors import InputError
from experiments.live import LiveBackend
from experiments.results import Row
from experiments.runner import RunFailed, is_sound, run_all
from experiments.spec import Suite, load_suite
from experiments.sweep import Run, repeats

EXIT_FAILED = 1
SETTLED_S = 10.0
"""Memory is compared with what it was after this time, or after a shorter run's warm-up."""

ROLES = ("replica", "coordinator", "fleet")


def run(overrides: Sequence[str], *, address: str | None, json_file: Path | None) -> int:
    """Run the benchmark and print it; return the exit code. Raises InputError."""
    suite = load_suite("bench", overrides)
    if json_file is not None:
        _write(json_file, [])  # Whether it can be written is better known before than after.
    bench = _Bench(suite, Console())
    runs = [run for point in suite.points() for run in repeats(suite, point)]
    try:
        with LiveBackend(address) as backend:
            run_all(suite, runs, backend=backend, results=bench, observer=bench)
    except RunFailed as failure:
        raise InputError(f"nothing can be run: {failure}") from failure
    finally:
        if json_file is not None:
            _write(json_file, bench.rows)
    bench.print_memory()
    return 0 if all(map(is_sound, bench.rows)) else EXIT_FAILED


class _Bench:
    """Prints each run as it ends and keeps its row; the rows' tables are looked at and dropped."""

    def __init__(self, suite: Suite, console: Console) -> None:
        self.rows: list[Row] = []
        self._memory: list[tuple[Run, Mapping[str, tuple[float, float]]]] = []
        self._run: Run | None = None
        self._swept = [key for key in suite.axes if key not in ("protocol", "clients")]
        self._console = console

    def started(self, run: Run) -> None:
        """Print the head of the table before the first run."""
        if self._run is None:
            self._print(_line(_HEAD, self._swept), "bold")
        self._run = run

    def record(self, row: Row, tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep the row, and how the memory of the actors developed."""
        assert self._run is not None
        self.rows.append(row)
        self._memory.append((self._run, _memory(self._run, tables["counters"])))

    def finished(self, run: Run, row: Row) -> None:
        """Print a line on the run."""
        assert run is self._run
        fault = "" if is_sound(row) else f"  {row['outcome']}; safety: {row['safety'] or '-'}"
        line = _line(row, self._swept) + fault
        self._print(line, "bold red" if fault else "")

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(line, style), soft_wrap=True)

    def print_memory(self) -> None:
        """Print, for each run, the largest resident memory of an actor, by role."""
        table = Table(
            title=f"RSS of the largest actor, MB: after {SETTLED_S:g} s -> at the end",
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        for column in ("protocol", "clients", *ROLES):
            table.add_column(column, justify="left" if column == "protocol" else "right")
        for run, by_role in self._memory:
            cells = [_megabytes(by_role[role]) if role in by_role else "-" for role in ROLES]
            table.add_row(run.config.protocol, f"{run.config.clients:,}", *cells)
        self._console.print(table)


_HEAD: Row = {
    "protocol": "protocol",
    "clients": "clients",
    "throughput_rps": "req/s",
    "latency_ms_p50": "p50 ms",
    "latency_ms_p95": "p95 ms",
    "latency_ms_p99": "p99 ms",
    "latency_ms_p999": "p99.9 ms",
    "cpu_us_per_request": "us CPU/req",
}


def _line(row: Row, swept: Sequence[str]) -> str:
    cells = [f"{row['protocol']:<11}", _cell(row["clients"], 8, 0)]
    cells += [f"{row.get(key, key)!s:>{len(key)}}" for key in swept]
    cells.append(_cell(row["throughput_rps"], 12, 0))
    cells += [_cell(row[key], 9, 3) for key in _HEAD if key.startswith("latency")]
    return " ".join([*cells, _cell(row["cpu_us_per_request"], 11, 2)])


def _cell(value: object, width: int, decimals: int) -> str:
    if isinstance(value, str):
        return f"{value:>{width}}"
    assert isinstance(value, int | float)
    return f"{'-':>{width}}" if math.isnan(value) else f"{value:>{width},.{decimals}f}"


def _memory(run: Run, counters: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return by role the RSS of its largest actor, in bytes: once settled, and at the end."""
    settled_s = SETTLED_S if run.config.load_s > SETTLED_S else run.config.warmup_s
    by_role = {}
    for role, rows in counters[counters["time_s"] >= settled_s].groupby("role"):
        by_actor = rows.sort_values("time_s").groupby("actor")["rss_bytes"]
        by_role[str(role)] = (float(by_actor.first().max()), float(by_actor.last().max()))
    return by_role


def _megabytes(before_after: tuple[float, float]) -> str:
    before, after = before_after
    return f"{before / 1e6:,.0f} -> {after / 1e6:,.0f}"


def _write(json_file: Path, rows: Sequence[Row]) -> None:
    plain = [
        {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in row.items()}
        for row in rows
    ]
    try:
        json_file.write_text(json.dumps(plain, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{json_file}: cannot be written: {error.strerror}") from error
