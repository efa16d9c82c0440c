"""The scorecard, on points made up for it."""

import pandas as pd
import pytest

from experiments.claims import CLAIMS, Points, Score, scorecard

OTHERS_SHARE = 0.1


def points(**throughputs: dict[tuple[object, ...], float]) -> Points:
    """Make the points of suites from throughputs by (protocol, value of what is swept)."""
    keys = {"srds12_clients": "clients", "srds12_replicas": "replicas", "srds12_split": "case"}
    tables = {}
    for suite, by_point in throughputs.items():
        rows = [
            {
                "protocol": protocol,
                "clients": 4000,
                "replicas": 3,
                "case": "",
                keys[suite]: value,
                "throughput_rps": rate,
                "cpu_cores_leader_host": 1.0,
                "cpu_cores_other_hosts": OTHERS_SHARE,
            }
            for (protocol, value), rate in by_point.items()
        ]
        table = tables[suite] = pd.DataFrame(rows)
        table["latency_ms_mean"] = 1e3 * table["clients"] / table["throughput_rps"]
    return tables


def score(claim_id: str, of: Points) -> Score:
    (found,) = [each for each in scorecard(of) if each.id == claim_id]
    return found


def saturating(peak: float, at: int) -> Points:
    """JPaxos reaches its peak with so many clients, and keeps it."""
    rates = {("jpaxos", each): peak * min(1.0, each / at) for each in (10, 100, 1000, 2000, 4000)}
    spaxos = {("spaxos", each): 2 * rate for (_, each), rate in rates.items()}
    return points(srds12_clients=rates | spaxos)


def by_replicas(jpaxos: list[float], spaxos: list[float]) -> Points:
    sizes = (3, 7, 11)
    rates = {("jpaxos", n): rate for n, rate in zip(sizes, jpaxos, strict=True)}
    rates |= {("spaxos", n): rate for n, rate in zip(sizes, spaxos, strict=True)}
    return points(srds12_replicas=rates)


def test_a_claim_whose_runs_all_failed_is_not_reproduced() -> None:
    of = points(srds12_replicas={("jpaxos", 3): 70e3, ("spaxos", 3): float("nan")})
    found = score("spaxos-peak", of)
    assert (found.ours, found.verdict) == ("nothing", "not measured")
    assert found.reason == "no sound run of spaxos in srds12_replicas"


def test_a_claim_is_judged_only_where_its_suite_has_been_run() -> None:
    needs_nothing = {claim.claim_id for claim in CLAIMS if not claim.suites}
    assert {each.id for each in scorecard({})} == needs_nothing
    assert "jpaxos-peak" in {each.id for each in scorecard(saturating(70e3, 1000))}


def test_a_claim_is_judged_by_the_points_alone_that_it_says() -> None:
    of = saturating(70e3, 1000)
    for claim in CLAIMS:
        if claim.suites == ("srds12_clients",):
            only = {suite: claim.chosen(table) for suite, table in of.items()}
            assert score(claim.claim_id, only) == score(claim.claim_id, of)


@pytest.mark.parametrize(
    ("peak", "verdict"),
    [(70e3, "reproduced"), (71.3e3, "reproduced"), (66e3, "trend"), (50e3, "not reproduced")],
)
def test_the_fitted_peak_is_held_to_two_percent(peak: float, verdict: str) -> None:
    found = score("jpaxos-peak", saturating(peak, 1000))
    assert found.verdict == verdict
    assert "fitted" in found.reason


@pytest.mark.parametrize(
    ("at", "verdict"), [(1000, "reproduced"), (100, "trend"), (10, "not reproduced")]
)
def test_where_jpaxos_saturates_is_the_first_point_near_its_peak(at: int, verdict: str) -> None:
    found = score("jpaxos-saturates", saturating(70e3, at))
    assert (found.ours, found.verdict) == (f"{at:,} clients", verdict)


def test_followers_are_light_at_a_quarter_of_the_leaders_cpu() -> None:
    found = score("jpaxos-followers", saturating(70e3, 1000))
    assert (found.ours, found.verdict) == ("10% of the leader's CPU", "reproduced")


@pytest.mark.parametrize(
    ("last", "verdict"), [(66e3, "reproduced"), (70e3, "trend"), (90e3, "not reproduced")]
)
def test_slightly_lower_is_neither_level_nor_much_lower(last: float, verdict: str) -> None:
    rates = by_replicas([70e3, 69e3, last], [100e3, 200e3, 300e3])
    assert score("jpaxos-replicas", rates).verdict == verdict


@pytest.mark.parametrize(
    ("spaxos", "peak", "ratio", "growth"),
    [
        ([200e3, 400e3, 500e3], "reproduced", "reproduced", "reproduced"),
        ([170e3, 260e3, 300e3], "trend", "trend", "reproduced"),
        ([60e3, 61e3, 60e3], "not reproduced", "not reproduced", "not reproduced"),
    ],
)
def test_s_paxos_is_judged_by_its_peak_its_ratio_and_its_growth(
    spaxos: list[float], peak: str, ratio: str, growth: str
) -> None:
    rates = by_replicas([70e3, 70e3, 70e3], spaxos)
    verdicts = [
        score(each, rates).verdict for each in ("spaxos-peak", "spaxos-ratio", "spaxos-grows")
    ]
    assert verdicts == [peak, ratio, growth]


def test_the_peak_of_s_paxos_is_shown_with_what_it_depends_on() -> None:
    rates = dict(by_replicas([70e3] * 3, [170e3, 260e3, 300e3]))
    rates |= points(srds12_split={("spaxos", "0 %"): 525e3, ("spaxos", "40 %"): 142e3})
    assert "142.0 kreq/s to 525.0 kreq/s" in score("spaxos-peak", rates).reason


@pytest.mark.parametrize(
    ("off", "verdict"), [(1.0, "reproduced"), (1.03, "trend"), (0.9, "not reproduced")]
)
def test_littles_law_is_held_to_two_percent(off: float, verdict: str) -> None:
    of = saturating(70e3, 1000)
    of["srds12_clients"].loc[3, "latency_ms_mean"] *= off
    assert score("littles-law", of).verdict == verdict


def ethernet(**rates: float) -> Points:
    """Make points at 100 Mbit/s of which the limit is 100, from rates by `jpaxos_live_3`."""
    rows = []
    for name, rate in rates.items():
        protocol, backend, replicas = name.split("_")
        point = {"protocol": protocol, "backend": backend, "replicas": int(replicas)}
        rows.append({**point, "throughput_rps": rate, "limit_rps": 100.0})
    return {"ethernet_100mbit": pd.DataFrame(rows)}


SIMULATED = {"jpaxos_sim_3": 99.0, "spaxos_sim_3": 95.0}


@pytest.mark.parametrize(
    ("live", "verdict"),
    [
        ({"jpaxos_live_3": 98.0, "spaxos_live_3": 92.0}, "reproduced"),
        ({"jpaxos_live_3": 98.0, "spaxos_live_3": 83.0}, "trend"),
        ({"jpaxos_live_3": 98.0, "spaxos_live_3": 79.0}, "not reproduced"),
        ({"jpaxos_live_3": 130.0, "spaxos_live_3": 92.0}, "not reproduced"),
        ({}, "not measured"),
    ],
)
def test_the_model_is_judged_by_its_worst_point(live: dict[str, float], verdict: str) -> None:
    of = ethernet(**SIMULATED, **live)
    assert score("model-sim", of).verdict == "reproduced"
    assert score("model-live", of).verdict == verdict


@pytest.mark.parametrize("backend", ["live", "sim"])
def test_the_network_is_judged_by_whichever_backend_has_run(backend: str) -> None:
    rates = {f"jpaxos_{backend}_3": 40.0, f"spaxos_{backend}_3": 96.0}
    found = score("leader-network", ethernet(**rates))
    assert (found.ours, found.verdict) == ("2.4 times at n = 3, 100 Mbit/s", "reproduced")


@pytest.mark.parametrize(
    ("spaxos_ms", "verdict"),
    [
        ({3: 0.53, 5: 0.58}, "reproduced"),
        ({3: 0.53, 5: 0.67}, "trend"),
        ({3: 0.53, 5: 0.9}, "not reproduced"),
    ],
)
def test_latency_is_judged_by_its_mean_over_hosts_for_every_n(
    spaxos_ms: dict[int, float], verdict: str
) -> None:
    rows = [
        {"protocol": protocol, "replicas": n, "latency_ms_mean": ms, "throughput_rps": 100.0}
        for n, slower in spaxos_ms.items()
        for protocol, ms in (("jpaxos", 0.43), ("spaxos", slower))
    ]
    assert score("latency", {"srds12_unloaded": pd.DataFrame(rows)}).verdict == verdict


def test_messages_are_counted_for_the_claims_about_them() -> None:
    assert score("formulas", {}).ours == "16 of 16 counts"
    assert score("network-load", {}).verdict == "reproduced"
