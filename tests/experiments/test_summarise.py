import math

import numpy as np
import pandas as pd
import pytest

from actors.core import histogram
from experiments import summarise
from experiments.results import LATENCY_COLUMNS, TIMELINE_COLUMNS
from experiments.spec import RunConfig

CONFIG = RunConfig(warmup_s=0.2, duration_s=0.3)
"""Its window is the bins 2, 3 and 4."""

MILLISECOND, SECOND = (int(bucket) for bucket in histogram.buckets_of(np.array([1e-3, 1.0])))


def _timeline(completed: list[int], fleet: int = 0) -> pd.DataFrame:
    rows = [
        (fleet, each, (each + 1) * 0.1, count, each, 9, 10.0 * count)
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


NO_COUNTERS = _counters()


def test_throughput_counts_the_window_alone() -> None:
    timeline = pd.concat(
        [_timeline([99, 99, 1, 2, 3, 99]), _timeline([99, 99, 10, 20, 30, 99], fleet=1)]
    )
    numbers = summarise.measure(CONFIG, timeline, _latency(), NO_COUNTERS)
    assert numbers["completed"] == 66
    assert numbers["throughput_rps"] == pytest.approx(66 / 0.3)
    assert numbers["retried"] == 2 * (2 + 3 + 4)


def test_the_window_leaves_out_its_beginning_and_takes_in_its_end() -> None:
    times = pd.DataFrame({"time_s": [0.2, 0.1 + 0.2, 0.5000000001, 0.6]})
    inside = summarise.in_window(times, warmup_s=0.2, duration_s=0.3)
    assert list(inside["time_s"]) == [0.1 + 0.2, 0.5000000001]


def test_the_mean_weighs_every_request_alike() -> None:
    timeline = _timeline([0, 0, 1, 0, 3]).assign(latency_ms_sum=[0, 0, 8.0, 0, 4.0])
    numbers = summarise.measure(CONFIG, timeline, _latency(), NO_COUNTERS)
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
    numbers = summarise.measure(CONFIG, timeline, latency, NO_COUNTERS)
    assert numbers["latency_ms_p50"] == pytest.approx(1, rel=0.01)
    assert numbers["latency_ms_p95"] == pytest.approx(1, rel=0.01)
    assert numbers["latency_ms_p99"] == pytest.approx(1000, rel=0.01)
    assert numbers["latency_ms_p999"] == pytest.approx(1000, rel=0.01)


def test_nothing_completed_has_a_throughput_and_no_latency() -> None:
    numbers = summarise.measure(CONFIG, _timeline([5, 5]), _latency(), NO_COUNTERS)
    assert numbers["throughput_rps"] == 0
    assert math.isnan(numbers["latency_ms_mean"])
    assert math.isnan(numbers["latency_ms_p50"])
    assert math.isnan(numbers["cpu_us_per_request"])


def test_cpu_is_that_of_all_hosts_and_of_no_fleet() -> None:
    counters = _counters(
        (0, 2, 0.06, 1, 0, 0),
        (0, 3, 0.03, 1, 0, 0),  # Another actor of the same host.
        (1, 4, 0.01, 0, 0, 0),
        (2, 4, 0.03, 0, 0, 0),
        (-1, 3, 5.0, 0, 0, 0),  # A fleet.
        (0, 1, 5.0, 0, 0, 0),  # Warm-up.
    )
    numbers = summarise.measure(CONFIG, _timeline([0, 0, 500, 500]), _latency(), counters)
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
