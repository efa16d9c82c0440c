import pytest

from dashboards import theme
from dashboards.figures import balance
from dashboards.figures.hosts import PANELS
from tests.dashboards.result_set import counters_of, runs_of
from tests.dashboards.unchanged import unchanged


def test_only_the_most_clients_of_each_curve_are_shown() -> None:
    runs = runs_of(clients=(1, 1_000))
    assert set(balance.shares(runs, counters_of(runs))["clients"]) == {1_000}


def test_a_share_is_of_the_busiest_host_of_the_same_protocol() -> None:
    runs = runs_of(clients=(10,))
    rows = balance.shares(runs, counters_of(runs))
    # In the made-up systems a follower of JPaxos takes 0.25 us where its leader takes 1.1.
    assert rows["cpu_cores"].tolist() == pytest.approx([1, 0.25 / 1.1, 0.25 / 1.1, 1, 0.875, 0.875])
    assert rows["network_mbit_s_out"].tolist() == pytest.approx([1, 0.4, 0.4] * 2)


def test_replica_and_coordinator_of_a_host_count_together() -> None:
    runs = runs_of(("spaxos",), clients=(1_000,))
    counters = counters_of(runs)
    counters.loc[counters["actor"] == "coordinator-2", "cpu_s"] *= 2
    shares = balance.shares(runs, counters)["cpu_cores"]
    assert shares.tolist() == pytest.approx([0.8 / 0.98, 0.7 / 0.98, 1])


def test_a_share_is_the_median_of_the_repeats() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,), repeats=3)
    counters = counters_of(runs)
    for repeat, cores in enumerate((0.2, 0.9, 0.5)):
        ours = (counters["run_id"] == runs["run_id"][repeat]) & (counters["host"] == 1)
        counters.loc[ours, "cpu_s"] = cores / 10
    row = balance.shares(runs, counters).iloc[1]
    assert row["cpu_cores_used"] == pytest.approx(0.5)


def test_where_no_host_used_any_there_is_no_share() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,))
    counters = counters_of(runs).assign(cpu_s=0.0)
    assert balance.shares(runs, counters)["cpu_cores"].isna().all()
    assert set(balance.draw(runs, counters).data[0].text) == {theme.GAP}


def test_each_resource_has_a_panel_with_one_bar_a_host_and_protocol() -> None:
    runs = runs_of(clients=(1_000,))
    figure = balance.draw(runs, counters_of(runs))
    assert [note.text for note in figure.layout.annotations] == ["CPU", "Network in", "Network out"]
    assert len(figure.data) == 2 * len(PANELS)
    assert [trace.marker.color for trace in figure.data[:2]] == [
        theme.colour("jpaxos"),
        theme.colour("spaxos"),
    ]
    assert all(list(trace.x) == [0, 1, 2] for trace in figure.data)


def test_the_leader_is_hatched_and_every_bar_says_its_share() -> None:
    runs = runs_of(("jpaxos",), clients=(10,))
    bars = balance.draw(runs, counters_of(runs)).data[0]
    assert list(bars.marker.pattern.shape) == ["/", "", ""]
    assert list(bars.text) == ["100%", "23%", "23%"]


def test_a_share_that_is_not_quite_nothing_is_told() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,))
    counters = counters_of(runs)
    counters.loc[counters["host"] > 0, "cpu_s"] *= 1e-3
    assert list(balance.draw(runs, counters).data[0].text) == ["100%", "<1%", "<1%"]


def test_a_bar_knows_the_first_of_its_runs_and_says_what_was_set() -> None:
    runs = runs_of(clients=(1_000,), repeats=2).assign(window=77)
    runs = runs.set_axis(runs["run_id"].tolist())
    figure = balance.draw(runs, counters_of(runs))
    names = {name for trace in figure.data for name in trace.customdata}
    assert names == {"jpaxos-3-1000-0", "spaxos-3-1000-0"}
    assert all("window: 77" in text for trace in figure.data for text in trace.hovertext)


def test_drawing_leaves_the_tables_as_they_were() -> None:
    runs = runs_of(clients=(1_000,))
    counters = counters_of(runs)
    with unchanged(runs, counters):
        balance.draw(runs, counters)
