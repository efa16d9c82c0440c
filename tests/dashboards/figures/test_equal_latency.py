import math
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.figures import equal_latency
from dashboards.figures.equal_latency import Carried, Point, carried
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of
from tests.dashboards.unchanged import unchanged

CURVE = [
    Point(10.0, 1.0, kept_up=True),
    Point(20.0, 3.0, kept_up=True),
    Point(30.0, 9.0, kept_up=True),
    Point(40.0, 80.0, kept_up=False),
]


def test_a_bound_between_two_loads_is_interpolated() -> None:
    assert carried(CURVE, 2.0) == Carried(15.0, is_least=False)
    assert carried(CURVE, 6.0) == Carried(25.0, is_least=False)


def test_a_bound_that_a_load_just_meets_carries_that_load() -> None:
    assert carried(CURVE, 3.0) == Carried(20.0, is_least=False)


def test_nothing_is_taken_from_beyond_the_last_load_that_kept_up() -> None:
    assert carried(CURVE, 50.0) == Carried(30.0, is_least=True)
    recovered = [*CURVE, Point(50.0, 2.0, kept_up=True)]
    assert carried(recovered, 50.0) == Carried(30.0, is_least=True)


def test_where_every_load_meets_the_bound_it_may_be_more() -> None:
    assert carried(CURVE[:2], 50.0) == Carried(20.0, is_least=True)


def test_the_first_crossing_counts() -> None:
    """A curve that comes down again has already kept some requests waiting too long."""
    dented = [*CURVE[:2], Point(30.0, 1.0, kept_up=True)]
    assert carried(dented, 2.0) == Carried(15.0, is_least=False)


@pytest.mark.parametrize("curve", [[], CURVE[3:], [Point(10.0, 5.0, kept_up=True)]])
def test_where_no_load_meets_the_bound_nothing_is_carried(curve: list[Point]) -> None:
    found = carried(curve, 2.0)
    assert math.isnan(found.rate_rps)
    assert not found.is_least


@given(
    st.lists(st.tuples(st.floats(0.1, 1e3), st.booleans()), min_size=1, max_size=8),
    st.lists(st.floats(0.1, 1e3), min_size=2, max_size=5),
)
def test_a_looser_bound_never_carries_less_and_never_more_than_kept_up(
    curve: list[tuple[float, bool]], bounds: list[float]
) -> None:
    points = [Point(10.0 * (i + 1), p99, kept_up) for i, (p99, kept_up) in enumerate(curve)]
    rates = [carried(points, bound).rate_rps for bound in sorted(bounds)]
    for tighter, looser in pairwise(rates):
        assert math.isnan(tighter) or tighter <= looser
    steady = next((i for i, each in enumerate(points) if not each.kept_up), len(points))
    assert all(math.isnan(rate) or rate <= 10.0 * steady for rate in rates)


@pytest.fixture
def points() -> pd.DataFrame:
    """Return both protocols at two loads; only S-Paxos keeps up with the higher one."""
    rows = []
    for rate, p99s in ((10_000.0, (1.0, 3.0)), (90_000.0, (400.0, 7.0))):
        runs = runs_of(clients=(1_000,), repeats=1).assign(arrival_rate_rps=rate)
        runs["latency_ms_p99"] = p99s
        runs["throughput_rps"] = [rate if p99 < 100 else 0.5 * rate for p99 in p99s]
        rows.append(runs)
    return summary(pd.concat(rows, ignore_index=True))


def test_each_protocol_has_a_bar_a_bound_with_its_number(points: pd.DataFrame) -> None:
    jpaxos, spaxos = equal_latency.draw(points).data
    assert list(jpaxos.x) == list(spaxos.x) == ["2", "5", "10", "50"]
    assert list(jpaxos.text) == ["≥ 10.0 k"] * 4
    assert list(spaxos.text) == ["none", "50.0 k", "≥ 90.0 k", "≥ 90.0 k"]
    assert list(spaxos.y) == pytest.approx([0, 50_000, 90_000, 90_000])
    assert list(spaxos.marker.pattern.shape) == ["", "", "/", "/"]


def test_a_hover_label_says_what_stands_behind_a_bar(points: pd.DataFrame) -> None:
    texts = equal_latency.draw(points).data[1].hovertext
    assert "even the least load tried takes longer" in texts[0]
    assert "50.0 k requests/s, the bound is reached there" in texts[1]
    assert "kept up with no more" in texts[2]


def test_a_bar_knows_the_point_that_carries_it_and_none_between_two(points: pd.DataFrame) -> None:
    points = points.assign(window=77).set_axis([f"point {number}" for number in range(len(points))])
    bars = equal_latency.draw(points).data[1]
    (fastest,) = points.index[(points["protocol"] == "spaxos") & (points["clients"] == 1_000)][1:]
    assert [*bars.customdata] == [None, None, fastest, fastest]
    assert ["window: 77" in text for text in bars.hovertext] == [False, False, True, True]


def test_another_percentile_may_be_bounded(points: pd.DataFrame) -> None:
    figure = equal_latency.draw(points.assign(latency_ms_p95=1.0), "p95")
    assert list(figure.data[1].text) == ["≥ 90.0 k"] * 4
    assert figure.layout.xaxis.title.text == "Bound on p95 (ms)"


def test_axes_have_units(points: pd.DataFrame) -> None:
    layout = equal_latency.draw(points).layout
    assert layout.xaxis.title.text == "Bound on p99 (ms)"
    assert layout.yaxis.title.text == "Offered load carried (requests/s)"


def test_drawing_leaves_the_table_as_it_was(points: pd.DataFrame) -> None:
    with unchanged(points):
        equal_latency.draw(points)
