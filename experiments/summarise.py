"""From tables to numbers: what happened in a run's measured window, and over its repeats.

The window of a run is every bin that ends in (warmup_s, warmup_s + duration_s]. Means come from
exact sums and percentiles from merged histograms: neither is ever averaged.
"""

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from actors.core import histogram
from experiments.spec import BIN_S, RunConfig

POINT = ("suite", *(key for key in RunConfig.__struct_fields__ if key != "seed"))
"""What sets a point of a sweep apart from the others; repeats have all of it in common."""

PERCENTILES = {
    "latency_ms_p50": 50.0,
    "latency_ms_p95": 95.0,
    "latency_ms_p99": 99.0,
    "latency_ms_p999": 99.9,
}
LIMIT = ("limit_rps", "limit_by")
"""The most that hosts with limits can reach, and which resource of which host keeps it there."""

USAGE = ("cpu_cores", "network_mbit_s_out", "network_mbit_s_in")
"""What a host uses in the window: cores busy, and Mbit/s to and from other hosts."""

MEASURES = (
    *("throughput_rps", "latency_ms_mean", *PERCENTILES, "cpu_us_per_request"),
    *("service_ms_p50", "service_ms_p99", "in_flight", "lag_ms"),
    *(f"{each}_{whose}" for each in USAGE for whose in ("leader_host", "other_hosts")),
)
"""What a point of a sweep is judged by, each over its repeats."""

FAULTS = ("kill", "pause", "suspect", "cut", "slow")
"""The events that disturb a run; all others mend something, or say what followed."""

RECOVERED_SHARE = 0.9
"""The share of the throughput before its faults at which a run has recovered."""

_BINS_PER_S = round(1 / BIN_S)

_DROPPED = ("frames_dropped", "modelled_messages_dropped")

_COUNTED = ("leads", "cpu_s", "modelled_cpu_s", "network_bytes_out", "network_bytes_in")

_T_975 = {
    1: 12.706,
    1.5: 6.017,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
    10: 2.228,
    15: 2.131,
    30: 2.042,
    math.inf: 1.960,
}
"""Student's t at 97.5%, by degrees of freedom; between these, linear in their reciprocal."""


def measure(
    config: RunConfig,
    *,
    timeline: pd.DataFrame,
    latency: pd.DataFrame,
    service: pd.DataFrame,
    counters: pd.DataFrame,
    events: pd.DataFrame,
) -> dict[str, float]:
    """Return every number of one run, by its column in the table of runs.

    nan where nothing was completed, where no host led, where there was nothing to recover from,
    (service) where clients are closed-loop, or (CPU) where none was counted: see `usage_by_host`.
    """
    window = in_window(timeline, config.warmup_s, config.duration_s)
    completed = float(window["completed"].sum())
    hosts = usage_by_host(counters, config.warmup_s, config.duration_s)
    replies = replies_by_bin(timeline, config.warmup_s, config.duration_s)
    faults_s = faults_in_window(events, config.warmup_s, config.duration_s)["time_s"]
    us_per_core = _ratio(1e6 * config.duration_s, completed)
    leader, others = hosts[hosts["leads"]], hosts[~hosts["leads"]]
    return {
        "throughput_rps": completed / config.duration_s,
        "latency_ms_mean": _ratio(float(window["latency_ms_sum"].sum()), completed),
        **percentiles(window, latency),
        **{f"service{column[7:]}": ms for column, ms in percentiles(window, service).items()},
        "completed": completed,
        **_in_flight(config, timeline),
        "retried": float(window["retried"].sum()),
        "dropped": _dropped(config, counters),
        "unavailability_s": unavailability_s(replies),
        "recovery_s": recovery_s(replies, faults_s.to_numpy(np.float64) - config.warmup_s),
        "cpu_us_per_request": float(hosts["cpu_cores"].sum(min_count=1)) * us_per_core,
        "cpu_us_per_request_leader_host": float(leader["cpu_cores"].mean()) * us_per_core,
        "cpu_us_per_request_other_hosts": float(others["cpu_cores"].mean()) * us_per_core,
        "lag_ms": max(lags_ms(config, counters).values(), default=math.nan),
        "cpu_cores_busiest_fleet": _busiest_fleet_cores(config, counters),
        **{f"{column}_leader_host": float(leader[column].mean()) for column in USAGE},
        **{f"{column}_other_hosts": float(others[column].mean()) for column in USAGE},
    }


def lags_ms(config: RunConfig, counters: pd.DataFrame) -> dict[str, float]:
    """Return by how much each actor was late on average in the window, in ms of the run's time.

    What counts is how late the modelled network and CPU of a host handed things over, and how late
    any actor's timers came; of runs without limits, only the latter.
    """
    window = in_window(counters, config.warmup_s, config.duration_s)
    columns = ["late_s", "handed_over", "sampled_late_s", "samples"]
    sums = window.reindex(columns=columns).astype(float).groupby(window["actor"]).sum()
    by_model = sums["late_s"] / sums["handed_over"].clip(lower=1)
    by_timers = sums["sampled_late_s"] / sums["samples"].clip(lower=1)
    worst = pd.concat([by_model, by_timers], axis=1).max(axis=1)
    return {str(actor): float(late_s) * 1e3 for actor, late_s in worst.items()}


def _in_flight(config: RunConfig, timeline: pd.DataFrame) -> dict[str, float]:
    """Return how many requests were wanted and not answered, on average over bins of the window.

    Of all of these, of the first third and of the last third.
    """
    by_bin = timeline.groupby("bin")[["outstanding", "waiting"]].sum().sum(axis=1).astype(float)
    bins = pd.DataFrame({"time_s": (by_bin.index.astype(int) + 1) * BIN_S, "requests": by_bin})
    third_s = config.duration_s / 3
    parts = {
        "in_flight": (config.warmup_s, config.duration_s),
        "in_flight_first_third": (config.warmup_s, third_s),
        "in_flight_last_third": (config.warmup_s + 2 * third_s, third_s),
    }
    return {key: float(in_window(bins, *part)["requests"].mean()) for key, part in parts.items()}


def _dropped(config: RunConfig, counters: pd.DataFrame) -> float:
    counted = counters.reindex(columns=["time_s", *_DROPPED])
    window = in_window(counted, config.warmup_s, config.duration_s)
    return float(window[[*_DROPPED]].sum().sum())


def in_window(table: pd.DataFrame, warmup_s: float, duration_s: float) -> pd.DataFrame:
    """Return the rows of a timeline, or of any table with exact bins, that end in the window."""
    # Ends of bins are sums of tenths: a hundredth of a bin keeps rounding from moving them.
    since_s = table["time_s"] - warmup_s - BIN_S / 100
    return table[(since_s > 0) & (since_s <= duration_s)]


def faults_in_window(events: pd.DataFrame, warmup_s: float, duration_s: float) -> pd.DataFrame:
    """Return the rows of a table of events that are faults and lie in the window."""
    since_s = events["time_s"].astype(float) - warmup_s
    return events[events["event"].isin(FAULTS) & (since_s >= 0) & (since_s < duration_s)]


def replies_by_bin(
    timeline: pd.DataFrame, warmup_s: float, duration_s: float
) -> NDArray[np.float64]:
    """Return what all fleets together completed in each bin of the window; shape (bins,)."""
    # A fleet has no rows after its last reply, and none at all if it was killed.
    bins = range(round(warmup_s / BIN_S), round((warmup_s + duration_s) / BIN_S))
    completed = timeline.groupby("bin")["completed"].sum()
    return completed.reindex(bins, fill_value=0).to_numpy(np.float64)


def unavailability_s(replies: NDArray[np.float64]) -> float:
    """Return the longest time without any reply, in whole bins; `replies` as `replies_by_bin`."""
    gaps = [len(list(bins)) for answered, bins in groupby(replies > 0) if not answered]
    return max(gaps, default=0) / _BINS_PER_S


def recovery_s(replies: NDArray[np.float64], faults_s: NDArray[np.float64]) -> float:
    """Return the longest time from a fault until the throughput is back.

    It is back where a second begins, with a reply in its first bin, that has `RECOVERED_SHARE` of
    the mean throughput before the first fault. `faults_s` are the times of the faults, in seconds
    since the first bin of `replies` began; a fault in the last second of these cannot be judged.
    nan if no fault can, if nothing was completed before them, or if it never is back after one.
    """
    judged_s = faults_s[faults_s <= len(replies) * BIN_S - 1]
    before = replies[: _bin_at(faults_s.min())] if len(judged_s) else replies[:0]
    if not before.any():
        return math.nan
    seconds = np.convolve(replies, np.ones(_BINS_PER_S), "valid")
    enough = seconds >= RECOVERED_SHARE * before.mean() * _BINS_PER_S
    back = np.flatnonzero(enough & (replies[: len(seconds)] > 0))
    return float(np.max([_wait_s(fault_s, back) for fault_s in judged_s]))


def _wait_s(fault_s: float, back: NDArray[np.intp]) -> float:
    """Return the time from a fault to the next of the bins `back`; nan if there is none."""
    later = back[back >= _bin_at(fault_s)]
    return max(0.0, float(later[0]) / _BINS_PER_S - fault_s) if len(later) else math.nan


def _bin_at(time_s: float) -> int:
    # As in `in_window`, a hundredth of a bin keeps rounding from moving what falls on an edge.
    return math.floor(time_s / BIN_S + 0.01)


def over_time(
    timeline: pd.DataFrame, latency: pd.DataFrame, warmup_s: float, duration_s: float
) -> pd.DataFrame:
    """Return one row a bin of the window of one run: time_s, throughput_rps and percentiles.

    `time_s` is the end of the bin, since the window began. The latencies, in ms and by the columns
    of `PERCENTILES`, are nan where nothing was completed.
    """
    replies = replies_by_bin(timeline, warmup_s, duration_s)
    ends = np.arange(1, len(replies) + 1)
    table = pd.DataFrame({"time_s": ends / _BINS_PER_S, "throughput_rps": replies * _BINS_PER_S})
    since = latency.assign(bin=latency["bin"] - round(warmup_s / BIN_S))
    by_bin = {number: _percentiles(rows) for number, rows in since.groupby("bin")}
    latencies = pd.DataFrame.from_dict(by_bin, orient="index", columns=list(PERCENTILES))
    return table.join(latencies.astype(float))


def percentiles(window: pd.DataFrame, latency: pd.DataFrame) -> dict[str, float]:
    """Return the latency percentiles, in ms, of the bins that `window` (a timeline) holds."""
    bins = window[["fleet", "bin"]]
    return _percentiles(latency.merge(bins, on=["fleet", "bin"]))


def _percentiles(rows: pd.DataFrame) -> dict[str, float]:
    counts = histogram.merge(rows["bucket"].to_numpy(np.int64), rows["count"].to_numpy(np.int64))
    return {column: 1000 * histogram.percentile_s(counts, q) for column, q in PERCENTILES.items()}


def distribution(latency: pd.DataFrame) -> pd.DataFrame:
    """Return one row a bucket that is not empty: latency_ms, count, and `share` up to it.

    The share is in (0, 1]. `latency` is a table of histograms, of any bins and fleets.
    """
    buckets = latency["bucket"].to_numpy(np.int64)
    counts = histogram.merge(buckets, latency["count"].to_numpy(np.int64))
    held = np.flatnonzero(counts)
    found = counts[held]
    return pd.DataFrame(
        {
            "latency_ms": 1000 * histogram.bucket_value_s(held),
            "count": found,
            "share": np.cumsum(found) / max(1, found.sum()),
        }
    )


def usage_by_host(counters: pd.DataFrame, warmup_s: float, duration_s: float) -> pd.DataFrame:
    """Return what each host of one run used in the window: host, leads (bool) and `USAGE`.

    At most one host leads: the one that did for the longest. `cpu_cores` is nan where no host took
    any: no process runs without, so none was counted, as in virtual time without a model of it.
    """
    counters = counters[counters["host"] >= 0].sort_values("time_s")
    covered = counters.reindex(columns=list(_COUNTED)).astype(float).fillna(0.0)
    covered = covered.mul(_shares_in_window(counters, warmup_s, duration_s), axis=0)
    sums = covered.groupby(counters["host"]).sum()
    longest = sums["leads"].max()
    # Where CPU is modelled, the machine's own says nothing about the hosts.
    cpu_s = sums["modelled_cpu_s" if sums["modelled_cpu_s"].any() else "cpu_s"]
    return pd.DataFrame(
        {
            "host": sums.index.astype(int),
            "leads": sums["leads"].eq(longest) & ~sums["leads"].duplicated() & (longest > 0),
            "cpu_cores": (cpu_s if cpu_s.any() else math.nan) / duration_s,
            "network_mbit_s_out": sums["network_bytes_out"] * 8e-6 / duration_s,
            "network_mbit_s_in": sums["network_bytes_in"] * 8e-6 / duration_s,
        }
    ).reset_index(drop=True)


def _busiest_fleet_cores(config: RunConfig, counters: pd.DataFrame) -> float:
    """Return how many cores the busiest fleet kept busy; nan where no fleet's CPU was counted."""
    counted = counters.reindex(columns=["actor", "host", "time_s", "cpu_s"])
    fleets = counted[counted["host"] < 0].sort_values("time_s")
    shares = _shares_in_window(fleets, config.warmup_s, config.duration_s)
    cpu_s = (shares * fleets["cpu_s"].astype(float)).groupby(fleets["actor"]).sum()
    # The clock of a run may be stretched, that of the processor is not.
    return (float(cpu_s.max()) or math.nan) / (config.duration_s * config.dilation)


def _shares_in_window(
    counters: pd.DataFrame, warmup_s: float, duration_s: float
) -> "pd.Series[float]":
    """Return how much of each row, from 0 to 1, falls into the window; rows ordered by time.

    Actors are sampled late where they are busy. A row covers the time since its actor's row before
    (its first: one bin), and what it counts is taken to be spread evenly over that time.
    """
    end_s = counters["time_s"].astype(float)
    start_s = end_s.groupby(counters["actor"]).shift().fillna(end_s - BIN_S)
    inside_s = end_s.clip(upper=warmup_s + duration_s) - start_s.clip(lower=warmup_s)
    return (inside_s.clip(lower=0.0) / (end_s - start_s)).fillna(0.0)


def usage(runs: pd.DataFrame, counters: pd.DataFrame) -> pd.DataFrame:
    """Return `usage_by_host` of every run in `runs`, with its run_id."""
    parts = [
        usage_by_host(pd.DataFrame(columns=["actor", "host", "time_s"]), 0, 1).assign(run_id="")
    ]
    by_run = dict(list(counters.groupby("run_id")))
    for run in runs.to_dict("records"):
        if run["run_id"] in by_run:
            rows = by_run[run["run_id"]]
            used = usage_by_host(rows, run["warmup_s"], run["duration_s"])
            parts.append(used.assign(run_id=run["run_id"]))
    return pd.concat(parts, ignore_index=True)


def host_us_per_message(runs: pd.DataFrame, counters: pd.DataFrame) -> "pd.Series[float]":
    """Return by run_id the CPU of all hosts for each message that one of them sent or received.

    A message between two hosts counts at both, and any message however many requests it carries.
    nan where there was none.
    """
    by_run = dict(list(counters.groupby("run_id")))
    return pd.Series(
        {
            run["run_id"]: _host_us_per_message(
                by_run[run["run_id"]], run["warmup_s"], run["duration_s"]
            )
            for run in runs.to_dict("records")
            if run["run_id"] in by_run
        },
        dtype=float,
    )


def _host_us_per_message(counters: pd.DataFrame, warmup_s: float, duration_s: float) -> float:
    of_hosts = counters[counters["host"] >= 0].sort_values("time_s")
    shares = _shares_in_window(of_hosts, warmup_s, duration_s)
    messages = of_hosts.filter(regex=r"_messages_(in|out)\.").sum(axis=1)
    cpu_s = (shares * of_hosts["cpu_s"]).sum()
    return _ratio(1e6 * float(cpu_s), float((shares * messages).sum()))


def is_sound(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each run whether its numbers count: it finished, and was found correct."""
    return (runs["outcome"] == "ok") & (runs["safety"] == "ok")


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a point: `POINT`, `LIMIT`, and `over_repeats` of `MEASURES`.

    Only sound runs count; a point without any is not there.
    """
    sound = runs[is_sound(runs)]
    points = [
        {
            **dict(zip(POINT, values, strict=True)),
            # It follows from the configuration: all repeats have the same.
            **{key: rows[key].iloc[0] for key in LIMIT},
            **over_repeats(rows, MEASURES),
        }
        for values, rows in sound.groupby([*POINT], sort=False)
    ]
    columns = [f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(points, columns=[*POINT, "repeats", *LIMIT, *columns])


def over_repeats(rows: pd.DataFrame, measures: Iterable[str]) -> dict[str, float]:
    """Return `repeats`, how many rows there are, and the median of each measure over these.

    Beside the measure stand `<measure>_low` and `<measure>_high`: see `interval`.
    """
    names = [*measures]
    values = rows[names].to_numpy(np.float64)
    medians = np.median(values, axis=0)
    lows, highs = interval(values)
    # The interval is the mean's; few and skewed repeats may leave their median outside of it.
    ends = {"": medians, "_low": np.minimum(lows, medians), "_high": np.maximum(highs, medians)}
    numbers: dict[str, float] = {"repeats": len(rows)}
    for end, numbers_of_end in ends.items():
        numbers |= dict(zip([name + end for name in names], numbers_of_end.tolist(), strict=True))
    return numbers


def interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95% confidence interval of the mean of rows; of fewer than 3, their range.

    Assumes a normal distribution (Student's t), cut off at 0: nothing measured is negative. The
    ends have the shape of a row of `values`.
    """
    if len(values) < 3:
        return values.min(axis=0), values.max(axis=0)
    mean = values.mean(axis=0)
    half = t_975(len(values) - 1) * values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return np.maximum(0.0, mean - half), mean + half


def t_975(freedom: float) -> float:
    """Return the 97.5% quantile of Student's t with at least 1 degree of freedom."""
    reciprocals = [1 / each for each in reversed(_T_975)]
    return float(np.interp(1 / freedom, reciprocals, list(reversed(_T_975.values()))))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
