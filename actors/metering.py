"""What one actor counts while it runs: messages, bytes, CPU, memory, queue lengths.

A meter is told of every message and is sampled about every `bin_s` seconds; each sample makes one
row. Timers are late at times, so a row says when it was taken: it covers the time from the row
before, and where bins were skipped it holds the work of all of them.
"""

import math
import os
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

_STATM = Path("/proc/self/statm")

_EARLY_BINS = 0.05
"""By how much of a bin a sample may come early: timers aim at its edge and may be 1 ms off."""

_TIME = 1
"""The column of a sample's time."""

Row = NDArray[np.float64]


def rss_bytes() -> float:
    """Return the resident memory of this process in bytes."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # Not Linux.
        return float(psutil.Process().memory_info().rss)


class MeterTable(NamedTuple):
    """Samples of one meter, a row each."""

    columns: tuple[str, ...]
    """`bin` and `time_s` of the sample, then gauges, then counts since the row before."""
    rows: NDArray[np.float64]
    """Shape (samples, columns); nan where a gauge was not given, 0 where a count was not."""


class Growth(NamedTuple):
    """What one actor counted from one sample to another; times are those of the run."""

    since_s: float
    until_s: float
    counts: dict[str, float]
    gauges: dict[str, float]
    """As they stood at the end; without those that were not given."""


class Meter:
    """Counts of one actor in bins of `bin_s` seconds, from the moment it is made.

    `cpu_s` returns the CPU seconds used so far, `rss_bytes` the memory held now.
    """

    def __init__(
        self,
        bin_s: float = 0.1,
        *,
        cpu_s: Callable[[], float] = time.process_time,
        rss_bytes: Callable[[], float] = rss_bytes,
    ) -> None:
        self._bin_s = bin_s
        self._cpu_s = cpu_s
        self._rss_bytes = rss_bytes
        self._sent = _tallies(), _tallies()
        self._received = _tallies(), _tallies()
        # Keys are columns in the order in which they were first seen: earlier rows are shorter.
        self._gauges: dict[str, float] = {}
        self._totals = {"cpu_s": cpu_s()}
        self._gauge_rows: list[Row] = []
        self._total_rows = [_row(self._totals)]

    def sent(self, message_type: type, size: int, local: bool) -> None:
        """Count a message of `size` bytes that leaves; `local` if it stays on its host."""
        tally = self._sent[local][message_type]
        tally[0] += 1
        tally[1] += size

    def received(self, message_type: type, size: int, local: bool) -> None:
        """Count a message of `size` bytes that arrives; `local` if it comes from its host."""
        tally = self._received[local][message_type]
        tally[0] += 1
        tally[1] += size

    def sample(
        self, time_s: float, gauges: Mapping[str, float], counts: Mapping[str, float]
    ) -> None:
        """Close a bin, `time_s` after the start of the run; never goes back.

        `gauges` are kept as they are; of `counts`, which only ever grow, the growth is kept. A
        second sample in one bin replaces the first, and nothing is lost by it but its gauges.
        """
        bin_number = math.floor(time_s / self._bin_s + _EARLY_BINS)
        if self._gauge_rows and self._gauge_rows[-1][0] >= bin_number:
            assert self._gauge_rows[-1][_TIME] <= time_s, (self._gauge_rows[-1][_TIME], time_s)
            del self._gauge_rows[-1], self._total_rows[-1]
        now = {"bin": float(bin_number), "time_s": time_s, "rss_bytes": self._rss_bytes()}
        self._gauges = {**dict.fromkeys(self._gauges, math.nan), **now, **gauges}
        self._totals |= {"cpu_s": self._cpu_s(), **counts}
        self._totals.update(self._message_totals())
        self._gauge_rows.append(_row(self._gauges))
        self._total_rows.append(_row(self._totals))

    def table(self) -> MeterTable:
        """Return every sample."""
        gauges = _padded(self._gauge_rows, len(self._gauges), math.nan)
        counts = np.diff(_padded(self._total_rows, len(self._totals), 0.0), axis=0)
        assert (counts >= 0).all(), "a count shrank"
        columns = (*self._gauges, *self._totals)
        assert len(set(columns)) == len(columns), f"a gauge and a count share a name: {columns}"
        return MeterTable(columns, np.hstack((gauges, counts)))

    def growth(self, after_s: float = -math.inf) -> Growth | None:
        """Return what samples later than `after_s` counted, None if there are none.

        The first sample of all is the zero of the counts, and does not count.
        """
        before = bisect_right(self._gauge_rows, after_s, key=lambda row: float(row[_TIME]))
        before = max(before, 1)
        if before >= len(self._gauge_rows):
            return None
        since, until = self._gauge_rows[before - 1], self._gauge_rows[-1]
        # What was first counted later stands at the end of the totals.
        were = chain(map(float, self._total_rows[before]), repeat(0.0))
        counts = {
            name: float(total) - was
            for (name, total), was in zip(self._totals.items(), were, strict=False)
        }
        gauges = {name: float(now) for name, now in self._gauges.items() if not math.isnan(now)}
        return Growth(float(since[_TIME]), float(until[_TIME]), counts, gauges)

    def _message_totals(self) -> Iterator[tuple[str, float]]:
        for direction, both in (("in", self._received), ("out", self._sent)):
            for reach, tallies in zip(("network", "local"), both, strict=True):
                for message_type, (messages, size) in tallies.items():
                    yield f"{reach}_messages_{direction}.{message_type.__name__}", messages
                    yield f"{reach}_bytes_{direction}.{message_type.__name__}", size


def _tallies() -> defaultdict[type, list[int]]:
    """Return an empty table of [messages, bytes] by message type."""
    return defaultdict(lambda: [0, 0])


def _row(values: Mapping[str, float]) -> Row:
    return np.fromiter(values.values(), np.float64, len(values))


def _padded(rows: list[Row], columns: int, absent: float) -> NDArray[np.float64]:
    """Return the rows as a matrix, with `absent` where a row is too short."""
    matrix = np.full((len(rows), columns), absent)
    for number, row in enumerate(rows):
        matrix[number, : len(row)] = row
    return matrix
