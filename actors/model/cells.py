"""Where the budget of a host is kept: within one process, or shared by processes of a machine.

Processes share a file that each of them maps into its memory. A lock on it makes a reservation
atomic; the operating system lifts the lock of a process that dies.
"""

import fcntl
import mmap
import os
from collections.abc import MutableSequence
from pathlib import Path
from typing import Protocol, Self, cast

FLOAT_BYTES = 8


class Cells(Protocol):
    """Numbers that the actors of one host share. Who has entered them is alone with them."""

    values: MutableSequence[float]

    def __enter__(self) -> Self:
        """Keep all others away."""

    def __exit__(self, *_: object) -> None:
        """Let the others in."""


class PrivateCells:
    """Cells of one process."""

    def __init__(self, count: int) -> None:
        self.values: MutableSequence[float] = [0.0] * count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class SharedCells:
    """Cells in a file, 0 at first: the same ones for everybody who names the same file."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, count * FLOAT_BYTES)
        self._memory = mmap.mmap(self._file, count * FLOAT_BYTES)
        self.values = cast(MutableSequence[float], memoryview(self._memory).cast("d"))

    def __enter__(self) -> Self:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
