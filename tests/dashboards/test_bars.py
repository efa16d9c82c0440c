import numpy as np
import pandas as pd
import pytest

from dashboards import bars, theme
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of


@pytest.fixture
def points() -> pd.DataFrame:
    """Return both protocols with 5 replicas, then with 3."""
    table = summary(runs_of(replicas=(5, 3), clients=(1_000,)))
    return table.sort_values("replicas", ascending=False, ignore_index=True)


@pytest.fixture
def grouped(points: pd.DataFrame) -> pd.DataFrame:
    return bars.grouped(points, [f"n = {count}" for count in points["replicas"]])


def test_a_bar_knows_the_row_of_its_point(points: pd.DataFrame, grouped: pd.DataFrame) -> None:
    for bar in list(bars.draw(grouped, "throughput_rps", [""] * len(grouped)))[::2]:
        assert points.loc[list(bar.customdata), "throughput_rps"].tolist() == list(bar.y)


def test_groups_stand_in_the_order_they_are_given_in(grouped: pd.DataFrame) -> None:
    axis = bars.groups_axis(grouped)
    assert axis["ticktext"] == ["n = 5", "n = 3"]
    assert axis["tickvals"] == [0, 1]


def test_the_bars_of_a_group_stand_side_by_side_around_its_name(grouped: pd.DataFrame) -> None:
    for place, (_, group) in enumerate(grouped.groupby("group", sort=False)):
        assert list(group.sort_values("place")["protocol"]) == ["jpaxos", "spaxos"]
        assert group["place"].mean() == pytest.approx(place)
    trace = next(bars.draw(grouped, "throughput_rps", [""] * len(grouped)))
    assert np.diff(np.sort(grouped["place"])).min() > trace.width


def test_a_bar_missing_in_a_group_leaves_its_place_empty(points: pd.DataFrame) -> None:
    some = points.drop(index=points.index[0])
    places = bars.grouped(some, [str(count) for count in some["replicas"]])["place"]
    all_places = bars.grouped(points, [str(count) for count in points["replicas"]])["place"]
    assert list(places) == list(all_places[1:])


def test_a_bar_has_its_interval_and_above_that_its_number(grouped: pd.DataFrame) -> None:
    numbers = [f"number {index}" for index in range(len(grouped))]
    traces = list(bars.draw(grouped, "throughput_rps", numbers))
    assert [trace.name for trace in traces] == ["JPaxos", "JPaxos", "S-Paxos", "S-Paxos"]
    for bar, text, protocol in zip(traces[::2], traces[1::2], ("jpaxos", "spaxos"), strict=True):
        rows = grouped[grouped["protocol"] == protocol]
        assert list(bar.y) == list(rows["throughput_rps"])
        assert bar.marker.color == theme.colour(protocol)
        np.testing.assert_allclose(bar.y + bar.error_y.array, rows["throughput_rps_high"])
        assert list(text.x) == list(bar.x)
        assert list(text.y) == list(rows["throughput_rps_high"])
        assert list(text.text) == [numbers[index] for index in rows.index]


def test_the_axis_leaves_room_above_the_tallest_interval(grouped: pd.DataFrame) -> None:
    axis = bars.measure_axis(grouped, "throughput_rps", "Throughput (requests/s)")
    low, high = axis["range"]
    assert low == 0
    assert high > grouped["throughput_rps_high"].max()


def test_a_hover_label_names_the_protocol_and_the_group(grouped: pd.DataFrame) -> None:
    broken = grouped.assign(group=grouped["group"] + "<br>votes to all")
    trace = next(bars.draw(broken, "throughput_rps", [""] * len(broken)))
    assert trace.hovertext[0].startswith("<b>JPaxos, n = 5, votes to all</b>")
