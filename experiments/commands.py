"""What the commands do: run a suite from its file to the exit code, and write a report."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from experiments.backends import Backends
from experiments.console import Display, care_table, points_table
from experiments.errors import EXIT_FAILED, InputError
from experiments.estimate import duration, expected_s
from experiments.exporter import Exporter
from experiments.linter import lint
from experiments.monitor import Monitor
from experiments.results import ResultsWriter
from experiments.runner import Observers, is_finished, is_sound, missing, run_all
from experiments.spec import Suite, load_suite
from experiments.sweep import Run, expand
from experiments.workers import cores


def run(
    path_or_name: str,
    *,
    out: Path | None,
    overrides: Sequence[str],
    address: str | None,
    parallel: int | None,
    with_report: bool,
) -> int:
    """Run what is missing of a suite, show and report all of it; return the exit code.

    Raises InputError where the suite or the folder cannot be used, RunFailed where nothing can be
    run, and KeyboardInterrupt, with advice, where the user broke off.
    """
    suite = load_suite(path_or_name, overrides)
    folder = out or Path("results") / suite.name
    console = Console()
    with ResultsWriter(folder, suite) as results:
        try:
            _run_missing(suite, results, console, address, parallel)
        except KeyboardInterrupt as end:
            raise type(end)(_how_to_resume(suite, results)) from end
        rows = results.rows()
    console.print(points_table(suite, rows))
    said = lint(pd.DataFrame([rows[run.run_id] for run in expand(suite)]))
    if len(said):
        console.print(care_table("Read with care", said))
    if with_report:
        write_report(folder)
    return 0 if all(is_sound(rows[run.run_id]) for run in expand(suite)) else EXIT_FAILED


def write_report(folder: Path) -> None:
    """Write the report of a folder with results and say where it is; raises InputError."""
    # Plotly is slow to import, and not needed until here.
    from dashboards import report  # noqa: PLC0415

    try:
        path = report.write(folder)
    except OSError as error:
        reason = f"the report cannot be written: {error.strerror}"
        raise InputError(f"{folder}: {reason}") from error
    print(f"report: {path}")


def _run_missing(
    suite: Suite,
    results: ResultsWriter,
    console: Console,
    address: str | None,
    parallel: int | None,
) -> None:
    runs = missing(suite, results)
    if not runs:
        console.print(f"{suite.name}: every run is there already")
        return
    # A cluster's CPUs are counted only when it is connected to.
    at_once = parallel if address else min(parallel or cores(), cores())
    console.print(f"{suite.name}: {len(runs)} runs, about {duration(expected_s(runs, at_once))}")
    carry_out(suite, runs, results, console, address=address, parallel=parallel)


def carry_out(
    suite: Suite,
    runs: Sequence[Run],
    results: ResultsWriter,
    console: Console,
    *,
    address: str | None,
    parallel: int | None = None,
) -> None:
    """Carry out runs of a suite on the backends that they name, and show how they get on."""
    exporter = Exporter(suite)
    with (
        Monitor(results.folder, suite, runs) as monitor,
        Backends(runs, address, (monitor.tell, exporter.tell), parallel) as backends,
        Display(console, suite, runs) as display,
    ):
        observers = Observers(display, monitor, exporter)
        run_all(suite, runs, backend=backends, results=results, observer=observers)


def _how_to_resume(suite: Suite, results: ResultsWriter) -> str:
    runs, rows = expand(suite), results.rows()
    kept = sum(is_finished(rows.get(run.run_id)) for run in runs)
    command = shlex.join(["paxoscope", *sys.argv[1:]])
    return f"{kept} of {len(runs)} runs are kept; resume with: {command}"
