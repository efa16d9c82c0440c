"""Runs a suite through a backend, and keeps each result as soon as it is there.

What a folder holds already is not run again, unless it failed. A run that fails is a row with its
reason, and the sweep goes on.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol, Self

import msgspec
import pandas as pd

from experiments import environment, summarise
from experiments.errors import InputError, RunFailed
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
    nodes: int = 0
    """How many nodes of Ray the hosts lived on; none in virtual time."""

    @classmethod
    def failed(cls, reason: str) -> "Measured":
        """Make the result of a run that measured nothing; the outcome is `reason` in one line."""
        empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}
        return cls(" ".join(reason.split()), "", nodes=0, **empty)

    @classmethod
    def broken(cls, error: Exception) -> "Measured":
        """Make the result of a run in which we were at fault."""
        return cls.failed(f"internal error: {type(error).__name__}: {error}")

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: getattr(self, name) for name in TABLES}


class Ended(NamedTuple):
    """A run that has ended, and when it began: UTC, in ISO 8601; it took `wall_s` seconds."""

    run: Run
    measured: Measured
    started_at: str
    wall_s: float


class UnderWay:
    """A run that begins now."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._began_s = time.monotonic()

    def end(self, result: Callable[[], Measured]) -> Ended:
        """Return what came of the run: its result or, where there is none, the reason for that."""
        try:
            return self._ended(result())
        except Exception as error:  # A fault of ours in one run must not cost a night's other runs.
            return self.failed(error)

    def failed(self, error: Exception) -> Ended:
        """Return that the run failed, and why; called where `error` was caught."""
        if isinstance(error, RunFailed):
            return self._ended(Measured.failed(str(error)))
        _log.exception("run %s broke off", self.run.run_id)
        return self._ended(Measured.broken(error))

    def _ended(self, measured: Measured) -> Ended:
        return Ended(self.run, measured, self._started_at, time.monotonic() - self._began_s)


class Backend(Protocol):
    """What carries out runs, between entering and leaving it."""

    def __enter__(self) -> Self:
        """Get ready; raises RunFailed where no run could be done."""

    def __exit__(self, *_: object) -> None:
        """Stop everything that was started."""

    def carry_out(self, runs: Sequence[Run], begin: Callable[[Run], UnderWay]) -> Iterator[Ended]:
        """Yield each run as it ends, in any order; `begin` is called when it begins."""


def one_by_one(
    measure: Callable[[RunConfig, str], Measured],
    runs: Iterable[Run],
    begin: Callable[[Run], UnderWay],
) -> Iterator[Ended]:
    """Carry out runs one after the other: `measure` takes a configuration and a run_id.

    It raises RunFailed where it cannot.
    """
    for run in runs:
        yield begin(run).end(partial(measure, run.config, run.run_id))


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
    runs: Sequence[Run],
    *,
    backend: Backend,
    results: Recorder,
    observer: Observer,
) -> None:
    """Carry out `runs` of `suite`, recording each as it ends.

    A KeyboardInterrupt passes through; what was recorded by then is kept, and a run that has ended
    but was not recorded is not. Raises ResultsError where a result cannot be written.
    """
    provenance = environment.describe()

    def begin(run: Run) -> UnderWay:
        observer.started(run)
        return UnderWay(run)

    def keep(ended: Ended) -> Row:
        row = _row(suite, ended) | provenance
        results.record(row, ended.measured.tables)
        return row

    for ended in backend.carry_out(runs, begin):
        try:
            row = keep(ended)
        except InputError:  # Whoever runs this has to see to it first.
            raise
        except Exception as error:  # As in `UnderWay.end`.
            _log.exception("run %s cannot be kept", ended.run.run_id)
            row = keep(ended._replace(measured=Measured.broken(error)))
        observer.finished(ended.run, row)


def _row(suite: Suite, ended: Ended) -> Row:
    run, measured = ended.run, ended.measured
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
        "nodes": measured.nodes,
        "started_at": ended.started_at,
        "wall_s": ended.wall_s,
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
                by = f"{bound.resource} of {bound.host}"
                return {"limit_rps": bound.throughput_rps, "limit_by": by}
    return {"limit_rps": math.nan, "limit_by": ""}
