import math
import warnings

import pandas as pd
import pytest

from dashboards.findings import Finding, findings
from experiments.results import EVENTS_COLUMNS
from experiments.summarise import summary
from tests.dashboards.result_set import disturbed, failed, runs_of

NO_EVENTS = pd.DataFrame(columns=["run_id", *EVENTS_COLUMNS])


def said(runs: pd.DataFrame, events: pd.DataFrame = NO_EVENTS) -> dict[str, Finding]:
    return {finding.heading: finding for finding in findings(runs, summary(runs), events)}


def test_a_table_that_was_put_together_of_others_is_read_without_a_warning() -> None:
    """Its rows may have the same names."""
    runs = failed(runs_of(clients=(1, 10)), 0, outcome="no leader", safety="")
    with warnings.catch_warnings(action="error"):
        lost = said(pd.concat([runs, runs]))["Failed or invalid runs"]
    assert lost.text.startswith("2 of 24;")


def two_points(jpaxos_rps: float, spaxos_rps: float) -> pd.DataFrame:
    """Return one run a protocol and number of clients, with the given peaks under 100 clients."""
    runs = runs_of(clients=(10, 100, 1_000), repeats=1)
    peaks = runs["protocol"].map({"jpaxos": jpaxos_rps, "spaxos": spaxos_rps})
    runs["throughput_rps"] = peaks.where(runs["clients"] == 100, peaks / 2)
    runs["latency_ms_p50"] = runs["clients"] / 20
    runs["latency_ms_p99"] = runs["clients"] / 10
    return runs


LIMITS = {
    "jpaxos": (173_200.0, "egress of the leader"),
    "spaxos": (445e3, "ingress of the follower"),
}


def on_hosts_with_limits(runs: pd.DataFrame, backend: str = "live") -> pd.DataFrame:
    """Return the same runs as if of hosts with 100 Mbit/s."""
    limits = [LIMITS[protocol] for protocol in runs["protocol"]]
    return runs.assign(
        profile="ethernet-100mbit",
        backend=backend,
        egress_mbit_s=100.0,
        ingress_mbit_s=100.0,
        network_delay_ms=0.1,
        limit_rps=[limit for limit, _ in limits],
        limit_by=[by for _, by in limits],
        run_id="limited-" + runs["run_id"],
    )


def demo() -> pd.DataFrame:
    """Return runs as the suite demo has them: without limits, and with 100 Mbit/s a host."""
    machine, limited = two_points(2e6, 1e6), on_hosts_with_limits(two_points(170e3, 408e3))
    cost_us = machine["protocol"].map({"jpaxos": 0.5, "spaxos": 1.2})
    return pd.concat([machine.assign(cpu_us_per_request=cost_us), limited], ignore_index=True)


def offered(**answered_rps: list[float]) -> pd.DataFrame:
    """Return open-loop runs of each protocol that was offered 20, 60 and 80 k requests/s."""
    parts = []
    for protocol, rates in answered_rps.items():
        for offered_rps, rate in zip((20e3, 60e3, 80e3), rates, strict=True):
            run = runs_of((protocol,), clients=(4_000,), repeats=1)
            latency_ms = (1.0 if protocol == "jpaxos" else 1.5) * offered_rps / 20e3
            run = run.assign(arrival_rate_rps=offered_rps, throughput_rps=rate)
            parts.append(run.assign(latency_ms_p50=latency_ms, latency_ms_p99=10 * latency_ms))
    return pd.concat(parts, ignore_index=True)


OFFERED = offered(jpaxos=[20e3, 60e3, 65e3], spaxos=[20e3, 60e3, 79e3])


def test_it_says_what_was_run() -> None:
    text = said(runs_of(replicas=(3, 5)))["What was run"].text
    assert text == (
        "72 runs of the suite <em>synthetic</em>: JPaxos and S-Paxos on 3 and 5 replicas, "
        "with 1 to 16,000 closed-loop clients; 3 repeats of each point, on hosts without limits, "
        "on Ray."
    )


def test_it_says_which_hosts_have_limits_and_what_ran_them() -> None:
    limited, machine = on_hosts_with_limits(runs_of(), "sim"), runs_of()
    both_ways = pd.concat([on_hosts_with_limits(runs_of()), limited], ignore_index=True)
    mixed = pd.concat([machine, limited], ignore_index=True)
    for runs, hosts in (
        (demo(), "on hosts without limits and with limits (ethernet-100mbit), on Ray."),
        (limited, "on hosts with limits (ethernet-100mbit), in virtual time."),
        (limited.assign(profile="none"), "on hosts with limits, in virtual time."),
        (both_ways, "on hosts with limits (ethernet-100mbit), on Ray and in virtual time."),
        (
            mixed,
            "on hosts without limits, on Ray; hosts with limits (ethernet-100mbit), in virtual "
            "time.",
        ),
    ):
        assert said(runs)["What was run"].text.endswith(f"of each point, {hosts}")


def test_it_says_what_open_loop_clients_offer() -> None:
    opened = "with 20.0 k to 80.0 k requests/s offered by 4,000 open-loop clients; 1 repeat"
    assert opened in said(OFFERED)["What was run"].text
    mixed = pd.concat([OFFERED, two_points(2e6, 5e5)], ignore_index=True)
    assert "with 10 to 1,000 closed-loop clients and 20.0 k to" in said(mixed)["What was run"].text


def test_a_peak_comes_with_its_clients_and_its_latency() -> None:
    assert said(two_points(2e6, 5e5))["Peak throughput"].items[0] == (
        "<strong>JPaxos</strong> reaches <strong>2.00 M requests/s</strong> with 100 clients; "
        "latency is <strong>5.00 ms</strong> (median) and 10.0 ms (99%)."
    )


def test_a_peak_on_hosts_with_limits_comes_with_its_share_of_the_limit() -> None:
    runs = on_hosts_with_limits(two_points(173_200.0, 222_500.0))
    jpaxos, spaxos = said(runs)["Peak throughput"].items
    assert "with 100 clients, 100% of its computed limit; latency is" in jpaxos
    assert "with 100 clients, 50% of its computed limit; latency is" in spaxos


def test_a_peak_under_the_most_clients_may_not_be_one() -> None:
    runs = two_points(2e6, 5e5)
    assert said(runs)["Peak throughput"].text == ""
    found = said(runs[runs["clients"] <= 100])["Peak throughput"]
    assert found.text == "* The most clients with which a run counts: the true peak may lie beyond."
    assert all(" with 100 clients*; latency" in peak for peak in found.items)


def all_lost(runs: pd.DataFrame, protocol: str, clients: int) -> pd.DataFrame:
    """Return the runs as if all of a protocol under so many clients had failed."""
    for row in runs.index[(runs["protocol"] == protocol) & (runs["clients"] == clients)]:
        runs = failed(runs, row, outcome="timed out", safety="")
    return runs


def test_failed_runs_that_cut_off_a_curve_are_warned_of_before_anything_is_compared() -> None:
    found = said(all_lost(two_points(2e6, 5e5), "spaxos", 1_000))
    assert list(found)[:3] == ["What was run", "Cut off by failed runs", "S-Paxos against JPaxos"]
    warning = found["Cut off by failed runs"]
    assert warning.is_warning
    assert warning.items == ["<strong>S-Paxos</strong> with 1,000 clients"]
    (ratio,) = found["S-Paxos against JPaxos"].items
    assert "failed ones cut these curves off" in ratio


def test_failed_runs_at_the_lowest_load_cut_off_no_peak() -> None:
    found = said(all_lost(two_points(2e6, 5e5), "spaxos", 10))
    assert "Cut off by failed runs" not in found
    (ratio,) = found["S-Paxos against JPaxos"].items
    assert "cut these curves off" not in ratio


def test_a_load_with_one_run_that_counts_is_not_cut_off() -> None:
    runs = runs_of(clients=(10, 100))
    assert "Cut off by failed runs" not in said(failed(runs, 0, outcome="timed out", safety=""))


def test_a_ratio_of_curves_that_are_all_there_is_not_qualified() -> None:
    runs = runs_of(replicas=(3, 5), clients=(10, 100), repeats=1)
    is_lost = (runs["protocol"] == "jpaxos") & (runs["replicas"] == 5) & (runs["clients"] == 100)
    (row,) = runs.index[is_lost]
    found = said(failed(runs, row, outcome="timed out", safety=""))
    assert found["Cut off by failed runs"].items == [
        "<strong>JPaxos, n = 5</strong> with 100 clients"
    ]
    whole, cut = found["S-Paxos against JPaxos"].items
    assert "cut these curves off" in cut
    assert "cut these curves off" not in whole


def test_a_protocol_of_which_no_run_counts_is_warned_of_too() -> None:
    runs = all_lost(runs_of(clients=(10, 100), repeats=1), "jpaxos", 10)
    found = said(all_lost(runs, "jpaxos", 100))
    assert found["Cut off by failed runs"].items == [
        "<strong>JPaxos</strong> with 10 clients and 100 clients"
    ]


def test_loads_that_were_offered_are_missed_too() -> None:
    runs = failed(OFFERED, OFFERED.index[-1], outcome="timed out", safety="")
    assert said(runs)["Cut off by failed runs"].items == [
        "<strong>S-Paxos</strong> with 80.0 k requests/s offered"
    ]


def test_nothing_lies_beyond_a_computed_limit() -> None:
    runs = on_hosts_with_limits(two_points(173_200.0, 222_500.0))
    jpaxos, spaxos = said(runs[runs["clients"] <= 100])["Peak throughput"].items
    assert " with 100 clients, 100% of" in jpaxos
    assert " with 100 clients*, 50% of" in spaxos


def test_on_the_machine_alone_the_comparison_says_what_a_request_takes_and_why() -> None:
    runs = demo().query("profile == 'none'")
    found = said(runs)
    assert found["S-Paxos against JPaxos"].items == [
        "On hosts without limits, the peak of S-Paxos is <strong>0.500 times</strong> that of "
        "JPaxos. Over all hosts a request took 1.20 µs of CPU with S-Paxos and 0.500 µs with "
        "JPaxos."
    ]
    (why,) = found["Why"].items
    assert "one machine (here of 2 cores) share its cores: what S-Paxos takes off the lead" in why
    assert why.endswith(
        "--set profile=ethernet-100mbit</code> gives each host a network of its own."
    )
    (workload,) = found["Read with care"].items
    assert "Equal numbers of clients are different workloads" in workload


def test_on_hosts_with_limits_the_comparison_says_what_they_allow_and_why() -> None:
    found = said(on_hosts_with_limits(two_points(170e3, 408e3)))
    assert found["S-Paxos against JPaxos"].items == [
        "On hosts with limits of their own, the peak of S-Paxos is <strong>2.40 times</strong> "
        "that of JPaxos. Computed limits: S-Paxos 445 k requests/s (ingress of the follower), "
        "JPaxos 173 k requests/s (egress of the leader)."
    ]
    (why,) = found["Why"].items
    assert why.startswith("JPaxos's leader takes in every request and sends it to each follower")
    assert not [item for finding in found.values() for item in finding.items if "cores" in item]


def test_the_demo_shows_that_the_same_protocols_change_places() -> None:
    found = said(demo())
    limited, machine = found["S-Paxos against JPaxos"].items
    assert limited.startswith(
        "<strong>profile = ethernet-100mbit</strong>: on hosts with limits of their own, the peak "
        "of S-Paxos is <strong>2.40 times</strong>"
    )
    assert machine.startswith(
        "<strong>profile = none</strong>: on hosts without limits, the peak of S-Paxos is "
        "<strong>0.500 times</strong>"
    )
    leader, shared = found["Why"].items
    assert "until the limits of its host hold it back" in leader
    assert shared.endswith("together with the work of spreading it.")


@pytest.mark.parametrize(
    "changed",
    [
        {"throughput_rps": 1e6},
        {"cpu_us_per_request": 0.5},
        {"placement": "strict_spread"},
    ],
    ids=str,
)
def test_no_shared_machine_is_blamed_where_the_numbers_do_not_say_so(
    changed: dict[str, object],
) -> None:
    """Where S-Paxos is not behind, takes no more CPU, or each host has a node of its own."""
    assert "Why" not in said(demo().query("profile == 'none'").assign(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"throughput_rps": 170e3},
        {"limit_rps": 1e6},
        {"limit_by": "CPU of the follower"},
    ],
    ids=str,
)
def test_no_leader_is_blamed_where_the_numbers_do_not_say_so(changed: dict[str, object]) -> None:
    """Where S-Paxos is not ahead, JPaxos is far from its limit, or it is not the leader's."""
    runs = on_hosts_with_limits(two_points(170e3, 408e3))
    assert "Why" not in said(runs.assign(**changed))


def test_where_no_cpu_was_measured_none_is_compared() -> None:
    """So it is in virtual time, where a delay alone limits nothing."""
    runs = two_points(2e6, 5e5).assign(backend="sim", network_delay_ms=0.1, cpu_us_per_request=0.0)
    assert said(runs)["S-Paxos against JPaxos"].items == [
        "On hosts without limits, the peak of S-Paxos is <strong>0.250 times</strong> that of "
        "JPaxos."
    ]
    assert "Why" not in said(runs)


def test_runs_in_virtual_time_are_qualified() -> None:
    runs = two_points(170e3, 408e3)
    assert "Virtual time" in said(on_hosts_with_limits(runs, "sim"))["Read with care"].items[-1]
    live = said(on_hosts_with_limits(runs))["Read with care"].items
    assert not [item for item in live if "Virtual time" in item]


def test_only_equal_settings_are_compared() -> None:
    pairs = said(runs_of(replicas=(3, 5)))["S-Paxos against JPaxos"].items
    assert [("n = 3" in pair, "n = 5" in pair) for pair in pairs] == [(True, False), (False, True)]


def test_one_protocol_is_compared_with_nothing() -> None:
    found = said(runs_of(("jpaxos",))).keys()
    assert not {"S-Paxos against JPaxos", "Why", "Read with care"} & found


def test_nothing_is_compared_with_a_system_that_answered_nothing() -> None:
    assert "S-Paxos against JPaxos" not in said(two_points(0.0, 5e5))


def test_open_loop_clients_have_loads_that_are_kept_up_with_and_no_peaks() -> None:
    found = said(OFFERED)
    assert "Peak throughput" not in found
    assert found["Offered load"].text.endswith("at least 97% of what arrives.")
    assert found["Offered load"].items == [
        "<strong>JPaxos</strong> keeps up with <strong>60.0 k requests/s offered</strong>; latency "
        "is <strong>3.00 ms</strong> (median) and 30.0 ms (99%); of 80.0 k requests/s "
        "offered it answers 65.0 k.",
        "<strong>S-Paxos</strong> keeps up with <strong>80.0 k requests/s offered</strong>; "
        "latency is <strong>6.00 ms</strong> (median) and 60.0 ms (99%); more was not tried.",
    ]
    assert found["Latency under the lightest load"].items[0] == (
        "<strong>JPaxos</strong>: <strong>1.00 ms</strong> (median) and 10.0 ms (99%) with "
        "20.0 k requests/s offered."
    )


def test_open_loop_latency_is_compared_at_the_highest_load_that_both_keep_up_with() -> None:
    assert said(OFFERED)["S-Paxos against JPaxos"].items == [
        "At 60.0 k requests/s offered, the most with which both keep up, latency is "
        "<strong>4.50 ms</strong> (median) and 45.0 ms (99%) with S-Paxos; "
        "<strong>3.00 ms</strong> (median) and 30.0 ms (99%) with JPaxos."
    ]


def test_a_system_that_keeps_up_with_nothing_is_told_and_compared_with_nothing() -> None:
    found = said(offered(jpaxos=[10e3] * 3, spaxos=[20e3, 60e3, 80e3]))
    assert found["Offered load"].items[0] == (
        "<strong>JPaxos</strong> keeps up with none of the loads tried; of 20.0 k requests/s "
        "offered it answers 10.0 k."
    )
    assert "S-Paxos against JPaxos" not in found


def test_of_open_loop_clients_only_overload_is_qualified() -> None:
    (overload,) = said(OFFERED)["Read with care"].items
    assert "what waits grows all the time" in overload
    assert "Read with care" not in said(
        offered(jpaxos=[20e3, 60e3, 80e3], spaxos=[20e3, 60e3, 80e3])
    )


def test_the_lightest_load_is_that_of_the_fewest_clients() -> None:
    assert said(two_points(2e6, 5e5))["Latency under the lightest load"].items[1] == (
        "<strong>S-Paxos</strong>: <strong>0.500 ms</strong> (median) and 1.00 ms (99%) with "
        "10 clients."
    )


def test_a_load_without_another_is_not_told_twice() -> None:
    assert "Latency under the lightest load" not in said(runs_of(clients=(1_000,)))


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
    assert "Failed or invalid runs" not in found


def test_a_broken_guarantee_and_a_failure_are_told_with_their_run_and_reason() -> None:
    runs = failed(runs_of(replicas=(3, 5)), 4, safety="replica 2 disagrees")
    found = said(failed(runs, 0, outcome="no <leader>", safety=""))
    assert "1 of 71" in found["Safety"].text
    assert found["Safety"].items == ["JPaxos, n = 3, 10 clients, repeat 1: replica 2 disagrees"]
    assert found["Failed or invalid runs"].text == "1 of 72; they are in no figure."
    assert found["Failed or invalid runs"].items == [
        "JPaxos, n = 3, 1 client, repeat 0: no &lt;leader&gt;",
    ]


def test_an_invalid_run_that_broke_a_guarantee_is_told_as_both() -> None:
    runs = failed(runs_of(), 0, outcome="the machine cannot keep up", safety="replica 2 disagrees")
    found = said(runs)
    assert "1 of 36" in found["Safety"].text
    assert found["Safety"].items == ["JPaxos, 1 client, repeat 0: replica 2 disagrees"]
    assert found["Failed or invalid runs"].items == [
        "JPaxos, 1 client, repeat 0: the machine cannot keep up"
    ]


def test_an_invalid_run_is_told_with_the_hosts_that_it_had() -> None:
    runs = demo()
    row = runs.index[runs["profile"] != "none"][0]
    (item,) = said(failed(runs, row, outcome="too late"))["Failed or invalid runs"].items
    assert item == "JPaxos, profile = ethernet-100mbit, 10 clients, repeat 0: too late"


def test_where_nothing_finished_there_is_no_verdict() -> None:
    runs = runs_of(("jpaxos",), clients=(1,), repeats=1)
    found = said(failed(runs, 0, outcome="timed out", safety=""))
    assert found.keys() == {"What was run", "Safety", "Failed or invalid runs"}
    assert found["Safety"].text == "No run finished, so no run has a verdict."
