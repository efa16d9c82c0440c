"""The result folders below a root: found, read once, read again when they have changed.

Only folders that were found here can be read, by their names: no name leads out of the root.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pandas as pd

from experiments import results, summarise
from experiments.results import ResultsError

RUNS_FILE = "runs.parquet"
SCORECARD = "scorecard.json"
DEPTH_MAX = 3
"""How far below the root folders are looked for: a reproduction's suites lie two levels down."""


class Folder(NamedTuple):
    """A result folder: its name, relative to the root, and why it cannot be read, if so."""

    name: str
    problem: str = ""


class _Read(NamedTuple):
    stamp: tuple[int, int]
    runs: pd.DataFrame
    points: pd.DataFrame


class Library:
    """The result folders below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, _Read] = {}
        self._lock = Lock()  # Requests are served by several threads.

    def folders(self) -> list[Folder]:
        """Return all folders that hold results, the latest first, and what is wrong with them."""
        found = sorted(self._paths(), key=lambda path: path.stat().st_mtime, reverse=True)
        return [self._folder(path.parent) for path in found]

    def runs(self, names: Iterable[str]) -> pd.DataFrame:
        """Return the runs of folders, with their `folder`; those that cannot be read are left out.

        Without any: an empty table without columns.
        """
        return _joined((name, self._read(name).runs) for name in self._readable(names))

    def points(self, names: Iterable[str]) -> pd.DataFrame:
        """Return the same of the points that `experiments.summarise.summary` makes of them."""
        return _joined((name, self._read(name).points) for name in self._readable(names))

    def path(self, name: str) -> Path:
        """Return where a folder is; raises ResultsError for a name that is none of `folders`."""
        if all(self._name(path.parent) != name for path in self._paths()):
            raise ResultsError(f"{name}: no result folder of that name")
        return self.root / name

    def reproductions(self) -> list[str]:
        """Return the names of the folders with a reproduction's scorecard, the latest first."""
        found = [path for path, files in self._walk() if SCORECARD in files]
        found.sort(key=lambda path: (path / SCORECARD).stat().st_mtime, reverse=True)
        return list(map(self._name, found))

    def reproduction(self, name: str) -> Path:
        """Return where one is; raises ResultsError for a name that is none of them."""
        if name not in self.reproductions():
            raise ResultsError(f"{name}: no reproduction of that name")
        return self.root / name

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
        try:
            self._read(name)
        except ResultsError as error:
            return Folder(name, str(error))
        return Folder(name)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _readable(self, names: Iterable[str]) -> list[str]:
        there = {folder.name for folder in self.folders() if not folder.problem}
        return [name for name in names if name in there]

    def _read(self, name: str) -> _Read:
        folder = self.root / name
        try:
            status = (folder / RUNS_FILE).stat()
        except OSError as error:
            raise ResultsError(f"{folder}: cannot be read: {error.strerror}") from error
        stamp = status.st_mtime_ns, status.st_size
        with self._lock:
            known = self._known.get(name)
            if known is None or known.stamp != stamp:
                runs = results.runs(folder)
                known = self._known[name] = _Read(stamp, runs, summarise.summary(runs))
        return known


def _joined(parts: Iterable[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    tables = [table.assign(folder=name) for name, table in parts]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
