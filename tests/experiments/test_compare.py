"""Two result sets against each other: what matches, what a change is, what is told beside it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from experiments.compare import VERDICTS, changes, compare, interval, relative_change
from experiments.summarise import summary
from tests.dashboards.result_set import failed, runs_of


def one_point(throughputs: list[float], **columns: object) -> pd.DataFrame:
    """Return the runs of one point with these throughputs, a repeat each."""
    runs = runs_of(("jpaxos",), clients=(100,), repeats=len(throughputs))
    return runs.assign(throughput_rps=throughputs, **columns)


def point_of(a: pd.DataFrame, b: pd.DataFrame, threshold: float = 0.05) -> dict[str, object]:
    (row,) = compare(a, b, threshold).to_dict("records")
    return {str(key): value for key, value in row.items()}


# --- Which points match -------------------------------------------------------------------------


def test_a_set_is_the_same_as_itself() -> None:
    runs = runs_of(clients=(1, 100))
    points = compare(runs, runs)
    assert list(points["point"]) == [
        f"protocol={protocol} clients={clients}"
        for protocol in ("jpaxos", "spaxos")
        for clients in (1, 100)
    ]
    assert set(points["throughput_rps_change"]) == set(points["latency_ms_p99_change"]) == {0.0}
    assert set(points["verdict"]) == {"within"}
    assert changes(runs, runs).empty


def test_the_numbers_of_a_point_are_those_of_its_summary() -> None:
    runs = runs_of(("jpaxos",), clients=(100,))
    row, point = point_of(runs, runs), summary(runs).iloc[0]
    assert row["repeats_a"] == point["repeats"] == 3
    for measure in ("throughput_rps", "latency_ms_p50", "latency_ms_p99", "cpu_us_per_request"):
        assert row[f"{measure}_a"] == row[f"{measure}_b"] == point[measure]


def test_a_setting_that_differs_as_a_whole_is_told_and_does_not_keep_points_apart() -> None:
    a, b = runs_of(clients=(1, 100)), runs_of(clients=(1, 100)).assign(replicas=5, window=8)
    assert list(compare(a, b)["verdict"]) == ["within"] * 4
    told = changes(a, b)
    assert list(told.itertuples(index=False, name=None)) == [
        ("configuration", "replicas", "3", "5"),
        ("configuration", "window", "2", "8"),
    ]


def test_a_setting_that_one_side_sweeps_matches_equal_values_only() -> None:
    a, b = runs_of(("jpaxos",), clients=(100,)), runs_of(("jpaxos",), clients=(1, 100, 1000))
    points = compare(a, b)
    assert list(zip(points["point"], points["verdict"], strict=True)) == [
        ("clients=100", "within"),
        ("clients=1", "only in B"),
        ("clients=1,000", "only in B"),
    ]


@pytest.mark.parametrize("name", ["case", "profile"])
def test_what_a_name_stands_for_does_not_keep_points_apart(name: str) -> None:
    """The hosts of "slow" are slower in B, and are told to be."""
    fast = runs_of(("jpaxos",), clients=(1, 100)).assign(**{name: "fast"}, egress_mbit_s=1000.0)
    a, b = (
        pd.concat([fast, fast.assign(**{name: "slow"}, egress_mbit_s=egress)])
        for egress in (100.0, 10.0)
    )
    assert list(compare(a, b)["verdict"]) == ["within"] * 4
    (told,) = changes(a, b).to_dict("records")
    assert (told["what"], told["a"], told["b"]) == ("egress_mbit_s", "100", "10")


def test_sets_of_one_protocol_each_compare_the_protocols() -> None:
    jpaxos, spaxos = (runs_of((name,), clients=(1, 4_000)) for name in ("jpaxos", "spaxos"))
    points = compare(jpaxos, spaxos)
    assert list(points["point"]) == ["clients=1", "clients=4,000"]
    assert list(changes(jpaxos, spaxos)["what"]) == ["protocol"]


# --- Changes and their intervals ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [(100, 80, -0.2), (100, 100, 0), (0, 0, 0), (0, 1, math.inf), (5, 0, -1)],
)
def test_a_change_is_relative_to_what_was(before: float, after: float, change: float) -> None:
    assert relative_change(before, after) == pytest.approx(change)


@pytest.mark.parametrize(("before", "after"), [(math.nan, 1.0), (1.0, math.nan), (0.0, math.nan)])
def test_what_was_not_measured_has_no_change(before: float, after: float) -> None:
    assert math.isnan(relative_change(before, after))


def test_an_interval_of_two_and_two_repeats_is_that_of_the_textbook() -> None:
    """Equal scatter on both sides: Welch has 2 degrees of freedom, where t is 4.303."""
    low, high = interval(np.exp([0.0, 0.02]), np.exp([0.1, 0.12]))
    half = 4.303 * math.sqrt(2 * 0.0002 / 2)
    assert (low, high) == pytest.approx((math.expm1(0.1 - half), math.expm1(0.1 + half)))


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], []), ([0.0, 1.0], [1.0, 2.0])]
)
def test_too_few_repeats_or_a_zero_have_no_interval(a: list[float], b: list[float]) -> None:
    assert all(map(math.isnan, interval(np.array(a), np.array(b))))


def test_repeats_that_do_not_scatter_leave_the_resolution_of_the_measure() -> None:
    same = np.full(3, 5.0)
    assert interval(same, same) == (0.0, 0.0)
    assert interval(same, same, resolution=0.02) == pytest.approx((-0.0198, 0.0202), abs=1e-4)


positive = st.lists(st.floats(1.0, 1.5), min_size=2, max_size=6).map(np.array)


@given(positive, positive)
def test_a_against_b_says_the_same_as_b_against_a(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> None:
    low, high = interval(a, b)
    back_low, back_high = interval(b, a)
    assert (1 + low) * (1 + back_high) == pytest.approx(1)
    assert (1 + high) * (1 + back_low) == pytest.approx(1)


@given(positive, positive, st.floats(0.01, 100.0))
def test_the_unit_of_a_measure_does_not_matter(
    a: NDArray[np.float64], b: NDArray[np.float64], factor: float
) -> None:
    assert interval(factor * a, factor * b) == pytest.approx(interval(a, b), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("repeats", [(2, 2), (3, 3), (2, 5), (5, 5)])
@pytest.mark.parametrize("scatters", [(0.03, 0.03), (0.03, 0.15)])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(
    repeats: tuple[int, int], scatters: tuple[float, float]
) -> None:
    random = np.random.default_rng(1)
    draws = [
        [random.normal(1, scatter, count) for scatter, count in zip(scatters, repeats, strict=True)]
        for _ in range(2000)
    ]
    held = [low <= 0 <= high for low, high in (interval(a, b) for a, b in draws)]
    assert 0.9 <= np.mean(held) <= 0.99


def test_a_median_outside_of_the_interval_of_the_means_widens_it() -> None:
    a, b = one_point([100.0, 100.0, 100.0]), one_point([100.0, 100.0, 100.0, 130.0, 130.0])
    row = point_of(a, b)
    assert row["throughput_rps_change"] == 0
    assert row["throughput_rps_change_low"] <= 0 <= row["throughput_rps_change_high"]  # type: ignore[operator] # Numbers.


def test_percentiles_that_differ_by_a_bucket_have_not_changed_for_certain() -> None:
    """A bucket is 1.8% wide, and the repeats may all lie at its edge."""
    a, b = one_point([1.0] * 3, latency_ms_p99=1.0), one_point([1.0] * 3, latency_ms_p99=1.018)
    assert point_of(a, b, threshold=0.01)["verdict"] == "unclear"


# --- Verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([100, 101, 99], [80, 81, 79], "worse"),
        ([100, 101, 99], [96, 97, 95], "within"),
        ([100, 101, 99], [120, 121, 119], "better"),
        ([100, 150, 50], [80, 130, 30], "unclear"),
        ([100], [94], "worse"),  # Without an interval the change alone decides.
        ([100], [95], "within"),
        ([100, 101, 99], [0, 0, 0], "worse"),
        ([0], [100], "better"),
    ],
)
def test_throughput_is_worse_where_it_falls_beyond_threshold_and_chance(
    a: list[float], b: list[float], verdict: str
) -> None:
    row = point_of(one_point(a), one_point(b))
    assert row["throughput_rps_verdict"] == verdict


def test_a_higher_99th_percentile_is_worse_whatever_the_throughput() -> None:
    a = one_point([100.0] * 3, latency_ms_p99=10.0)
    b = one_point([200.0] * 3, latency_ms_p99=11.0)
    row = point_of(a, b)
    assert row["throughput_rps_verdict"] == "better"
    assert row["latency_ms_p99_verdict"] == row["verdict"] == "worse"
    assert point_of(a, b, threshold=0.2)["verdict"] == "within"


def test_a_point_without_a_sound_run_left_is_lost_and_says_why() -> None:
    a = one_point([100.0, 100.0])
    b = failed(failed(a, 0, outcome="no quorum"), 1, safety="executed twice")
    row = point_of(a, b)
    assert (row["verdict"], row["runs_b"], row["repeats_b"]) == ("lost", 2, 0)
    assert row["failures_b"] == "no quorum; executed twice"


def test_a_point_that_never_ran_well_in_a_cannot_be_compared() -> None:
    a = failed(one_point([100.0]), 0, outcome="no quorum")
    assert point_of(a, one_point([100.0]))["verdict"] == "not measured"


def test_unsound_runs_do_not_count() -> None:
    a = one_point([100.0, 102.0])
    b = pd.concat([a, failed(one_point([1.0]), 0, safety="executed twice")])
    row = point_of(a, b)
    assert (row["repeats_b"], row["verdict"]) == (2, "within")


def test_the_worst_comes_first() -> None:
    a = runs_of(("jpaxos",), clients=(1, 2, 3, 4, 5), repeats=1)
    b = a[a["clients"] != 5].assign(throughput_rps=a["throughput_rps"] * [1.0, 0.8, 1.2, 0.5, 1.0])
    points = compare(a, b)
    assert list(points["clients"]) == [4, 2, 1, 3, 5]
    ranks = [VERDICTS.index(verdict) for verdict in points["verdict"]]
    assert ranks == sorted(ranks)


# --- What changed as a whole --------------------------------------------------------------------


def test_other_code_versions_machine_and_seeds_are_told() -> None:
    a = runs_of(("jpaxos",), clients=(1,))
    b = a.assign(commit="fedcba", ray_version="2.61.0", cores=8, seed=a["seed"] + 6, suite="late")
    assert list(changes(a, b).itertuples(index=False, name=None)) == [
        ("configuration", "suite", "synthetic", "late"),
        ("configuration", "seed", "1", "7"),
        ("code", "commit", "0123456789abcdef", "fedcba"),
        ("versions", "ray_version", "2.60.0", "2.61.0"),
        ("machine", "cores", "2", "8"),
    ]


def test_more_repeats_are_no_other_seed() -> None:
    a, b = (runs_of(("jpaxos",), clients=(1,), repeats=repeats) for repeats in (1, 3))
    assert changes(a, b).empty


def test_without_a_point_in_both_settings_are_told_by_their_values() -> None:
    told = changes(runs_of(("jpaxos",), clients=(1, 10)), runs_of(("spaxos",), clients=(20, 30)))
    assert list(told.itertuples(index=False, name=None)) == [
        ("configuration", "protocol", "jpaxos", "spaxos"),
        ("configuration", "clients", "1, 10", "20, 30"),
    ]


def test_changed_code_may_be_other_code_under_the_same_commit() -> None:
    runs = runs_of(("jpaxos",), clients=(1,)).assign(commit="0123-dirty")
    (told,) = changes(runs, runs).to_dict("records")
    assert (told["a"], told["b"]) == ("0123-dirty", "0123-dirty")


def test_a_version_that_one_side_did_not_record_is_told() -> None:
    a = runs_of(("jpaxos",), clients=(1,))
    (told,) = changes(a.drop(columns="ray_version"), a).to_dict("records")
    assert (told["what"], told["a"], told["b"]) == ("ray_version", "none", "2.60.0")
