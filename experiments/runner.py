"""Runs a suite through a backend, run after run, and keeps each result as soon as it is there.

What a folder holds already is not run again, unless it failed. A run that fails is a row with its
reason, and the sweep goes on.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, Self

import msgspec
import pandas as pd

from experiments import environment, summarise
from experiments.errors import RunFailed
from experiments.limits import limit
from experiments.results import (
    CONFIGURATION_COLUMNS,
    FIRST_COLUMNS,
    TABLES,
    ResultsWriter,
    Row,
)
from experiments.spec import RunConfig, Suite
from experiments.sweep import Run, expand

_log = logging.getLogger(__name__)

OK = "ok"


class Measured(NamedTuple):
    """What a backend measured in one run; the tables are described in `experiments.results`."""

    outcome: str
    """"ok", or why the run's numbers mean nothing."""
    safety: str
    """"ok", or which guarantee was broken."""
    timeline: pd.DataFrame
    latency: pd.DataFrame
    service: pd.DataFrame
    counters: pd.DataFrame
    events: pd.DataFrame

    @classmethod
    def failed(cls, reason: str) -> "Measured":
        """Make the result of a run that measured nothing; the outcome is `reason` in one line."""
        empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}
        return cls(" ".join(reason.split()), "", **empty)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: getattr(self, name) for name in TABLES}


class Backend(Protocol):
    """What carries out runs, one at a time, between entering and leaving it."""

    def __enter__(self) -> Self:
        """Get ready; raises RunFailed where no run could be done."""

    def __exit__(self, *_: object) -> None:
        """Stop everything that was started."""

    def run(self, config: RunConfig) -> Measured:
        """Carry out one run; raises RunFailed where it cannot be done."""


class Recorder(Protocol):
    """Keeps what runs leave behind."""

    def record(self, row: Row, tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep the row and the tables of a run that ended."""


class Observer(Protocol):
    """Is told how a sweep goes on."""

    def started(self, run: Run) -> None:
        """Hear that `run` begins."""

    def finished(self, run: Run, row: Row) -> None:
        """Hear that `run` ended, and with which row."""


class Observers:
    """Several observers, told one after the other."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def started(self, run: Run) -> None:
        """Tell that `run` begins."""
        for observer in self._observers:
            observer.started(run)

    def finished(self, run: Run, row: Row) -> None:
        """Tell that `run` ended, and with which row."""
        for observer in self._observers:
            observer.finished(run, row)


def is_finished(row: Row | None) -> bool:
    """Say whether a run with this row need not run again."""
    return row is not None and row["outcome"] == OK


def is_sound(row: Row | None) -> bool:
    """Say whether a run with this row finished and was found correct."""
    return row is not None and row["outcome"] == OK and row["safety"] == OK


def missing(suite: Suite, results: ResultsWriter) -> list[Run]:
    """Return the runs of `suite` that are not finished, in the order in which to run them."""
    rows = results.rows()
    return [run for run in expand(suite) if not is_finished(rows.get(run.run_id))]


def run_all(
    suite: Suite,
    runs: Iterable[Run],
    *,
    backend: Backend,
    results: Recorder,
    observer: Observer,
) -> None:
    """Carry out `runs` of `suite`, recording each as it ends.

    A KeyboardInterrupt passes through; what had ended by then is recorded. Raises ResultsError
    where a result cannot be written.
    """
    provenance = environment.describe()
    for run in runs:
        observer.started(run)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        began_s = time.monotonic()
        measured = _measure(run, backend)
        timing = {"started_at": started_at, "wall_s": time.monotonic() - began_s}
        row = _row(suite, run, measured) | timing | provenance
        results.record(row, measured.tables)
        observer.finished(run, row)


def _measure(run: Run, backend: Backend) -> Measured:
    try:
        return backend.run(run.config)
    except RunFailed as failure:
        return Measured.failed(str(failure))
    except Exception as error:  # A fault of ours in one run must not cost a night's other runs.
        _log.exception("run %s broke off", run.run_id)
        return Measured.failed(f"internal error: {type(error).__name__}: {error}")


def _row(suite: Suite, run: Run, measured: Measured) -> Row:
    numbers = summarise.measure(run.config, **measured.tables)
    if measured.outcome != OK:
        numbers = dict.fromkeys(numbers, math.nan)
    facts = {
        **msgspec.structs.asdict(run.config),
        **numbers,
        **_bound(run.config),
        "suite": suite.name,
        "repeat": run.repeat,
        "outcome": measured.outcome,
        "safety": measured.safety,
        "run_id": run.run_id,
    }
    first = (*FIRST_COLUMNS, *CONFIGURATION_COLUMNS)
    return {key: facts[key] for key in dict.fromkeys([*first, *facts])}


def _bound(config: RunConfig) -> Row:
    """Return what hosts with limits can do at most, and what keeps them from more."""
    if config.is_limited:
        try:
            bound = limit(config)
        except Exception:  # The service is not ours, and may raise: the run tells of that.
            _log.exception("no limit can be computed")
        else:
            if math.isfinite(bound.throughput_rps):
                by = f"{bound.resource} of the {bound.host}"
                return {"limit_rps": bound.throughput_rps, "limit_by": by}
    return {"limit_rps": math.nan, "limit_by": ""}
