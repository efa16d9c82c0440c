"""The result linter: each rule finds what it is for, and is quiet where all is well."""

from collections.abc import Callable

import pandas as pd
import pytest

from experiments.linter import COLUMNS, RULES, kept_up, lint, lint_between
from tests.dashboards.result_set import failed, runs_of

FAULTLESS = runs_of(clients=(1_000, 16_000)).assign(duration_s=5.0)
"""More clients than open batches hold, long and warmed up, repeated: nothing to say."""
BINS = range(70)
"""Of the warm-up of 2 s and the window of 5 s."""

SINGLE = FAULTLESS.iloc[:1]
OPEN = SINGLE.assign(arrival_rate_rps=10_000.0, throughput_rps=10_000.0)


def rules(runs: pd.DataFrame, **tables: object) -> dict[str, str]:
    """Return what is found of the first run: words by rule."""
    found = lint(runs, **tables)  # type: ignore[arg-type] # Whatever a test hands on.
    of_first = found[found["run_id"] == runs["run_id"].iloc[0]]
    return dict(zip(of_first["rule"], of_first["words"], strict=True))


def timeline(in_flight: Callable[[int], float], run_id: str) -> pd.DataFrame:
    """Return the bins of a fleet with so many requests waiting and sent, half each."""
    rows = [(run_id, 0, each, (each + 1) * 0.1, *[in_flight(each) / 2] * 2) for each in BINS]
    columns = ["run_id", "fleet", "bin", "time_s", "outstanding", "waiting"]
    return pd.DataFrame(rows, columns=columns)


def counters(run_id: str, **counted: float) -> pd.DataFrame:
    """Return the samples of a fleet that counted the same in each bin."""
    rows = [{"time_s": (each + 1) * 0.1, "bin": each, **counted} for each in BINS]
    return pd.DataFrame(rows).assign(run_id=run_id, actor="fleet-0", role="fleet", host=-1)


RUN_ID = SINGLE["run_id"].iloc[0]
BUSY = counters(RUN_ID, cpu_s=0.095)


def test_nothing_is_said_where_all_is_well() -> None:
    found = lint(
        FAULTLESS,
        timeline=timeline(lambda _: 16_000, RUN_ID),
        counters=counters(RUN_ID, cpu_s=0.05, frames_dropped=0.0),
    )
    assert found.empty
    assert tuple(found.columns) == COLUMNS


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_why_and_what_to_do_in_a_sentence_each(name: str) -> None:
    rule = RULES[name]
    for sentence in (rule.reason, rule.advice):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("rule", "column", "is_about"),
    [
        ("few-repeats", "throughput_rps", True),
        ("few-repeats", "cpu_us_per_request", True),
        ("client-bound", "throughput_rps", True),
        ("client-bound", "latency_ms_p50", False),
        ("lost-messages", "latency_ms_p999", True),
        ("lost-messages", "latency_ms_p50", False),
        ("offered-rate-missed", "latency_ms_p50", True),
        ("offered-rate-missed", "cpu_us_per_request", False),
    ],
)
def test_a_rule_is_about_some_numbers_or_all(rule: str, column: str, is_about: bool) -> None:
    assert RULES[rule].is_about(column) == is_about


def test_findings_join_the_table_of_runs_even_where_there_are_none() -> None:
    for runs in (FAULTLESS, FAULTLESS.assign(warmup_s=0.0)):
        found = lint(runs).merge(runs, on="run_id")
        assert len(found) in {0, len(runs)}


# --- Runs that do not count ---------------------------------------------------------------------


def test_a_failed_run_is_an_error_and_nothing_else() -> None:
    runs = failed(SINGLE, 0, outcome="no quorum", safety="").assign(warmup_s=0.0)
    assert rules(runs) == {"not-sound": "failed: no quorum"}
    assert set(lint(runs)["severity"]) == {"error"}


def test_an_unsafe_run_is_an_error() -> None:
    assert rules(failed(SINGLE, 0, safety="executed twice")) == {
        "not-sound": "unsafe: executed twice"
    }


def test_a_run_that_ended_safe_and_too_late_is_an_invalid_emulation() -> None:
    assert rules(failed(SINGLE, 0, outcome="replica-0 was 9 ms late", safety="ok")) == {
        "invalid-emulation": "replica-0 was 9 ms late"
    }


# --- How it was measured ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("warmup_s", "latency_ms", "is_told"),
    [(0.0, 1.0, True), (0.1, 20.0, False), (0.1, 40.0, True), (2.0, 40.0, False)],
)
def test_a_warmup_lasts_three_latencies(warmup_s: float, latency_ms: float, is_told: bool) -> None:
    runs = FAULTLESS.assign(warmup_s=warmup_s, latency_ms_mean=latency_ms)
    assert ("no-warmup" in rules(runs)) == is_told


def test_a_window_of_a_few_bins_is_too_short() -> None:
    assert rules(FAULTLESS.assign(duration_s=0.9)) == {
        "too-short": "for latency_ms_p99, the window has 9 bins of 0.1 s"
    }


@pytest.mark.parametrize(
    ("percentile", "is_told"), [("latency_ms_p95", False), ("latency_ms_p99", True)]
)
def test_a_window_is_too_short_for_the_percentile_that_few_requests_lie_beyond(
    percentile: str, is_told: bool
) -> None:
    """Of 500 requests 25 lie beyond the 95th percentile, and 5 beyond the 99th."""
    found = rules(FAULTLESS.assign(completed=500.0), percentile=percentile)
    assert ("too-short" in found) == is_told
    if is_told:
        assert found["too-short"].endswith("the window has 5.0 requests beyond it")


def test_a_window_of_a_few_latencies_is_too_short() -> None:
    found = rules(FAULTLESS.assign(latency_ms_p99=1_000.0))
    assert found["too-short"].endswith("the window has 5.0 times as long as it")


@pytest.mark.parametrize(("repeats", "is_told"), [(1, True), (2, True), (3, False)])
def test_a_point_takes_three_repeats(repeats: int, is_told: bool) -> None:
    runs = FAULTLESS[FAULTLESS["repeat"] < repeats]
    assert ("few-repeats" in rules(runs)) == is_told


def test_repeats_that_failed_are_none() -> None:
    assert "few-repeats" in rules(failed(FAULTLESS, 1, outcome="no quorum"))


def test_virtual_time_needs_repeats_for_random_arrivals_only() -> None:
    assert "few-repeats" not in rules(SINGLE.assign(backend="sim"))
    assert "few-repeats" in rules(OPEN.assign(backend="sim"))


def test_lag_is_told_where_it_is_much_of_the_latency_of_hosts_with_limits() -> None:
    limited = FAULTLESS.assign(network_delay_ms=0.1, latency_ms_p50=1.0, lag_ms=0.2)
    assert rules(limited) == {"lag": "0.20 ms late on average, at a median latency of 1.00 ms"}
    assert not rules(limited.assign(latency_ms_p50=10.0))
    assert not rules(limited.assign(network_delay_ms=0.0))


def test_different_frames_in_one_set_are_told_of_every_run() -> None:
    mixed = FAULTLESS.copy()
    mixed.loc[mixed["protocol"] == "jpaxos", "requests_per_frame_max"] = 1
    found = lint(mixed)
    told = found[found["rule"] == "mixed-frames"]
    assert sorted(told["run_id"]) == sorted(mixed["run_id"])
    assert set(told["words"]) == {"requests_per_frame_max is 0, 1"}


# --- The load -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("answered", "is_told"), [(10_000, False), (9_600, False), (9_000, True)])
def test_an_offered_rate_is_missed_beyond_a_share_and_chance(
    answered: float, is_told: bool
) -> None:
    """Of 50,000 arrivals 1,500 may be missing, and 671 more by chance."""
    found = rules(OPEN.assign(throughput_rps=float(answered)))
    assert ("offered-rate-missed" in found) == is_told
    if is_told:
        assert (
            found["offered-rate-missed"] == "90.0% of the 10,000 requests/s offered were answered"
        )


def test_closed_loop_clients_always_keep_up() -> None:
    assert kept_up(FAULTLESS.assign(throughput_rps=0.0)).all()


@pytest.mark.parametrize("throughput_rps", [0.0, float("nan")])
def test_runs_without_any_throughput_are_looked_at_all_the_same(throughput_rps: float) -> None:
    assert "offered-rate-missed" not in rules(FAULTLESS.assign(throughput_rps=throughput_rps))
    assert "offered-rate-missed" in rules(OPEN.assign(throughput_rps=throughput_rps))


def test_what_waits_longer_and_longer_is_a_growing_queue() -> None:
    found = rules(OPEN, timeline=timeline(lambda each: 1_000.0 * each, RUN_ID))
    assert found["growing-queue"] == "requests in the system grew from 27,500 to 61,000"


@pytest.mark.parametrize(
    "in_flight", [lambda _: 50_000.0, lambda each: 10.0 * each, lambda each: 50_000.0 + 50 * each]
)
def test_what_waits_steadily_or_grows_by_chance_is_none(in_flight: Callable[[int], float]) -> None:
    assert "growing-queue" not in rules(OPEN, timeline=timeline(in_flight, RUN_ID))


def test_without_a_timeline_no_queue_is_seen() -> None:
    assert "growing-queue" not in rules(OPEN)


@pytest.mark.parametrize(
    ("protocol", "clients", "is_told"),
    [
        ("jpaxos", 4_600, True),  # 2 batches of 2,339 requests.
        ("jpaxos", 4_700, False),
        ("spaxos", 14_000, True),  # So many from each of 3 hosts.
        ("spaxos", 14_100, False),
    ],
)
def test_clients_that_fit_into_the_open_batches_bound_a_run(
    protocol: str, clients: int, is_told: bool
) -> None:
    runs = runs_of((protocol,), clients=(clients,)).assign(duration_s=5.0)
    assert ("client-bound" in rules(runs)) == is_told


def test_only_the_most_clients_of_a_sweep_are_taken_for_a_peak() -> None:
    runs = runs_of(("jpaxos",), clients=(1, 100)).assign(duration_s=5.0)
    told = lint(runs).query("rule == 'client-bound'").merge(runs, on="run_id")
    assert set(told["clients"]) == {100}


def test_a_run_at_its_computed_limit_is_not_bound_by_clients() -> None:
    runs = runs_of(("jpaxos",), clients=(100,)).assign(duration_s=5.0)
    assert "client-bound" not in rules(runs.assign(limit_rps=runs["throughput_rps"]))


# --- What went wrong on the way -----------------------------------------------------------------


def test_requests_sent_again_and_frames_dropped_in_the_window_are_told() -> None:
    dropping = counters(RUN_ID, frames_dropped=2.0)
    assert rules(FAULTLESS.assign(retried=7.0), counters=dropping) == {
        "lost-messages": "7 requests were sent again and 100 messages or frames were dropped"
    }


def test_what_faults_lose_is_no_finding() -> None:
    dropping = counters(RUN_ID, frames_dropped=2.0)
    runs = FAULTLESS.assign(retried=7.0, faults="1 kill host leader")
    assert "lost-messages" not in rules(runs, counters=dropping)


def test_a_fleet_that_keeps_a_core_busy_is_saturated() -> None:
    assert rules(FAULTLESS, counters=BUSY) == {
        "saturated-fleet": "fleet-0 kept 0.95 of a core busy"
    }


def test_a_fleet_in_stretched_time_had_more_of_the_core_than_it_seems() -> None:
    assert not rules(FAULTLESS.assign(dilation=2.0), counters=BUSY)


def test_a_busy_host_is_no_busy_fleet() -> None:
    assert not rules(FAULTLESS, counters=BUSY.assign(role="replica", host=0))


def test_tables_of_other_runs_change_nothing() -> None:
    assert not rules(FAULTLESS, counters=BUSY.assign(run_id="another"))


def test_mixed_frames_between_folders_are_told_of_the_runs_of_each() -> None:
    runs = pd.concat(
        [runs_of(clients=(1,)).assign(folder=name, requests_per_frame_max=frame)
         for name, frame in (("a", 1), ("b", 128))]
    )  # fmt: skip
    told = lint_between(runs)
    assert set(told["words"]) == {"requests_per_frame_max is 1, 128"}
    assert told.groupby("folder")["run_id"].nunique().to_dict() == {"a": 6, "b": 6}
    assert lint_between(runs[runs["folder"] == "a"]).empty
