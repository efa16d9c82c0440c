"""A meter stores the growth of counts and the state of gauges, one row a bin."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.messages import Executed, Propose
from actors.metering import Meter, MeterTable, rss_bytes


def quiet_meter(cpu_s: Callable[[], float] = lambda: 0.0) -> Meter:
    return Meter(bin_s=0.1, cpu_s=cpu_s, rss_bytes=lambda: 1000.0)


def column(table: MeterTable, name: str) -> list[float]:
    return table.rows[:, table.columns.index(name)].tolist()


def test_messages_are_counted_by_type_direction_and_reach() -> None:
    meter = quiet_meter()
    meter.sent(Propose, 100, False)
    meter.sent(Propose, 50, False)
    meter.received(Executed, 7, True)
    meter.sample(0.1, {}, {})
    table = meter.table()
    assert column(table, "network_messages_out.Propose") == [2]
    assert column(table, "network_bytes_out.Propose") == [150]
    assert column(table, "local_messages_in.Executed") == [1]
    assert column(table, "local_bytes_in.Executed") == [7]
    assert not [name for name in table.columns if name.startswith("network_messages_in")]


def test_counts_are_stored_as_growth_and_gauges_as_they_are() -> None:
    meter = quiet_meter()
    meter.sample(0.1, {"queue": 5}, {"batches": 10})
    meter.sample(0.2, {"queue": 3}, {"batches": 15})
    table = meter.table()
    assert column(table, "queue") == [5, 3]
    assert column(table, "batches") == [10, 5]
    assert column(table, "rss_bytes") == [1000, 1000]


def test_cpu_is_counted_from_the_making_of_the_meter() -> None:
    readings = iter([10.0, 10.25, 11.0])
    meter = quiet_meter(lambda: next(readings))
    meter.sample(0.1, {}, {})
    meter.sample(0.2, {}, {})
    assert column(meter.table(), "cpu_s") == [0.25, 0.75]


def test_names_that_appear_later_are_absent_before() -> None:
    """A count was zero before, a gauge was not measured."""
    meter = quiet_meter()
    meter.sample(0.1, {}, {})
    meter.sent(Propose, 100, False)
    meter.sample(0.2, {"queue": 1}, {"batches": 2})
    meter.sample(0.3, {}, {"batches": 2})
    table = meter.table()
    assert column(table, "network_messages_out.Propose") == [0, 1, 0]
    assert column(table, "batches") == [0, 2, 0]
    assert np.array_equal(column(table, "queue"), [math.nan, 1, math.nan], equal_nan=True)


def test_a_row_after_skipped_bins_holds_the_work_of_all_of_them() -> None:
    meter = quiet_meter()
    meter.sample(0.101, {}, {"batches": 1})
    meter.sample(0.45, {}, {"batches": 9})
    table = meter.table()
    assert column(table, "bin") == [1, 4]
    assert column(table, "time_s") == [0.101, 0.45]
    assert column(table, "batches") == [1, 8]


def test_two_samples_in_one_bin_make_one_row() -> None:
    meter = quiet_meter()
    meter.sample(0.11, {"queue": 1}, {"batches": 1})
    meter.sample(0.19, {"queue": 2}, {"batches": 3})
    table = meter.table()
    assert column(table, "bin") == [1]
    assert column(table, "time_s") == [0.19]
    assert column(table, "queue") == [2]
    assert column(table, "batches") == [3]


def test_a_timer_that_fires_a_little_early_closes_the_bin_it_was_set_for() -> None:
    """Event loops fire up to a millisecond early."""
    meter = quiet_meter()
    for number in range(1, 1001):
        meter.sample(0.1 * number - 0.000_9 * (number % 2), {}, {})
    assert column(meter.table(), "bin") == list(range(1, 1001))


@given(
    st.lists(st.floats(0, 3), min_size=1).map(sorted),
    st.lists(st.integers(0, 1000), min_size=1),
)
def test_no_message_is_lost_whatever_the_times_of_the_samples(
    times_s: list[float], sizes: list[int]
) -> None:
    """Merged and skipped bins move counts between rows; the sums stay."""
    meter = quiet_meter()
    for time_s in times_s:
        for size in sizes:
            meter.sent(Propose, size, True)
        meter.sample(time_s, {}, {})
    table = meter.table()
    sent = len(times_s) * len(sizes)
    assert sum(column(table, "local_messages_out.Propose")) == sent
    assert sum(column(table, "local_bytes_out.Propose")) == len(times_s) * sum(sizes)
    assert (np.diff(column(table, "bin")) > 0).all()


@given(st.lists(st.floats(0, 3), min_size=2).map(sorted), st.floats(-1, 4))
def test_growth_is_that_of_all_later_samples_but_of_the_first(
    times_s: list[float], after_s: float
) -> None:
    meter = quiet_meter()
    for number, time_s in enumerate(times_s):
        meter.sample(time_s, {"queue": number}, {"batches": number, f"from.{number}": 1})
    table, growth = meter.table(), meter.growth(after_s)
    times = np.array(column(table, "time_s"))
    counted = (times > after_s) & (np.arange(len(times)) > 0)
    if not counted.any():
        assert growth is None
        return
    assert growth is not None
    assert growth.since_s == times[np.flatnonzero(counted)[0] - 1]
    assert growth.until_s == times[-1]
    for name, count in growth.counts.items():
        assert count == pytest.approx(sum(np.array(column(table, name))[counted])), name
    assert growth.gauges["queue"] == len(times_s) - 1


def test_a_gauge_that_is_given_no_more_is_not_what_things_are_now() -> None:
    meter = quiet_meter()
    meter.sample(0.0, {"queue": 1, "view": 2}, {})
    meter.sample(0.1, {"view": True}, {})
    growth = meter.growth()
    assert growth is not None
    assert growth.gauges["view"] == 1.0
    assert "queue" not in growth.gauges


def test_a_meter_without_samples_has_no_rows() -> None:
    meter = quiet_meter()
    meter.sent(Propose, 1, False)
    table = meter.table()
    assert table.rows.shape == (0, len(table.columns))


def test_time_that_goes_back_is_refused() -> None:
    meter = quiet_meter()
    meter.sample(0.5, {}, {})
    with pytest.raises(AssertionError):
        meter.sample(0.3, {}, {})


def test_a_count_that_shrinks_is_refused() -> None:
    meter = quiet_meter()
    meter.sample(0.1, {}, {"batches": 2})
    meter.sample(0.2, {}, {"batches": 1})
    with pytest.raises(AssertionError, match="shrank"):
        meter.table()


def test_a_gauge_and_a_count_of_one_name_are_refused() -> None:
    meter = quiet_meter()
    meter.sample(0.1, {"batches": 1}, {"batches": 2})
    with pytest.raises(AssertionError, match="batches"):
        meter.table()


def test_default_meter_reads_this_process() -> None:
    meter = Meter()
    meter.sample(0.1, {}, {})
    table = meter.table()
    assert column(table, "cpu_s")[0] >= 0
    assert column(table, "rss_bytes")[0] > 1 << 20


def test_resident_memory_is_known_without_proc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from_proc = rss_bytes()
    monkeypatch.setattr("actors.metering._STATM", Path("/nonexistent/statm"))
    assert rss_bytes() == pytest.approx(from_proc, rel=0.1)
