"""The benchmark: what the protocols reach on this machine; nothing is kept but the numbers.

It is the shipped suite `bench`, run in its own order, with a line a run and the memory of the
actors beside it.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.errors import EXIT_FAILED, InputError
from experiments.live import LiveBackend
from experiments.results import Row, replace_file
from experiments.runner import is_sound, run_all
from experiments.spec import RunConfig, Suite, load_suite
from experiments.sweep import Run, repeats

SETTLED_S = 10.0
"""Memory is compared with what it was after this time, or after a shorter run's warm-up."""

ROLES = ("replica", "coordinator", "fleet")


def run(
    options: Mapping[str, tuple[str, Any]],
    overrides: Sequence[str],
    *,
    address: str | None,
    json_file: Path | None,
) -> int:
    """Run the benchmark and print it; return the exit code. Raises InputError and RunFailed."""
    suite = load_suite("bench", overrides, options)
    if json_file is not None:
        _check_writable(json_file)  # Better known before than after.
    bench = _Bench(suite, Console())
    runs = [run for point in suite.points() for run in repeats(suite, point)]
    try:
        with LiveBackend(address) as backend:
            run_all(suite, runs, backend=backend, results=bench, observer=bench)
    finally:
        if json_file is not None and bench.rows:
            _write(json_file, bench.rows)
    bench.print_memory()
    return 0 if all(map(is_sound, bench.rows)) else EXIT_FAILED


class _Bench:
    """Prints each run as it ends and keeps its row; the rows' tables are looked at and dropped."""

    def __init__(self, suite: Suite, console: Console) -> None:
        self.rows: list[Row] = []
        self._run: Run | None = None
        self._swept = [key for key in suite.swept if key not in ("protocol", "clients")]
        self._console = console

    def started(self, run: Run) -> None:
        """Print the head of the table before the first run."""
        if self._run is None:
            self._print(_line(_HEAD, self._swept), "bold")
        self._run = run

    def record(self, row: Row, tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep the row, and in it how the memory of the actors developed."""
        assert self._run is not None
        self.rows.append(row | _memory(self._run.config, tables["counters"]))

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
            title="RSS of the largest actor, MB: once settled -> at the end",
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        for column in ("protocol", "clients", "settled after s", *ROLES):
            table.add_column(column, justify="left" if column == "protocol" else "right")
        for row in self.rows:
            run = (row["protocol"], f"{row['clients']:,}", f"{row['settled_s']:g}")
            table.add_row(*run, *(_growth(row, f"rss_mb_{role}") for role in ROLES))
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


def _memory(config: RunConfig, counters: pd.DataFrame) -> dict[str, float]:
    """Return the RSS of each role's largest actor, in MB, once settled and at the end; and when.

    nan where the run had no such actor, or came to nothing.
    """
    settled_s = SETTLED_S if config.load_s > SETTLED_S else config.warmup_s
    memory = {"settled_s": settled_s}
    settled = counters[counters["time_s"] >= settled_s].sort_values("time_s")
    for role in ROLES:
        rows = settled[settled["role"] == role]
        by_actor = rows.groupby("actor")["rss_bytes"] if len(rows) else None
        memory[f"rss_mb_{role}_settled"] = by_actor.first().max() / 1e6 if by_actor else math.nan
        memory[f"rss_mb_{role}"] = by_actor.last().max() / 1e6 if by_actor else math.nan
    return memory


def _growth(row: Row, key: str) -> str:
    return "-" if math.isnan(row[key]) else f"{row[f'{key}_settled']:,.0f} -> {row[key]:,.0f}"


def _check_writable(json_file: Path) -> None:
    """Raise InputError where `json_file` cannot be written; leave it as it was."""
    was_there = os.path.exists(json_file)
    if was_there and not (json_file.is_file() or json_file.is_dir()):
        raise InputError(f"{json_file}: cannot be written: not a file")
    try:
        json_file.open("ab").close()
    except OSError as error:
        raise InputError(f"{json_file}: cannot be written: {error.strerror}") from error
    if not was_there:
        json_file.unlink()


def _write(json_file: Path, rows: Sequence[Row]) -> None:
    plain = [
        {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in row.items()}
        for row in rows
    ]
    try:
        replace_file(json_file.resolve(), f"{json.dumps(plain, indent=1)}\n".encode())
    except OSError as error:
        raise InputError(f"{json_file}: cannot be written: {error.strerror}") from error
