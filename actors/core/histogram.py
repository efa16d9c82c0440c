"""Latency histograms that merge by adding: every percentile is within 1% of the exact one.

Buckets are logarithmic: 1024 of them cover 1 microsecond to 100 seconds, each 1.8% wider than the
one before. A bucket stands for its geometric middle, which is within 0.91% of all that falls into
the bucket. Latencies outside of the range count in the first and the last bucket.
"""

from bisect import bisect_left
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LATENCY_MIN_S = 1e-6
LATENCY_MAX_S = 100.0
BUCKETS = 1024

_BUCKETS_PER_E = BUCKETS / float(np.log(LATENCY_MAX_S / LATENCY_MIN_S))
_FIRST = float(np.log(LATENCY_MIN_S)) * _BUCKETS_PER_E
_MIDDLES_S: NDArray[np.float64] = np.exp((np.arange(BUCKETS) + 0.5 + _FIRST) / _BUCKETS_PER_E)
_ENDS_S: NDArray[np.float64] = np.exp((np.arange(BUCKETS) + 1 + _FIRST) / _BUCKETS_PER_E)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Buckets = NDArray[np.intp]


def buckets_of(latencies_s: Floats) -> Buckets:
    """Return the bucket of each latency, clamped to the first and the last one."""
    positions = np.log(np.maximum(latencies_s, LATENCY_MIN_S))
    positions *= _BUCKETS_PER_E
    positions -= _FIRST
    return np.minimum(positions, BUCKETS - 1).astype(np.intp)


def bucket_value_s(buckets: NDArray[np.integer]) -> Floats:
    """Return the latency that each bucket stands for: its geometric middle, in seconds."""
    return np.take(_MIDDLES_S, buckets)


def bucket_end_s(buckets: NDArray[np.integer]) -> Floats:
    """Return the latency, in seconds, that all latencies of each bucket are below."""
    return np.take(_ENDS_S, buckets)


def merge(buckets: NDArray[np.integer], counts: Counts) -> Counts:
    """Add up sparse (bucket, count) rows of any bins, fleets or runs; shape (BUCKETS,)."""
    merged = np.zeros(BUCKETS, np.int64)
    np.add.at(merged, buckets, counts)
    return merged


def percentile_s(counts: Counts, q: float) -> float:
    """Return the nearest-rank percentile `q` (0 to 100) of `counts`, shape (BUCKETS,), in seconds.

    nan where nothing was counted.
    """
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if total == 0:
        return float("nan")
    rank = max(1, int(np.ceil(q * total / 100)))
    return float(_MIDDLES_S[np.searchsorted(cumulative, rank)])


class LatencyTable(NamedTuple):
    """What a `LatencyRecord` holds from some bin on: sparse buckets, and the totals of each bin."""

    bins: NDArray[np.int32]
    """Bin of each sparse row, counted from 0, ascending; shape (rows,)."""
    buckets: NDArray[np.int32]
    """Bucket of each sparse row, ascending within a bin; shape (rows,)."""
    counts: Counts
    """Latencies in that bin and bucket, at least 1; shape (rows,)."""
    completed: Counts
    """Latencies of each bin, 0 in the gaps; shape (bins,)."""
    latency_sum_s: Floats
    """Sum of the unrounded latencies of each bin; shape (bins,)."""


class _Bin(NamedTuple):
    number: int
    latency_sum_s: float
    buckets: NDArray[np.int32]
    counts: Counts


class LatencyRecord:
    """Latencies over time, in bins of `bin_s` seconds; what one fleet keeps of a run."""

    def __init__(self, bin_s: float = 0.1) -> None:
        self._bin_s = bin_s
        self._finished: list[_Bin] = []
        self._open_number = 0
        self._latency_sum_s = 0.0
        self._counts = np.zeros(BUCKETS, np.int64)

    def record(self, latencies_s: Floats, at_s: float) -> None:
        """Add latencies that were all measured `at_s` seconds after the origin; never goes back."""
        number = int(at_s / self._bin_s)
        if number != self._open_number:
            self._open(number)
        self._counts += np.bincount(buckets_of(latencies_s), minlength=BUCKETS)
        self._latency_sum_s += float(latencies_s.sum())

    def table(self, first: int = 0) -> LatencyTable:
        """Return what was recorded in the bins from `first` on, the one still open included.

        `first` is not later than that one.
        """
        assert first <= self._open_number, (first, self._open_number)
        begin = bisect_left(self._finished, first, key=lambda each: each.number)
        bins = [*self._finished[begin:], self._sparse()]
        completed = np.zeros(bins[-1].number + 1 - first, np.int64)
        latency_sum_s = np.zeros(len(completed))
        for each in bins:
            completed[each.number - first] = each.counts.sum()
            latency_sum_s[each.number - first] = each.latency_sum_s
        rows = [len(each.buckets) for each in bins]
        return LatencyTable(
            bins=np.repeat(np.array([each.number for each in bins], np.int32), rows),
            buckets=np.concatenate([each.buckets for each in bins]),
            counts=np.concatenate([each.counts for each in bins]),
            completed=completed,
            latency_sum_s=latency_sum_s,
        )

    def _open(self, number: int) -> None:
        assert number > self._open_number, (number, self._open_number)
        self._finished.append(self._sparse())
        self._open_number = number
        self._latency_sum_s = 0.0
        self._counts[:] = 0

    def _sparse(self) -> _Bin:
        buckets = np.flatnonzero(self._counts)
        return _Bin(
            self._open_number,
            self._latency_sum_s,
            buckets.astype(np.int32),
            self._counts[buckets],
        )
