"""The result folders below a root: found, read once, read again when they have changed.

Only what lies below the root can be read: no name leads out of it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import NamedTuple

import pandas as pd

from dashboards import faults
from dashboards.findings import Finding, findings
from experiments import progress, results, summarise
from experiments.evaluation import SCORECARD
from experiments.linter import COLUMNS, MIXED_FRAMES, PERCENTILE, lint, lint_between
from experiments.progress import PROGRESS_FILE, Progress
from experiments.results import RUNS_FILE, ResultsError, is_below

DEPTH_MAX = 3
"""How far below the root folders are looked for: a reproduction's suites lie two levels down."""

Stamp = tuple[int, int]
"""When a table of runs was written, and its size: another one has another stamp."""


class Folder(NamedTuple):
    """A result folder: its name, relative to the root, and why it cannot be read, if so.

    A name that is not UTF-8 is written with backslashes, and is a reason not to read it.
    """

    name: str
    problem: str = ""


class _Read:
    """What was read of a folder; what takes long is worked out when it is first asked for."""

    def __init__(self, folder: Path, stamp: Stamp) -> None:
        self.stamp = stamp
        self.runs = results.runs(folder)
        self._folder = folder
        self._linted: dict[str, pd.DataFrame] = {}

    @cached_property
    def points(self) -> pd.DataFrame:
        points = summarise.summary(self.runs)
        settings = points[[*summarise.POINT]].itertuples(index=False, name=None)
        return points.set_axis([_name_of(self._folder, each) for each in settings])

    def linted(self, percentile: str) -> pd.DataFrame:
        if percentile not in self._linted:
            self._linted[percentile] = lint(self.runs, percentile=percentile)
        return self._linted[percentile]

    @cached_property
    def findings(self) -> list[Finding]:
        shown = [run.row["run_id"] for run in faults.shown(self.runs)]
        return findings(self.runs, self.points, results.events(self._folder, shown))


class Library:
    """The result folders below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, _Read] = {}
        self._lock = Lock()  # Requests are served by several threads.

    def folders(self) -> list[Folder]:
        """Return all folders that hold results, the latest first, and what is wrong with them."""
        return [self._folder(path.parent) for path in _latest_first(self._paths())]

    def runs(self, names: Iterable[str]) -> pd.DataFrame:
        """Return the runs of folders, with their `folder`; those that cannot be read are left out.

        Without any: an empty table without columns.
        """
        return _joined(dict(self._readable(names)), lambda read: read.runs).reset_index(drop=True)

    def points(self, names: Iterable[str]) -> pd.DataFrame:
        """Return the same of the points that `experiments.summarise.summary` makes of them.

        The index names a point by its folder and settings: also when more runs have come.
        """
        return _joined(dict(self._readable(names)), lambda read: read.points)

    def unread(self, names: Iterable[str]) -> list[str]:
        """Say of each of these folders that has gone, or cannot be read, why."""
        return [problem for name in names if (problem := self._problem(name))]

    def findings(self, name: str) -> list[Finding]:
        """Return what the results of a folder say; raises ResultsError."""
        return self._read(name).findings

    def linted(self, names: Sequence[str], percentile: str = PERCENTILE) -> pd.DataFrame:
        """Return what the linter says of the runs of folders, with their `folder`.

        As `experiments.linter.lint` does of each folder by itself, since runs of two are no
        repeats of each other; only whether frames are mixed is asked of all of them together.
        """
        folders = dict(self._readable(names))  # Once: a folder may go at any moment.
        runs = _joined(folders, lambda read: read.runs).reset_index(drop=True)
        if runs.empty:
            return pd.DataFrame(columns=["folder", *COLUMNS])
        apart = _joined(folders, lambda read: read.linted(percentile))
        apart = apart[apart["rule"] != MIXED_FRAMES]
        return pd.concat([apart, lint_between(runs)], ignore_index=True)

    def path(self, name: str) -> Path:
        """Return where a result folder is; raises ResultsError where there is none of that name."""
        if not _is_text(name):
            raise ResultsError(f"{_shown(name)}: its name is not UTF-8")
        folder = self.root / name
        if not self._is_below(name) or not os.path.isfile(folder / RUNS_FILE):
            raise ResultsError(f"{name}: no result folder of that name")
        return folder

    def reproductions(self) -> list[str]:
        """Return the names of the folders with a reproduction's scorecard, the latest first."""
        found = (path / SCORECARD for path, files in self._walk() if SCORECARD in files)
        names = (self._name(path.parent) for path in _latest_first(found))
        return list(filter(_is_text, names))

    def reproduction(self, name: str) -> Path:
        """Return where one is; raises ResultsError where there is none, or it is not all there."""
        if name not in self.reproductions():
            raise ResultsError(f"{name}: no reproduction of that name")
        folder = self.root / name
        for path in (*folder.glob("*"), *folder.glob("*/*")):
            if path.is_symlink() and not is_below(path, self.root):
                raise ResultsError(f"{path}: cannot be read: leads out of {self.root}")
        return folder

    def sweeps(self) -> list[str]:
        """Return the names of the folders in which a sweep goes on, or was stopped by force."""
        names = (self._name(path) for path, files in self._walk() if PROGRESS_FILE in files)
        return list(filter(_is_text, names))

    def progress(self, name: str) -> Progress | None:
        """Return how far the sweep in a folder has come; None where there is none."""
        return progress.read(self.root / name) if self._is_below(name) else None

    def _is_below(self, name: str) -> bool:
        """Say whether `folders` could have come upon a name, without looking at all there are."""
        parts = PurePosixPath(name).parts
        paths = [self.root.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
        return (
            name == PurePosixPath(name).as_posix()
            and len(parts) <= DEPTH_MAX
            and not any(part.startswith((".", "/")) or "\0" in part for part in parts)
            and not any(map(os.path.islink, paths))  # False for a name that no file can have.
            and not any(os.path.isfile(path / RUNS_FILE) for path in [self.root, *paths][:-1])
        )

    def _paths(self) -> Iterator[Path]:
        for folder, files in self._walk():
            if RUNS_FILE in files:
                yield folder / RUNS_FILE

    def _walk(self) -> Iterator[tuple[Path, list[str]]]:
        for name, below, files in os.walk(self.root):
            folder = Path(name)
            if len(folder.relative_to(self.root).parts) == DEPTH_MAX or RUNS_FILE in files:
                below.clear()  # A result folder holds tables, no further results.
            below[:] = (each for each in below if not each.startswith("."))
            yield folder, files

    def _folder(self, path: Path) -> Folder:
        name = self._name(path)
        return Folder(_shown(name), self._problem(name))

    def _problem(self, name: str) -> str:
        try:
            self._read(name)
        except ResultsError as error:
            return str(error)
        return ""

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _readable(self, names: Iterable[str]) -> Iterator[tuple[str, _Read]]:
        for name in dict.fromkeys(names):
            try:
                yield name, self._read(name)
            except ResultsError:
                continue

    def _read(self, name: str) -> _Read:
        folder = self.path(name)
        try:
            status = (folder / RUNS_FILE).stat()
        except OSError as error:
            raise ResultsError(f"{folder}: cannot be read: {error.strerror}") from error
        stamp = status.st_mtime_ns, status.st_size
        with self._lock:
            known = self._known.get(name)
            if known is None or known.stamp != stamp:
                known = self._known[name] = _Read(folder, stamp)
        return known


def _is_text(name: str) -> bool:
    """Say whether a name is Unicode: that of a file may be any bytes, and no page could be sent."""
    return _shown(name) == name


def _shown(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _joined(folders: Mapping[str, _Read], table: Callable[[_Read], pd.DataFrame]) -> pd.DataFrame:
    tables = [table(read).assign(folder=name) for name, read in folders.items()]
    return pd.concat(tables) if tables else pd.DataFrame()


def _name_of(folder: Path, settings: tuple[object, ...]) -> str:
    return blake2b(repr((str(folder), settings)).encode(), digest_size=8).hexdigest()


def _latest_first(paths: Iterable[Path]) -> list[Path]:
    written_s = {}
    for path in paths:
        with suppress(OSError):  # It has gone since it was found, or is a link to nothing.
            written_s[path] = path.stat().st_mtime
    return sorted(written_s, key=lambda path: written_s[path], reverse=True)
