import math

import pandas as pd
import pytest

from dashboards.findings import Finding, findings
from experiments.results import EVENTS_COLUMNS
from experiments.summarise import summary
from tests.dashboards.result_set import disturbed, failed, runs_of

NO_EVENTS = pd.DataFrame(columns=["run_id", *EVENTS_COLUMNS])


def said(runs: pd.DataFrame, events: pd.DataFrame = NO_EVENTS) -> dict[str, Finding]:
    return {finding.heading: finding for finding in findings(runs, summary(runs), events)}


def two_points(jpaxos_rps: float, spaxos_rps: float) -> pd.DataFrame:
    """Return one run a protocol and number of clients, with the given peaks under 100 clients."""
    runs = runs_of(clients=(10, 100, 1_000), repeats=1)
    peaks = runs["protocol"].map({"jpaxos": jpaxos_rps, "spaxos": spaxos_rps})
    runs["throughput_rps"] = peaks.where(runs["clients"] == 100, peaks / 2)
    runs["latency_ms_p50"] = runs["clients"] / 20
    runs["latency_ms_p99"] = runs["clients"] / 10
    return runs


def test_it_says_what_was_run() -> None:
    text = said(runs_of(replicas=(3, 5)))["What was run"].text
    assert text == (
        "72 runs of the suite <em>synthetic</em>: JPaxos and S-Paxos on 3 and 5 replicas, "
        "with 1 to 16,000 closed-loop clients and 3 repeats of each point."
    )


def test_a_peak_comes_with_its_clients_and_its_latency() -> None:
    assert said(two_points(2e6, 5e5))["Peak throughput"].items[0] == (
        "<strong>JPaxos</strong> reaches <strong>2.00 M requests/s</strong> with 100 clients; "
        "half of the requests then take at most 5.00 ms and 99% at most 10.0 ms."
    )


def test_a_peak_under_the_most_clients_may_not_be_one() -> None:
    runs = two_points(2e6, 5e5)
    below = runs[runs["clients"] <= 100]
    assert all("may lie beyond" in peak for peak in said(below)["Peak throughput"].items)


def test_peaks_are_compared_and_the_comparison_is_qualified() -> None:
    found = said(two_points(2e6, 5e5))
    assert found["Compared at their peaks"].items == [
        "The peak of S-Paxos is <strong>0.250 times</strong> that of JPaxos."
    ]
    machine, workload = found["Read with care"].items
    assert "(here of 2 cores)" in machine
    assert "Equal numbers of clients are different workloads" in workload


def test_only_equal_settings_are_compared() -> None:
    pairs = said(runs_of(replicas=(3, 5)))["Compared at their peaks"].items
    assert [("n = 3" in pair, "n = 5" in pair) for pair in pairs] == [(True, False), (False, True)]


def test_one_protocol_is_compared_with_nothing() -> None:
    assert not {"Compared at their peaks", "Read with care"} & said(runs_of(("jpaxos",))).keys()


def test_the_lightest_load_is_that_of_the_fewest_clients() -> None:
    assert said(two_points(2e6, 5e5))["Lightest load"].items[1] == (
        "<strong>S-Paxos</strong> answers half of the requests within <strong>0.500 ms</strong> "
        "and 99% within 1.00 ms with 10 clients."
    )


def survival(words: str, **numbers: float) -> str:
    """Return what is said of one run of JPaxos with these faults and results."""
    tables = disturbed(words, protocols=("jpaxos",))
    (sentence,) = said(tables.runs.assign(**numbers), tables.events)["Under faults"].items
    return sentence


def test_a_run_with_faults_is_told_in_a_sentence() -> None:
    numbers = {"unavailability_s": 0.7, "recovery_s": 0.85, "retried": 1_000.0}
    assert survival("2 kill host leader", **numbers) == (
        "<strong>JPaxos</strong>: host 0 (leader) killed at 2.0 s; no replies for "
        "<strong>0.7 s</strong>; 90% of the throughput again after <strong>0.8 s</strong>; "
        "1,000 requests tried again."
    )


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"unavailability_s": 0.0}, "; replies never stopped; "),
        ({"recovery_s": 0.01}, "; 90% of the throughput kept; "),
        ({"recovery_s": math.nan}, "; 90% of the throughput not seen again; "),
        ({"retried": 1.0}, "; 1 request tried again."),
    ],
)
def test_a_fault_that_cost_nothing_or_all_is_told_so(numbers: dict[str, float], words: str) -> None:
    assert words in survival("2 kill host leader", **numbers)


def test_of_many_faults_the_first_are_named() -> None:
    assert (
        ": replica 1 suspects the leader at 1.0 s, replica 2 suspects the leader at 3.0 s, "
        "replica 0 suspects the leader at 5.0 s and 1 more fault; "
    ) in survival("1 every 2 suspect replica follower")


def test_faults_that_took_no_effect_are_told() -> None:
    assert ": no fault took effect; " in survival("8 kill host 2")


def test_runs_without_faults_are_not_among_those_with() -> None:
    assert "Under faults" not in said(runs_of())
    tables = disturbed("", "2 kill host leader", protocols=("jpaxos",))
    assert len(said(tables.runs, tables.events)["Under faults"].items) == 1


def test_of_too_many_runs_with_faults_the_worst_are_told() -> None:
    tables = disturbed("2 kill host leader", repeats=10)
    found = said(tables.runs, tables.events)["Under faults"]
    assert found.text.startswith("Of 20 runs with faults, the 12 with the longest gaps in replies")
    assert len(found.items) == 12


def test_all_runs_safe_is_said_with_their_number() -> None:
    found = said(runs_of())
    assert found["Safety"].text == "Every finished run passed every safety check: 36 runs."
    assert "Failed runs" not in found


def test_a_broken_guarantee_and_a_failure_are_told_with_their_run_and_reason() -> None:
    runs = failed(runs_of(), 4, safety="replica 2 disagrees")
    found = said(failed(runs, 0, outcome="no <leader>", safety=""))
    assert "1 of 35" in found["Safety"].text
    assert found["Safety"].items == ["JPaxos, n = 3, 10 clients, repeat 1: replica 2 disagrees"]
    assert found["Failed runs"].text.startswith("Runs that did not finish: 1 of 36")
    assert found["Failed runs"].items == [
        "JPaxos, n = 3, 1 client, repeat 0: no &lt;leader&gt;",
    ]


def test_where_nothing_finished_there_is_no_verdict() -> None:
    runs = runs_of(("jpaxos",), clients=(1,), repeats=1)
    found = said(failed(runs, 0, outcome="timed out", safety=""))
    assert found.keys() == {"What was run", "Safety", "Failed runs"}
    assert found["Safety"].text == "No run finished, so no run has a verdict."
