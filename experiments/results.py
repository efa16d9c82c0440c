"""A result folder: one row a run, and each run's measurements over time.

    suite.toml                   the suite as it was run last, overrides included
    runs.parquet                 one row a run
    timeline/<run_id>.parquet    what the clients saw: a row each fleet and bin
    latency/<run_id>.parquet     their latency histograms: a row each fleet, bin and bucket
    service/<run_id>.parquet     the same since requests were sent, of open-loop clients
    counters/<run_id>.parquet    what each actor counted: a row each actor and bin
    events/<run_id>.parquet      the faults that took effect, and what they led to: a row each

While a sweep goes on there is a progress.json, too: see `experiments.progress`.

A run's row is written last and at once (to another file, which then takes the name), so that a run
is either there with all its tables or not there. A run is finished if its row says "ok".
"""

import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.errors import InputError
from experiments.progress import is_of_progress
from experiments.spec import RunConfig, Suite
from experiments.summarise import LIMIT, MEASURES

RUNS_FILE = "runs.parquet"

TIMELINE_COLUMNS = {
    "fleet": int,
    "bin": int,
    "time_s": float,
    "completed": int,
    "retried": int,
    "outstanding": int,
    "waiting": int,
    "latency_ms_sum": float,
}
LATENCY_COLUMNS: Mapping[str, type[int | float | str]] = {
    "fleet": int,
    "bin": int,
    "bucket": int,
    "count": int,
}
COUNTERS_COLUMNS = {"actor": str, "role": str, "host": int, "bin": int, "time_s": float}
"""The columns that every run has; what an actor counts comes after them."""
EVENTS_COLUMNS = {"time_s": float, "event": str, "target": str, "detail": str}

TABLES: Mapping[str, Mapping[str, type[int | float | str]]] = {
    "timeline": TIMELINE_COLUMNS,
    "latency": LATENCY_COLUMNS,
    "service": LATENCY_COLUMNS,
    "counters": COUNTERS_COLUMNS,
    "events": EVENTS_COLUMNS,
}

_RESULT = (
    "outcome",
    "safety",
    "throughput_rps",
    "latency_ms_mean",
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_p999",
)
_POINT = ("protocol", "replicas", "clients")
FIRST_COLUMNS = ("suite", *_POINT, "repeat", "seed", *_RESULT)
CONFIGURATION_COLUMNS = tuple(
    key for key in RunConfig.__struct_fields__ if key not in FIRST_COLUMNS
)
"""How runs.parquet begins; measurements and provenance come after these."""

_LATER_COLUMNS = (
    *("run_id", *LIMIT, *MEASURES, "completed", "retried", "unavailability_s", "recovery_s"),
    *("in_flight_first_third", "in_flight_last_third", "dropped", "cpu_cores_busiest_fleet"),
    *("nodes", "started_at", "wall_s", "cpu_model", "cores", "memory_bytes", "os", "commit"),
)
_TEXTS = {
    *(key for key, value in msgspec.structs.asdict(RunConfig()).items() if isinstance(value, str)),
    *(
        "suite",
        "outcome",
        "safety",
        "limit_by",
        "run_id",
        "started_at",
        "cpu_model",
        "os",
        "commit",
    ),
}
RUNS_COLUMNS: Mapping[str, type[float | str]] = {
    key: str if key in _TEXTS else float
    for key in (*FIRST_COLUMNS, *CONFIGURATION_COLUMNS, *_LATER_COLUMNS)
}
"""The columns of runs.parquet that readers rely on; those of numbers may also be whole."""

_NEVER_MISSING = {*_TEXTS, *_POINT, "repeat", "seed", *CONFIGURATION_COLUMNS}
"""All others were measured, and are nan where there was nothing to measure."""

_RUN_ID = re.compile(r"[\w-]+", re.ASCII)
"""It becomes the name of a file, and must not lead elsewhere."""

_OTHER_VERSION = (
    "written by another version (read it with that one, or run the suite into a new folder)"
)

Row = dict[str, Any]


class ResultsError(InputError):
    """A result folder cannot be read or written; the message says why in one line."""


def runs(folder: Path) -> pd.DataFrame:
    """Return the table of runs, one row each, at least one; raises ResultsError."""
    if not os.path.isfile(runs_path(folder)):
        raise ResultsError(f"{folder}: no results here (no {RUNS_FILE})")
    table: pd.DataFrame = _read(folder, runs_path(folder)).to_pandas()
    wrong = next(_wrong_columns(table), None)
    if wrong:
        raise ResultsError(f"{runs_path(folder)}: {wrong}")
    if table.empty:
        raise ResultsError(f"{folder}: no results here yet")
    return table


def _wrong_columns(table: pd.DataFrame) -> Iterator[str]:
    """Say of each column that readers rely on what is wrong with it."""
    for key, kind in RUNS_COLUMNS.items():
        if key not in table:
            # The first columns and run_id have always been there.
            is_ours = key not in FIRST_COLUMNS and "run_id" in table
            what = _OTHER_VERSION if is_ours else "not a table of runs"
            yield f"{what}: lacks the column {key}"
        elif not _holds(table[key], kind):
            yield f"not a table of runs: the column {key} must hold {_KINDS[kind]}"
        elif key in _NEVER_MISSING and not _is_whole(table[key]):
            yield f"not a table of runs: the column {key} lacks values"
        elif key == "run_id" and not table[key].map(_RUN_ID.fullmatch).notna().all():
            yield "not a table of runs: a run_id is no plain name"


_KINDS = {str: "text", float: "numbers", int: "whole numbers"}


def _holds(column: "pd.Series[Any]", kind: type[int | float | str]) -> bool:
    types = pd.api.types
    fits = {str: types.is_string_dtype, float: types.is_numeric_dtype, int: types.is_integer_dtype}
    return bool(fits[kind](column))


def _is_whole(column: "pd.Series[Any]") -> bool:
    """Say whether a column has a value in each row, and a finite one where they are numbers."""
    is_number = pd.api.types.is_numeric_dtype(column)
    return bool((np.isfinite(column) if is_number else column.notna()).all())


def runs_path(folder: Path) -> Path:
    """Return where the table of runs is."""
    return folder / RUNS_FILE


def timeline(folder: Path, run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return what the clients saw over time, in all runs or in some; raises ResultsError."""
    return _table(folder, "timeline", run_ids)


def latency(folder: Path, run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the latency histograms of all runs or of some, in `actors.core.histogram`'s buckets.

    Raises ResultsError.
    """
    return _table(folder, "latency", run_ids)


def service(folder: Path, run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the same of open-loop clients, since requests were sent; raises ResultsError."""
    return _table(folder, "service", run_ids)


def counters(folder: Path, run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return what the actors counted over time, in all runs or in some.

    It is nan where one counts no such thing. Raises ResultsError.
    """
    return _table(folder, "counters", run_ids)


def events(folder: Path, run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the faults that took effect and what they led to, in all runs or in some.

    Raises ResultsError.
    """
    return _table(folder, "events", run_ids)


def _table(folder: Path, name: str, run_ids: Iterable[str] | None) -> pd.DataFrame:
    run_ids = runs(folder)["run_id"] if run_ids is None else run_ids
    parts = [_read(folder, _table_path(folder, name, run_id)) for run_id in run_ids]
    if not parts:
        return pd.DataFrame(columns=["run_id", *TABLES[name]])
    try:
        joined = pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise ResultsError(f"{folder / name}: tables do not match: {_line(error)}") from error
    table: pd.DataFrame = joined.to_pandas()
    columns = {"run_id": str, **TABLES[name]}
    for key in dict.fromkeys([*columns, *table]):
        kind = columns.get(key, float)  # What an actor counts.
        if key not in table or not _holds(table[key], kind):
            reason = f"the column {key} must be there and hold {_KINDS[kind]}"
            raise ResultsError(f"{folder / name}: not a table of results: {reason}")
    return table


def _read(folder: Path, path: Path) -> pa.Table:
    """Read one of the tables of a folder; links that lead out of that are not followed."""
    if not is_below(path, folder):
        raise ResultsError(f"{path}: cannot be read: leads out of the folder of its results")
    if path.exists() and not path.is_file():  # To open a named pipe is to wait for its writer.
        raise ResultsError(f"{path}: cannot be read: not a file")
    try:
        with path.open("rb") as file:
            return pq.ParquetFile(file).read()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror or _line(error)}") from error
    except pa.ArrowException as error:
        raise ResultsError(f"{path}: not a result table: {_line(error)}") from error


class ResultsWriter:
    """The one writer of a result folder, from `with` to its end.

    Entering makes the folder where needed. Raises ResultsError where the folder cannot be written,
    belongs to another writer, or holds something else.
    """

    def __init__(self, folder: Path, suite: Suite) -> None:
        self.folder = folder
        self._suite = suite
        self._lock = -1
        self._runs = pa.table({"run_id": pa.array([], pa.string())})

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY)
            self._open()
        except OSError as error:
            self._close()
            raise ResultsError(f"{self.folder}: cannot be written: {error.strerror}") from error
        except ResultsError:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def rows(self) -> dict[str, Row]:
        """Return the row of each run that has one, by run_id."""
        return {row["run_id"]: row for row in _rows(self._runs.to_pandas())}

    def record(self, row: Row, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write a run's tables (those of `TABLES`, without run_id), then its row.

        Takes the place of an earlier row of that run_id. Raises ResultsError.
        """
        run_id = row["run_id"]
        try:
            files = {}
            for name, columns in TABLES.items():
                table = tables[name]
                assert list(table.columns[: len(columns)]) == list(columns), table.columns
                table = table.astype(columns).copy()  # In one piece: pandas warns of many.
                table.insert(0, "run_id", run_id)
                files[_table_path(self.folder, name, run_id)] = _parquet(_arrow(table))
            _replace_files(files)
            self._write_runs(self._with_rows(pd.DataFrame([row])))
        except OSError as error:
            raise ResultsError(f"{self.folder}: cannot be written: {error.strerror}") from error

    def adopt(self, folder: Path) -> int:
        """Take over the runs that another folder of this suite holds with all their tables.

        They are moved, and take the place of earlier ones; but what is finished here is left as it
        is. Returns how many were taken; raises ResultsError.
        """
        if not runs_path(folder).is_file():
            return 0
        there = [{path.stem for path in (folder / name).glob("*.parquet")} for name in TABLES]
        whole = set.intersection(*there)
        fetched = self._read_runs(folder)
        finished = {run_id for run_id, row in self.rows().items() if row["outcome"] == "ok"}
        fetched = fetched[fetched["run_id"].isin(whole - finished)]
        if fetched.empty:
            return 0
        table = self._with_rows(fetched)
        try:
            for name, run_id in itertools.product(TABLES, fetched["run_id"]):
                path = _table_path(self.folder, name, run_id)
                # It may come from another file system, and moving it may stop halfway.
                fresh = _fresh(path)
                shutil.move(_table_path(folder, name, run_id), fresh)
                fresh.replace(path)
            os.sync()  # Once for all: no row may outlast a power cut that its tables do not.
            self._write_runs(table)
        except OSError as error:
            raise ResultsError(f"{self.folder}: cannot be written: {error.strerror}") from error
        return len(fetched)

    def _with_rows(self, rows: pd.DataFrame) -> pa.Table:
        """Return the table of runs with rows in the place of earlier ones of these runs.

        Of those only the run_id is looked at: a long sweep writes them thousands of times. Raises
        ResultsError where the rows are of another kind.
        """
        try:
            fresh, before = _arrow(rows), self._runs
            parts = [fresh.slice(0, 0), before, fresh]  # Columns as in the first.
            both = pa.concat_tables(parts, promote_options="permissive")
        except pa.ArrowException as error:
            reason = f"rows do not match those that are there: {_line(error)}"
            raise ResultsError(f"{runs_path(self.folder)}: {reason}") from error
        # The last row of each run, where its first one stood.
        places = {run_id: index for index, run_id in enumerate(both["run_id"].to_pylist())}
        return both.take(list(places.values())).combine_chunks()

    def _write_runs(self, table: pa.Table) -> None:
        replace_file(runs_path(self.folder), _parquet(table))
        self._runs = table

    def _open(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResultsError(f"{self.folder}: another sweep is writing here") from error
        suite_path = self.folder / "suite.toml"
        others = [path for path in self.folder.iterdir() if not is_of_progress(path.name)]
        if others and not suite_path.is_file():
            reason = "holds other files and no results; choose a new folder"
            raise ResultsError(f"{self.folder}: {reason}")
        if runs_path(self.folder).is_file():
            self._runs = _arrow(self._read_runs(self.folder))
        replace_file(suite_path, self._suite.to_toml().encode())
        for name in TABLES:
            (self.folder / name).mkdir(exist_ok=True)

    def _read_runs(self, folder: Path) -> pd.DataFrame:
        """Read the table of runs of a folder of this suite; raises ResultsError for another's."""
        table = runs(folder)
        suites = set(table["suite"]) - {self._suite.name}
        if suites:
            reason = f"holds results of the suite {suites.pop()}, not of {self._suite.name}"
            raise ResultsError(f"{folder}: {reason}; choose another folder")
        return table

    def _close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _rows(table: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _arrow(table: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that, whatever stops us, its name stands for all of the old or the new."""
    _replace_files({path: content})


def _replace_files(contents: Mapping[Path, bytes]) -> None:
    """Write files so that the name of each stands for all of the old or the new.

    The names change one after the other, and reach the disk together: the first folder that is
    synced mostly takes the others along.
    """
    for path, content in contents.items():
        with _fresh(path).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for path in contents:
        _fresh(path).replace(path)
    for folder in dict.fromkeys(path.parent for path in contents):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fresh(path: Path) -> Path:
    """Return where to write what is to take the name of a file."""
    return path.with_name(f"{path.name}.new")


def is_below(path: Path, folder: Path) -> bool:
    """Say whether a path leads to somewhere below a folder, wherever links on the way may lead."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _table_path(folder: Path, name: str, run_id: str) -> Path:
    return folder / name / f"{run_id}.parquet"


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
