import math
from typing import get_args

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import faults
from actors.core import histogram
from experiments import summarise
from experiments.results import LATENCY_COLUMNS, TIMELINE_COLUMNS
from experiments.spec import RunConfig

CONFIG = RunConfig(warmup_s=0.2, duration_s=0.3)
"""Its window is the bins 2, 3 and 4."""

MILLISECOND, SECOND = (int(bucket) for bucket in histogram.buckets_of(np.array([1e-3, 1.0])))


def _timeline(completed: list[int], fleet: int = 0) -> pd.DataFrame:
    rows = [
        (fleet, each, (each + 1) * 0.1, count, each, 9, 0, 10.0 * count)
        for each, count in enumerate(completed)
    ]
    return pd.DataFrame(rows, columns=list(TIMELINE_COLUMNS))


def _latency(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(LATENCY_COLUMNS))


def _counters(*rows: tuple[int, int, float, int, float, float]) -> pd.DataFrame:
    """Make rows of (host, bin, cpu_s, leads, network_bytes_out, network_bytes_in).

    Each is the only row of an actor of its own.
    """
    columns = ["host", "bin", "cpu_s", "leads", "network_bytes_out", "network_bytes_in"]
    table = pd.DataFrame(list(rows), columns=columns)
    actors = [f"replica-{index}" for index in table.index]
    return table.assign(actor=actors, time_s=(table["bin"] + 1) * 0.1)


def test_cpu_is_shared_out_over_what_hosts_send_and_receive_in_the_window() -> None:
    """Each message counts at each host that has a hand in it, and the clients' work does not."""
    columns = ["actor", "host", "bin", "cpu_s", "network_messages_in.Ack", "local_messages_out.Ack"]
    rows = [
        ("replica-0", 0, 1, 9.0, 9, 9),  # Before the window.
        ("replica-0", 0, 2, 0.003, 10, 5),
        ("coordinator-0", 0, 3, 0.001, 0, 5),
        ("fleet-0", -1, 3, 9.0, 9, 9),
    ]
    table = pd.DataFrame(rows, columns=columns).assign(run_id="a")
    table["time_s"] = (table["bin"] + 1) * 0.1
    runs = pd.DataFrame({"run_id": ["a", "lost"], "warmup_s": 0.2, "duration_s": 0.3})
    found = summarise.host_us_per_message(runs, table)
    assert found.to_dict() == {"a": pytest.approx(4000 / 20)}


def _events(*rows: tuple[float, str]) -> pd.DataFrame:
    """Make rows of (time_s, event)."""
    table = pd.DataFrame(list(rows), columns=["time_s", "event"])
    return table.assign(target="host-0", detail="")


def _measure(
    config: RunConfig,
    timeline: pd.DataFrame,
    latency: pd.DataFrame,
    counters: pd.DataFrame,
    events: pd.DataFrame,
) -> dict[str, float]:
    """Measure a run of closed-loop clients."""
    tables = {"timeline": timeline, "latency": latency, "counters": counters, "events": events}
    return summarise.measure(config, service=_latency(), **tables)


NO_COUNTERS = _counters()
NO_EVENTS = _events()


def test_throughput_counts_the_window_alone() -> None:
    timeline = pd.concat(
        [_timeline([99, 99, 1, 2, 3, 99]), _timeline([99, 99, 10, 20, 30, 99], fleet=1)]
    )
    numbers = _measure(CONFIG, timeline, _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["completed"] == 66
    assert numbers["throughput_rps"] == pytest.approx(66 / 0.3)
    assert numbers["retried"] == 2 * (2 + 3 + 4)


def test_the_window_leaves_out_its_beginning_and_takes_in_its_end() -> None:
    times = pd.DataFrame({"time_s": [0.2, 0.1 + 0.2, 0.5000000001, 0.6]})
    inside = summarise.in_window(times, warmup_s=0.2, duration_s=0.3)
    assert list(inside["time_s"]) == [0.1 + 0.2, 0.5000000001]


def test_the_mean_weighs_every_request_alike() -> None:
    timeline = _timeline([0, 0, 1, 0, 3]).assign(latency_ms_sum=[0, 0, 8.0, 0, 4.0])
    numbers = _measure(CONFIG, timeline, _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["latency_ms_mean"] == 3.0


def test_percentiles_come_from_the_merged_histogram() -> None:
    """Of 100 requests, 96 take 1 ms and 4 take 1 s, in two fleets and two bins."""
    timeline = pd.concat([_timeline([50] * 6), _timeline([50] * 6, fleet=1)])
    latency = _latency(
        (0, 2, MILLISECOND, 50),
        (1, 3, MILLISECOND, 46),
        (1, 3, SECOND, 4),
        (0, 0, SECOND, 10_000),  # Warm-up.
        (1, 5, SECOND, 10_000),  # Cool-down.
    )
    numbers = _measure(CONFIG, timeline, latency, NO_COUNTERS, NO_EVENTS)
    assert numbers["latency_ms_p50"] == pytest.approx(1, rel=0.01)
    assert numbers["latency_ms_p95"] == pytest.approx(1, rel=0.01)
    assert numbers["latency_ms_p99"] == pytest.approx(1000, rel=0.01)
    assert numbers["latency_ms_p999"] == pytest.approx(1000, rel=0.01)


def test_nothing_completed_has_a_throughput_and_no_latency() -> None:
    numbers = _measure(CONFIG, _timeline([5, 5]), _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["throughput_rps"] == 0
    assert math.isnan(numbers["latency_ms_mean"])
    assert math.isnan(numbers["latency_ms_p50"])
    assert math.isnan(numbers["cpu_us_per_request"])


LONG = RunConfig(warmup_s=1.0, duration_s=6.0)
"""Its window is the bins 10 to 69."""


def _outages(
    completed: list[int], *events: tuple[float, str], fleets: int = 1
) -> tuple[float, float]:
    """Return unavailability and recovery of `LONG`, if its window has these replies and events.

    `completed` are the replies of each bin of the window; `events` are in seconds since it began.
    """
    parts = [_timeline([100] * 10 + completed + [100] * 9, fleet) for fleet in range(fleets)]
    since = _events(*((LONG.warmup_s + time_s, event) for time_s, event in events))
    numbers = _measure(LONG, pd.concat(parts), _latency(), NO_COUNTERS, since)
    return numbers["unavailability_s"], numbers["recovery_s"]


def test_the_longest_gap_in_the_replies_of_all_fleets_is_the_unavailability() -> None:
    unavailability_s, _ = _outages([9] * 10 + [0] * 3 + [1] + [0] * 7 + [9] * 39)
    assert unavailability_s == 0.7


def test_while_one_fleet_is_answered_there_is_no_gap() -> None:
    """The second fleet has no rows after its last reply, as one that was killed."""
    timeline = pd.concat([_timeline([1] * 80), _timeline([1] * 20, fleet=1)])
    numbers = _measure(LONG, timeline, _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["unavailability_s"] == 0


def test_a_gap_that_lasts_to_the_end_counts_though_the_timeline_ends_before() -> None:
    numbers = _measure(LONG, _timeline([1] * 50), _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["unavailability_s"] == 2.0


def test_a_gap_outside_of_the_window_does_not_count() -> None:
    timeline = _timeline([0] * 10 + [1] * 60)
    numbers = _measure(LONG, timeline, _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["unavailability_s"] == 0


def test_recovery_lasts_until_a_second_has_90_percent_of_the_throughput_before() -> None:
    """The second after 0.7 s without replies has 90% if half of it is at 80%, not if at 70%."""
    killed = [100] * 20 + [0] * 7 + [80] * 5 + [100] * 28
    assert _outages(killed, (2.0, "kill")) == (0.7, pytest.approx(0.7))
    slower = [100] * 20 + [0] * 7 + [70] * 5 + [100] * 28
    assert _outages(slower, (2.0, "kill")) == (0.7, pytest.approx(0.9))


def test_recovery_begins_with_the_fault_and_not_with_its_bin() -> None:
    killed = [100] * 20 + [50] + [0] * 7 + [100] * 32
    assert _outages(killed, (2.05, "kill"))[1] == pytest.approx(0.75)


def test_a_burst_after_a_gap_does_not_make_the_gap_shorter() -> None:
    """Half a second into the gap, the following second already has 90% of the throughput."""
    open_loop = [100] * 20 + [0] * 10 + [190] * 10 + [100] * 20
    assert _outages(open_loop, (2.0, "pause"))[1] == pytest.approx(1.0)


def test_where_the_throughput_never_falls_there_is_nothing_to_wait_for() -> None:
    assert _outages([100] * 60, (2.05, "kill")) == (0.0, 0.0)


def test_a_throughput_that_is_never_back_has_no_recovery() -> None:
    assert math.isnan(_outages([100] * 20 + [0] * 5 + [80] * 35, (2.0, "kill"))[1])


def test_of_several_faults_the_longest_recovery_counts() -> None:
    suspected = [100] * 5 + [0] * 2 + [100] * 13 + [0] * 6 + [100] * 14 + [0] * 3 + [100] * 17
    events = [(0.5, "suspect"), (2.0, "suspect"), (4.0, "suspect")]
    assert _outages(suspected, *events) == (0.6, pytest.approx(0.6))


def test_faults_within_a_second_are_measured_together() -> None:
    killed = [100] * 10 + [0] * 3 + [100] * 4 + [0] * 3 + [100] * 40
    assert _outages(killed, (1.0, "kill"), (1.7, "kill"))[1] == pytest.approx(1.0)


def test_one_fault_of_several_without_recovery_leaves_none() -> None:
    lost = [100] * 10 + [0] * 2 + [100] * 18 + [0] * 5 + [50] * 25
    assert math.isnan(_outages(lost, (1.0, "kill"), (3.0, "kill"))[1])


def test_what_mends_or_follows_a_fault_is_not_one() -> None:
    killed = [100] * 20 + [0] * 5 + [100] * 5 + [0] * 9 + [100] * 21
    others = [(0.0, "view"), (2.1, "view"), (3.0, "restart"), (3.0, "recovered")]
    assert _outages(killed, (2.0, "kill"), *others)[1] == pytest.approx(1.9)
    assert math.isnan(_outages(killed, *others)[1])


def test_a_fault_outside_of_the_window_or_in_its_last_second_is_not_judged() -> None:
    killed = [100] * 20 + [0] * 5 + [100] * 35
    beyond = [(-0.5, "kill"), (5.01, "kill"), (6.0, "kill")]
    assert _outages(killed, (2.0, "kill"), *beyond)[1] == pytest.approx(0.5)
    assert math.isnan(_outages(killed, *beyond)[1])


def test_without_replies_before_the_fault_there_is_nothing_to_compare_with() -> None:
    assert math.isnan(_outages([100] * 60, (0.0, "kill"))[1])
    assert math.isnan(_outages([0] * 10 + [100] * 50, (1.0, "kill"))[1])


def test_a_window_shorter_than_a_second_has_no_recovery() -> None:
    events = _events((CONFIG.warmup_s + 0.1, "kill"))
    numbers = _measure(CONFIG, _timeline([9] * 8), _latency(), NO_COUNTERS, events)
    assert math.isnan(numbers["recovery_s"])


@given(
    before=st.integers(1, 20),
    gap=st.integers(1, 20),
    fault_in_bin=st.floats(0, 0.9),
)
def test_recovery_from_a_clean_gap_takes_as_long_as_the_gap(
    before: int, gap: int, fault_in_bin: float
) -> None:
    replies = np.array([100.0] * before + [0.0] * gap + [100.0] * 20)
    fault_s = (before + fault_in_bin) * 0.1
    recovery_s = summarise.recovery_s(replies, np.array([fault_s]))
    assert recovery_s == pytest.approx(gap * 0.1 - fault_in_bin * 0.1)


def test_the_faults_that_are_measured_are_those_that_the_fault_words_know() -> None:
    verbs = {each.__name__.lower() for each in get_args(faults.Action)}
    assert verbs - {"restart", "resume", "heal"} == set(summarise.FAULTS)


def test_over_time_has_a_row_for_each_bin_of_the_window() -> None:
    timeline = pd.concat([_timeline([9, 9, 5, 0, 1, 9]), _timeline([9, 9, 5], fleet=1)])
    latency = _latency((0, 2, MILLISECOND, 99), (1, 2, SECOND, 1), (0, 0, SECOND, 9))
    table = summarise.over_time(timeline, latency, 0.2, 0.3)
    assert table["time_s"].to_list() == [0.1, 0.2, 0.3]
    assert table["throughput_rps"].to_list() == [100, 0, 10]
    assert table["latency_ms_p50"].to_list() == pytest.approx(
        [1.0, math.nan, math.nan], rel=0.01, nan_ok=True
    )
    assert table["latency_ms_p999"][0] == pytest.approx(1000, rel=0.01)


def test_over_time_of_a_run_without_replies_is_nothing_at_all_times() -> None:
    table = summarise.over_time(_timeline([]), _latency(), 0.2, 0.3)
    assert table["throughput_rps"].to_list() == [0, 0, 0]
    assert table["latency_ms_p50"].isna().all()


def test_cpu_is_that_of_all_hosts_and_of_no_fleet() -> None:
    counters = _counters(
        (0, 2, 0.06, 1, 0, 0),
        (0, 3, 0.03, 1, 0, 0),  # Another actor of the same host.
        (1, 4, 0.01, 0, 0, 0),
        (2, 4, 0.03, 0, 0, 0),
        (-1, 3, 5.0, 0, 0, 0),  # A fleet.
        (0, 1, 5.0, 0, 0, 0),  # Warm-up.
    )
    numbers = _measure(CONFIG, _timeline([0, 0, 500, 500]), _latency(), counters, NO_EVENTS)
    assert numbers["cpu_us_per_request"] == pytest.approx(130)
    assert numbers["cpu_us_per_request_leader_host"] == pytest.approx(90)
    assert numbers["cpu_us_per_request_other_hosts"] == pytest.approx(20)
    assert numbers["cpu_cores_leader_host"] == pytest.approx(0.3)


def test_usage_is_told_host_by_host() -> None:
    counters = _counters(
        (0, 2, 0.06, 0, 3e6, 0),
        (1, 2, 0.15, 1, 0, 6e6),
        (1, 3, 0.15, 1, 0, 0),
        (1, 3, 0.0, 0, 3e6, 0),  # The coordinator of the leader's host.
    )
    usage = summarise.usage_by_host(counters, 0.2, 0.3)
    expected = pd.DataFrame(
        {
            "host": [0, 1],
            "leads": [False, True],
            "cpu_cores": [0.2, 1.0],
            "network_mbit_s_out": [80.0, 80.0],
            "network_mbit_s_in": [0.0, 160.0],
        }
    )
    pd.testing.assert_frame_equal(usage, expected)


def test_cpu_that_nobody_counted_is_nan_and_not_0() -> None:
    """In virtual time no process takes any: where the model takes none either, none is known."""
    counters = _counters((0, 2, 0.0, 1, 3e6, 0), (1, 2, 0.0, 0, 0, 3e6))
    assert summarise.usage_by_host(counters, 0.2, 0.3)["cpu_cores"].isna().all()
    numbers = _measure(CONFIG, _timeline([0, 0, 500, 500]), _latency(), counters, NO_EVENTS)
    assert {key for key in numbers if key.startswith("cpu") and math.isnan(numbers[key])} == {
        *("cpu_us_per_request", "cpu_cores_leader_host", "cpu_cores_other_hosts"),
        *("cpu_us_per_request_leader_host", "cpu_us_per_request_other_hosts"),
        "cpu_cores_busiest_fleet",
    }


def test_a_host_without_cpu_beside_one_that_took_some_has_0() -> None:
    counters = _counters((0, 2, 0.3, 1, 0, 0), (1, 2, 0.0, 0, 0, 0))
    assert list(summarise.usage_by_host(counters, 0.2, 0.3)["cpu_cores"]) == [1.0, 0.0]


def test_one_host_leads_at_most() -> None:
    twice = _counters((0, 2, 0, 1, 0, 0), (1, 3, 0, 1, 0, 0))
    assert list(summarise.usage_by_host(twice, 0.2, 0.3)["leads"]) == [True, False]
    never = _counters((0, 2, 0, 0, 0, 0), (1, 3, 0, 0, 0, 0))
    assert not summarise.usage_by_host(never, 0.2, 0.3)["leads"].any()


def test_what_no_actor_counts_is_zero() -> None:
    counters = _counters((0, 2, 0.3, 1, 0, 0)).drop(columns=["network_bytes_in"])
    assert list(summarise.usage_by_host(counters, 0.2, 0.3)["network_mbit_s_in"]) == [0.0]


def _sampled_at(*samples: tuple[float, float]) -> pd.DataFrame:
    """Make the counters of one actor from (time_s, cpu_s used since the sample before)."""
    table = pd.DataFrame(list(samples), columns=["time_s", "cpu_s"])
    return table.assign(actor="replica-0", host=0)


def test_samples_that_come_late_are_counted_by_their_share_in_the_window() -> None:
    """A steady half core, sampled late by various delays, is half a core."""
    late = _sampled_at(
        *((0.104, 0.052), (0.203, 0.0495), (0.360, 0.0785), (0.401, 0.0205)),
        *((0.503, 0.051), (0.601, 0.049)),
    )
    cores = summarise.usage_by_host(late, 0.2, 0.3)["cpu_cores"]
    assert cores.to_list() == pytest.approx([0.5])


def test_a_sample_over_skipped_bins_counts_for_all_of_them() -> None:
    """Of the 0.8 s that the second sample covers, 0.3 s are in the window."""
    skipping = _sampled_at((0.1, 9.0), (0.9, 0.8))
    cores = summarise.usage_by_host(skipping, 0.2, 0.3)["cpu_cores"]
    assert cores.to_list() == pytest.approx([1.0])


def test_what_is_in_flight_is_told_of_both_ends_of_the_window() -> None:
    """A third of the window is one bin; what comes before and after it is in neither."""
    timeline = _timeline([1] * 6).assign(outstanding=[99, 99, 4, 50, 7, 99], waiting=1)
    numbers = _measure(CONFIG, timeline, _latency(), NO_COUNTERS, NO_EVENTS)
    assert numbers["in_flight_first_third"] == 5
    assert numbers["in_flight_last_third"] == 8


def test_frames_and_messages_dropped_in_the_window_add_up() -> None:
    dropping = _counters(*((0, each, 0, 1, 0, 0) for each in range(6)))
    counters = dropping.assign(frames_dropped=1.0, modelled_messages_dropped=10.0)
    for table, dropped in ((counters, 33.0), (dropping, 0.0)):
        numbers = _measure(CONFIG, _timeline([1] * 6), _latency(), table, NO_EVENTS)
        assert numbers["dropped"] == dropped


def _fleets(*cores: float) -> pd.DataFrame:
    """Make the counters of fleets that keep so much of a core busy, each sample a little late."""
    parts = [
        _sampled_at(*((each / 10 + 0.03, share / 10) for each in range(9))).assign(
            actor=f"fleet-{number}", host=-1
        )
        for number, share in enumerate(cores)
    ]
    return pd.concat([*parts, _sampled_at((0.5, 9.0))])  # And a host, which is no fleet.


@pytest.mark.parametrize(("dilation", "expected"), [(1.0, 0.9), (2.0, 0.45)])
def test_the_busiest_fleet_is_told_by_what_it_had_of_its_machine(
    dilation: float, expected: float
) -> None:
    """In time that is stretched by two, so much CPU is half as much of a core."""
    config = msgspec.structs.replace(CONFIG, dilation=dilation)
    counters = _fleets(0.2, 0.9, 0.5)
    numbers = _measure(config, _timeline([1] * 6), _latency(), counters, NO_EVENTS)
    assert numbers["cpu_cores_busiest_fleet"] == pytest.approx(expected)


def test_where_no_fleet_counts_its_cpu_none_is_busy() -> None:
    numbers = _measure(CONFIG, _timeline([1] * 6), _latency(), NO_COUNTERS, NO_EVENTS)
    assert math.isnan(numbers["cpu_cores_busiest_fleet"])


def test_usage_of_several_runs_keeps_each_in_its_window() -> None:
    one = _counters((0, 0, 0.3, 1, 0, 0), (0, 2, 0.3, 1, 0, 0))
    counters = pd.concat([one.assign(run_id="a"), one.assign(run_id="b")])
    runs = pd.DataFrame(
        {"run_id": ["a", "b", "c"], "warmup_s": [0.0, 0.2, 0.0], "duration_s": [0.3, 0.3, 0.3]}
    )
    usage = summarise.usage(runs, counters)
    assert dict(zip(usage["run_id"], usage["cpu_cores"], strict=True)) == {
        "a": pytest.approx(2.0),
        "b": pytest.approx(1.0),
    }


def test_usage_of_no_runs_has_its_columns() -> None:
    runs = pd.DataFrame({"run_id": [], "warmup_s": [], "duration_s": []})
    usage = summarise.usage(runs, _counters().assign(run_id=""))
    assert {"run_id", "host", "leads", *summarise.USAGE} == set(usage.columns)
    assert usage.empty


def _runs(*rows: tuple[str, int, float], outcome: str = "ok", safety: str = "ok") -> pd.DataFrame:
    """Make rows of (protocol, repeat, value of every measure)."""
    settings = {key: getattr(CONFIG, key) for key in RunConfig.__struct_fields__}
    verdicts = {"suite": "s", "outcome": outcome, "safety": safety}
    return pd.DataFrame(
        [
            settings
            | verdicts
            | dict.fromkeys(summarise.MEASURES, value)
            | {"limit_rps": math.nan, "limit_by": ""}
            | {"protocol": protocol, "seed": repeat, "repeat": repeat}
            for protocol, repeat, value in rows
        ]
    )


def test_summary_is_the_median_with_a_t_interval() -> None:
    """Of 10, 11 and 15: mean 12, deviation sqrt(7), t = 4.303 with two degrees of freedom."""
    summary = summarise.summary(_runs(("jpaxos", 0, 10), ("jpaxos", 1, 11), ("jpaxos", 2, 15)))
    half = 4.303 * math.sqrt(7) / math.sqrt(3)
    point = summary.iloc[0]
    assert (len(summary), point["repeats"], point["throughput_rps"]) == (1, 3, 11)
    assert point["throughput_rps_low"] == pytest.approx(12 - half)
    assert point["throughput_rps_high"] == pytest.approx(12 + half)


def test_two_repeats_show_their_range() -> None:
    point = summarise.summary(_runs(("jpaxos", 0, 10), ("jpaxos", 1, 20))).iloc[0]
    assert (point["latency_ms_p99_low"], point["latency_ms_p99_high"]) == (10, 20)
    assert point["latency_ms_p99"] == 15


def test_points_are_kept_apart() -> None:
    summary = summarise.summary(_runs(("jpaxos", 0, 10), ("spaxos", 0, 20), ("jpaxos", 1, 12)))
    assert dict(zip(summary["protocol"], summary["throughput_rps"], strict=True)) == {
        "jpaxos": 11,
        "spaxos": 20,
    }


def test_runs_that_failed_or_were_unsafe_do_not_count() -> None:
    bad = [
        _runs(("jpaxos", 1, math.nan), outcome="timed out"),
        _runs(("spaxos", 0, 30.0), safety="executed twice"),
    ]
    summary = summarise.summary(pd.concat([_runs(("jpaxos", 0, 10)), *bad]))
    assert list(summary["protocol"]) == ["jpaxos"]
    assert list(summary["repeats"]) == [1]


def test_without_sound_runs_the_summary_is_empty_and_has_its_columns() -> None:
    summary = summarise.summary(_runs(("jpaxos", 0, 1.0), outcome="timed out"))
    assert summary.empty
    assert {"protocol", "repeats", "throughput_rps", "throughput_rps_low"} <= set(summary.columns)


@pytest.mark.parametrize(("count", "t"), [(4, 3.182), (13, 2.179), (21, 2.086), (121, 1.980)])
def test_intervals_use_students_t(count: int, t: float) -> None:
    """Values of t from the usual tables, also between those that the module lists."""
    values = 100 + np.arange(count, dtype=np.float64)
    low, high = summarise.interval(values)
    half = t * values.std(ddof=1) / math.sqrt(count)
    assert (high - low) / 2 == pytest.approx(half, rel=2e-3)


def test_an_interval_does_not_reach_below_zero() -> None:
    assert summarise.interval(np.array([0.0, 0.0, 9.0]))[0] == 0
