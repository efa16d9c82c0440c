import pytest

from dashboards import theme
from dashboards.figures import hosts
from tests.dashboards.result_set import counters_of, runs_of
from tests.dashboards.unchanged import unchanged


def test_only_the_most_clients_of_each_curve_are_shown() -> None:
    runs = runs_of(clients=(1, 1_000))
    assert set(hosts.busiest(runs, counters_of(runs))["clients"]) == {1_000}


def test_usage_is_the_median_of_the_repeats() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,), repeats=3)
    counters = counters_of(runs)
    for repeat, cores in enumerate((0.2, 0.9, 0.5)):
        one = counters["run_id"] == runs["run_id"][repeat]
        counters.loc[one, "cpu_s"] = cores / 10
    row = hosts.busiest(runs, counters).iloc[0]
    assert row["cpu_cores"] == pytest.approx(0.5)


def test_cpu_that_is_not_modelled_is_said_to_be() -> None:
    runs = runs_of(clients=(1_000,))
    figure = hosts.draw(runs, counters_of(runs).assign(cpu_s=0.0))
    said = [(each.text, each.xref) for each in figure.layout.annotations]
    assert said == [("not modelled", "x domain")]
    assert hosts.draw(runs, counters_of(runs)).layout.annotations == ()


def test_a_host_stacks_its_coordinator_on_its_replica() -> None:
    runs = runs_of(("spaxos",), clients=(1_000,))
    rows = hosts.busiest(runs, counters_of(runs))
    assert rows.groupby("place")["role"].agg(set).tolist() == [{"replica", "coordinator"}] * 3
    assert hosts.draw(runs, counters_of(runs)).layout.barmode == "stack"


def test_the_leaders_host_is_marked_in_label_and_bar() -> None:
    runs = runs_of(clients=(1_000,))
    figure = hosts.draw(runs, counters_of(runs))
    leaders = [label for label in figure.layout.yaxis.ticktext if "(leader)" in label]
    assert leaders == [
        "<b>JPaxos: host 0 (leader)</b>",
        "<b>S-Paxos: host 0 (leader)</b>",
    ]
    hatched = [trace for trace in figure.data if "/" in trace.marker.pattern.shape]
    assert all(len(trace.y) == 1 for trace in hatched)
    # One in JPaxos, two in S-Paxos (replica and coordinator), in each of the three panels.
    assert len(hatched) == 9


def test_bars_show_the_usage_in_the_colour_of_the_protocol() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,))
    counters = counters_of(runs)
    rows = hosts.busiest(runs, counters)
    followers, leader = hosts.draw(runs, counters).data[:2]
    assert [*leader.x, *followers.x] == rows["cpu_cores"].tolist()
    assert leader.marker.color == theme.colour("jpaxos")


def test_every_panel_says_its_unit_and_the_legend_each_role_once() -> None:
    runs = runs_of(clients=(1_000,))
    figure = hosts.draw(runs, counters_of(runs))
    assert [axis.title.text for axis in figure.select_xaxes()] == list(hosts.PANELS.values())
    assert [trace.name for trace in figure.data if trace.showlegend] == [
        "JPaxos replica",
        "S-Paxos replica",
        "S-Paxos coordinator",
    ]


def test_a_bar_knows_the_first_of_its_runs_and_says_what_was_set() -> None:
    runs = runs_of(clients=(1_000,), repeats=2).assign(window=77)
    runs = runs.set_axis(runs["run_id"].tolist())
    figure = hosts.draw(runs, counters_of(runs))
    names = {name for trace in figure.data for name in trace.customdata}
    assert names == {"jpaxos-3-1000-0", "spaxos-3-1000-0"}
    assert all("window: 77" in text for trace in figure.data for text in trace.hovertext)


def test_drawing_leaves_the_tables_as_they_were() -> None:
    runs = runs_of(clients=(1_000,))
    counters = counters_of(runs)
    with unchanged(runs, counters):
        hosts.draw(runs, counters)


def test_what_a_host_has_is_marked_where_one_comes_near() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,)).assign(egress_mbit_s=100.0, ingress_mbit_s=1e6)
    counters = counters_of(runs).assign(network_bytes_out=1e6)  # In 0.1 s: 80 Mbit/s.
    figure = hosts.draw(runs, counters)
    assert [note.text for note in figure.layout.annotations] == ["a host has 100"]
    assert [line.x0 for line in figure.layout.shapes] == [100.0]


def test_hosts_that_differ_in_what_they_have_get_no_mark() -> None:
    runs = runs_of(clients=(1_000,))
    runs["egress_mbit_s"] = (runs["protocol"] == "jpaxos").map({True: 100.0, False: 90.0})
    counters = counters_of(runs).assign(network_bytes_out=1e6)
    assert not hosts.draw(runs, counters).layout.annotations
