"""The result linter: each rule finds what it is for, and is quiet where all is well."""

import math

import pandas as pd
import pytest

from experiments.linter import COLUMNS, PERCENTILE, RULES, by_rule, kept_up, lint, lint_between
from tests.dashboards.result_set import failed, runs_of

FAULTLESS = runs_of(clients=(1_000, 16_000)).assign(duration_s=5.0)
"""More clients than open batches hold, long and warmed up, repeated: nothing to say."""
SINGLE = FAULTLESS.iloc[:1]
OPEN = SINGLE.assign(arrival_rate_rps=10_000.0, throughput_rps=10_000.0)


def rules(runs: pd.DataFrame, percentile: str = PERCENTILE) -> dict[str, str]:
    """Return what is found of the first run: words by rule."""
    found = lint(runs, percentile=percentile)
    of_first = found[found["run_id"] == runs["run_id"].iloc[0]]
    return dict(zip(of_first["rule"], of_first["words"], strict=True))


def test_nothing_is_said_where_all_is_well() -> None:
    found = lint(FAULTLESS)
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


def test_findings_are_summed_up_by_rule_the_worst_first() -> None:
    cold = runs_of(("jpaxos",), clients=(1, 100)).assign(duration_s=5.0, warmup_s=0.0)
    summed = by_rule(lint(failed(cold, 0, outcome="no quorum", safety="")))
    assert [(each.name, each.runs) for each in summed] == [
        ("not-sound", 1),
        ("no-warmup", 5),
        ("few-repeats", 2),
        ("client-bound", 3),
    ]
    words = {each.name: each.words for each in summed}
    assert words["not-sound"] == "failed: no quorum"
    assert words["no-warmup"].startswith("5 runs, for instance: 0 s of warm-up")
    assert words["few-repeats"] == "2 runs: 2 sound of the 3 that an interval needs"


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
        "too-short": "for the 99th percentile, the window has 9 bins of 0.1 s"
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


def test_runs_whose_hosts_shared_nodes_are_told_where_those_of_others_had_more() -> None:
    mixed = FAULTLESS.copy()
    mixed.loc[mixed.index[0], "nodes"] = 2
    assert rules(mixed) == {"mixed-placement": "hosts lived on nodes = 2, those of others on 3"}
    assert lint(mixed.assign(nodes=2)).empty
    # A suite may sweep the number of its hosts; virtual time and what failed have no nodes.
    other = mixed.assign(replicas=mixed["replicas"].where(mixed["nodes"] == 3, 5))
    assert "mixed-placement" not in rules(other)
    assert lint(mixed.assign(nodes=mixed["nodes"].where(mixed["nodes"] == 3, 0))).empty


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


def grown(first: float, last: float) -> pd.DataFrame:
    """Return an open-loop run with so many in flight at either end of its window."""
    return OPEN.assign(in_flight_first_third=first, in_flight_last_third=last)


def test_what_waits_longer_and_longer_is_a_growing_queue() -> None:
    found = rules(grown(27_500.0, 61_000.0))
    assert found["growing-queue"] == "requests in the system grew from 27,500 to 61,000"


@pytest.mark.parametrize(
    ("first", "last"),
    [(50_000.0, 50_000.0), (10.0, 680.0), (50_000.0, 59_000.0), (9.0, math.nan)],
)
def test_what_waits_steadily_or_grows_by_chance_is_none(first: float, last: float) -> None:
    """By chance 671 more may have come of 50,000, and a fifth more than there were is no trend."""
    assert "growing-queue" not in rules(grown(first, last))


def test_closed_loop_clients_have_no_queue() -> None:
    assert "growing-queue" not in rules(grown(1.0, 9_999.0).assign(arrival_rate_rps=0.0))


@pytest.mark.parametrize(
    ("protocol", "clients", "is_told"),
    [
        ("jpaxos", 4_600, True),  # 2 batches of 2,339 requests.
        ("jpaxos", 4_700, False),
        ("spaxos", 14_000, True),  # So many from each of 3 hosts.
        ("spaxos", 14_100, False),
        ("multipaxos", 2, True),  # A request an instance.
        ("multipaxos", 3, False),
    ],
)
def test_clients_that_fit_into_the_open_batches_bound_a_run(
    protocol: str, clients: int, is_told: bool
) -> None:
    runs = runs_of((protocol,), clients=(clients,)).assign(duration_s=5.0)
    assert ("client-bound" in rules(runs)) == is_told


@pytest.mark.parametrize("what", [{"backend": "null_actor"}, {"protocol": "unreplicated"}])
def test_who_orders_nothing_has_no_batches_to_fill(what: dict[str, str]) -> None:
    runs = runs_of(("jpaxos",), clients=(100,)).assign(duration_s=5.0, replicas=1, **what)
    assert "client-bound" not in rules(runs)


def test_only_the_most_clients_of_a_sweep_are_taken_for_a_peak() -> None:
    runs = runs_of(("jpaxos",), clients=(1, 100)).assign(duration_s=5.0)
    told = lint(runs).query("rule == 'client-bound'").merge(runs, on="run_id")
    assert set(told["clients"]) == {100}


def test_a_run_at_its_computed_limit_is_not_bound_by_clients() -> None:
    runs = runs_of(("jpaxos",), clients=(100,)).assign(duration_s=5.0)
    assert "client-bound" not in rules(runs.assign(limit_rps=runs["throughput_rps"]))


# --- What went wrong on the way -----------------------------------------------------------------


def test_requests_sent_again_and_frames_dropped_in_the_window_are_told() -> None:
    assert rules(FAULTLESS.assign(retried=7.0, dropped=100.0)) == {
        "lost-messages": "7 requests were sent again and 100 messages or frames were dropped"
    }
    assert rules(FAULTLESS.assign(dropped=100.0)) == {
        "lost-messages": "100 messages or frames were dropped"
    }


def test_what_faults_lose_is_no_finding() -> None:
    runs = FAULTLESS.assign(retried=7.0, dropped=100.0, faults="1 kill host leader")
    assert "lost-messages" not in rules(runs)


@pytest.mark.parametrize(
    ("cores", "is_told"), [(0.0, False), (0.8, False), (0.95, True), (math.nan, False)]
)
def test_a_fleet_that_keeps_a_core_busy_is_saturated(cores: float, is_told: bool) -> None:
    said = {"saturated-fleet": "a fleet kept 0.95 of a core busy"}
    assert rules(FAULTLESS.assign(cpu_cores_busiest_fleet=cores)) == (said if is_told else {})


def test_mixed_frames_between_folders_are_told_of_the_runs_of_each() -> None:
    runs = pd.concat(
        [runs_of(clients=(1,)).assign(folder=name, requests_per_frame_max=frame)
         for name, frame in (("a", 1), ("b", 128))]
    )  # fmt: skip
    told = lint_between(runs)
    assert set(told["words"]) == {"requests_per_frame_max is 1, 128"}
    assert told.groupby("folder")["run_id"].nunique().to_dict() == {"a": 6, "b": 6}
    assert lint_between(runs[runs["folder"] == "a"]).empty
