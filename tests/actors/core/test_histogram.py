"""The histogram keeps every percentile within 1%, and merging loses nothing."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.core.histogram import (
    BUCKETS,
    LATENCY_MAX_S,
    LATENCY_MIN_S,
    LatencyRecord,
    bucket_end_s,
    bucket_value_s,
    buckets_of,
    merge,
    percentile_s,
)

ERROR_MAX = 0.01

in_range = st.floats(-6, 2).map(lambda exponent: 10.0**exponent)
any_latency = st.floats(-1.0, 1e6)


def histogram(latencies_s: list[float]) -> np.ndarray:
    return np.bincount(buckets_of(np.array(latencies_s)), minlength=BUCKETS)


def nearest_rank(latencies_s: list[float], q: float) -> float:
    """Return the smallest latency that at least q percent of all do not exceed."""
    rank = max(1, math.ceil(q * len(latencies_s) / 100))
    return sorted(latencies_s)[rank - 1]


@given(st.lists(in_range, min_size=1, max_size=300), st.floats(0, 100))
@example([LATENCY_MIN_S], 50)
@example([LATENCY_MAX_S], 50)
def test_percentiles_are_within_one_percent_of_the_exact_ones(
    latencies_s: list[float], q: float
) -> None:
    exact = nearest_rank(latencies_s, q)
    assert abs(percentile_s(histogram(latencies_s), q) - exact) <= ERROR_MAX * exact


def test_every_bucket_edge_is_within_one_percent_of_its_value() -> None:
    """The edges are the worst case of the bound above."""
    edges_s = np.geomspace(LATENCY_MIN_S, LATENCY_MAX_S, BUCKETS + 1)
    latencies_s = np.concatenate([np.nextafter(edges_s[1:], 0), edges_s, edges_s[:-1] * (1 + 1e-9)])
    values_s = bucket_value_s(buckets_of(latencies_s))
    assert np.max(np.abs(values_s - latencies_s) / latencies_s) <= ERROR_MAX


def test_a_bucket_is_the_bucket_of_its_own_value() -> None:
    buckets = np.arange(BUCKETS)
    assert (buckets_of(bucket_value_s(buckets)) == buckets).all()


def test_a_bucket_ends_where_the_next_begins() -> None:
    ends_s = bucket_end_s(np.arange(BUCKETS))
    assert (buckets_of(ends_s * (1 - 1e-9)) == np.arange(BUCKETS)).all()
    assert (buckets_of(ends_s[:-1] * (1 + 1e-9)) == np.arange(1, BUCKETS)).all()


def test_latencies_out_of_range_count_in_the_outermost_buckets() -> None:
    outside = np.array([-1.0, 0.0, 1e-9, 100.1, 1e9, math.inf])
    assert buckets_of(outside).tolist() == [0, 0, 0, BUCKETS - 1, BUCKETS - 1, BUCKETS - 1]


@pytest.mark.parametrize(
    ("q", "rank"), [(0, 1), (0.1, 1), (0.11, 2), (50, 500), (99.9, 999), (100, 1000)]
)
def test_percentile_is_the_nearest_rank(q: float, rank: int) -> None:
    """Exactly 99.9% of a thousand is rank 999: rounding must not push it to the next."""
    counts = np.zeros(BUCKETS, np.int64)
    counts[:1000] = 1
    assert percentile_s(counts, q) == bucket_value_s(np.array([rank - 1]))[0]


def test_percentile_of_nothing_is_nan() -> None:
    assert math.isnan(percentile_s(np.zeros(BUCKETS, np.int64), 50))


@given(st.lists(any_latency), st.lists(any_latency))
def test_merging_histograms_equals_counting_together(one: list[float], other: list[float]) -> None:
    assert (histogram(one) + histogram(other) == histogram(one + other)).all()


frames = st.lists(
    st.tuples(st.floats(0, 2), st.lists(any_latency, min_size=1, max_size=20)), max_size=20
).map(lambda found: sorted(found, key=lambda frame: frame[0]))


def record_of(frames: list[tuple[float, list[float]]]) -> LatencyRecord:
    record = LatencyRecord(bin_s=0.1)
    for at_s, latencies_s in frames:
        record.record(np.array(latencies_s), at_s)
    return record


@given(frames)
def test_record_keeps_each_bins_completions_sum_and_buckets(
    frames: list[tuple[float, list[float]]],
) -> None:
    table = record_of(frames).table()
    together: dict[int, list[float]] = {}
    for at_s, latencies_s in frames:
        together.setdefault(int(at_s / 0.1), []).extend(latencies_s)
    for index, completed in enumerate(table.completed):
        latencies_s = together.pop(index, [])
        rows = table.bins == index
        assert len(latencies_s) == completed
        assert math.fsum(latencies_s) == pytest.approx(table.latency_sum_s[index])
        assert (histogram(latencies_s) == merge(table.buckets[rows], table.counts[rows])).all()
    assert together == {}


@given(frames)
def test_all_bins_merged_equal_one_histogram_of_all(
    frames: list[tuple[float, list[float]]],
) -> None:
    table = record_of(frames).table()
    every_latency = [latency_s for _, latencies_s in frames for latency_s in latencies_s]
    assert (merge(table.buckets, table.counts) == histogram(every_latency)).all()


@given(frames, st.integers(0, 20))
def test_a_table_from_some_bin_on_is_the_end_of_the_whole(
    frames: list[tuple[float, list[float]]], first: int
) -> None:
    record = record_of(frames)
    whole = record.table()
    first = min(first, len(whole.completed) - 1)
    table = record.table(first)
    later = whole.bins >= first
    for field in ("bins", "buckets", "counts"):
        assert (getattr(table, field) == getattr(whole, field)[later]).all()
    assert (table.completed == whole.completed[first:]).all()
    assert (table.latency_sum_s == whole.latency_sum_s[first:]).all()


def test_table_is_sparse() -> None:
    record = record_of([(0.05, [0.001] * 500), (10.05, [0.002, 0.003])])
    table = record.table()
    assert table.bins.tolist() == [0, 100, 100]
    assert table.counts.tolist() == [500, 1, 1]
    assert 101 == len(table.completed) == len(table.latency_sum_s)


def test_reading_the_table_does_not_disturb_the_record() -> None:
    record = record_of([(0.25, [0.001])])
    record.table()
    record.record(np.array([0.001, 0.002]), 0.26)
    table = record.table()
    assert table.completed.tolist() == [0, 0, 3]
    assert table.bins.tolist() == [2, 2]


def test_record_refuses_to_go_back_in_time() -> None:
    record = record_of([(0.25, [0.001])])
    with pytest.raises(AssertionError):
        record.record(np.array([0.001]), 0.15)
