"""What all figures of `experiments.summarise.summary` have in common, and what each one plots."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashboards import theme
from dashboards.figures import (
    latency_throughput,
    percentiles,
    replicas,
    request_size,
    throughput,
)
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of
from tests.dashboards.unchanged import unchanged

FIGURES = (throughput, percentiles, latency_throughput)
LINES = (*FIGURES, replicas, request_size)
LATENCIES = ["latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "latency_ms_p999"]

positive = st.floats(0.01, 1000)


@pytest.fixture
def points() -> pd.DataFrame:
    return summary(runs_of())


def of(points: pd.DataFrame, protocol: str, column: str) -> list[float]:
    return list(points[points["protocol"] == protocol].sort_values("clients")[column])


@pytest.mark.parametrize("module", LINES)
def test_a_figure_has_a_title_and_units_on_its_axes(
    module: ModuleType, points: pd.DataFrame
) -> None:
    figure = module.draw(points)
    assert figure.layout.title.text == module.TITLE
    titles = {axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())} - {""}
    assert titles
    assert all(title.endswith(")") and "(" in title for title in titles)


@pytest.mark.parametrize("module", LINES)
def test_every_trace_has_the_colour_of_its_protocol(
    module: ModuleType, points: pd.DataFrame
) -> None:
    traces = [trace for trace in module.draw(points).data if trace.legendgroup]
    assert traces
    for trace in traces:
        protocol = "spaxos" if trace.name.startswith("S-Paxos") else "jpaxos"
        assert {trace.line.color, trace.marker.color} - {None} == {theme.colour(protocol)}


@pytest.mark.parametrize("module", LINES)
def test_drawing_leaves_the_table_as_it_was(module: ModuleType, points: pd.DataFrame) -> None:
    with unchanged(points):
        module.draw(points)


@pytest.mark.parametrize("module", LINES)
def test_every_mark_that_says_something_knows_the_row_of_its_point(
    module: ModuleType, points: pd.DataFrame
) -> None:
    points = points.set_axis([f"point {number}" for number in range(len(points))])
    pointed = [trace for trace in module.draw(points).data if trace.hoverinfo == "text"]
    for trace in pointed:
        clients = points.loc[list(trace.customdata), "clients"]
        told = zip(clients, trace.hovertext, strict=True)
        assert all(f"Clients: {count:,}<br>" in text for count, text in told)
    assert {name for trace in pointed for name in trace.customdata} == {*points.index}


@pytest.mark.parametrize("module", LINES)
def test_hover_labels_say_what_was_set(module: ModuleType, points: pd.DataFrame) -> None:
    pointed = [
        trace for trace in module.draw(points.assign(window=77)).data if trace.hoverinfo == "text"
    ]
    assert all("window: 77" in text for trace in pointed for text in trace.hovertext)


@pytest.mark.parametrize("module", FIGURES)
def test_the_legend_names_each_curve_once(module: ModuleType, points: pd.DataFrame) -> None:
    names = [trace.name for trace in module.draw(points).data if trace.showlegend is not False]
    assert len(names) == len(set(names))
    assert {name.partition(",")[0] for name in names} - {"knee"} == {"JPaxos", "S-Paxos"}


@pytest.mark.parametrize("module", FIGURES)
def test_curves_of_one_protocol_differ_in_name_and_marker(module: ModuleType) -> None:
    points = summary(runs_of(("jpaxos",), replicas=(3, 5)))
    traces = [trace for trace in module.draw(points).data if "lines" in trace.mode]
    assert {trace.marker.symbol for trace in traces if "n = 3" in trace.name} == {"circle"}
    assert {trace.marker.symbol for trace in traces if "n = 5" in trace.name} == {"square"}


def test_throughput_is_plotted_with_its_interval(points: pd.DataFrame) -> None:
    figure = throughput.draw(points)
    for trace, protocol in zip(figure.data, ("jpaxos", "spaxos"), strict=True):
        assert list(trace.x) == of(points, protocol, "clients")
        assert list(trace.y) == of(points, protocol, "throughput_rps")
        low, high = trace.y - trace.error_y.arrayminus, trace.y + trace.error_y.array
        np.testing.assert_allclose(low, of(points, protocol, "throughput_rps_low"))
        np.testing.assert_allclose(high, of(points, protocol, "throughput_rps_high"))


def test_each_percentile_has_a_panel_with_one_line_a_protocol(points: pd.DataFrame) -> None:
    figure = percentiles.draw(points)
    drawn = [list(trace.y) for trace in figure.data]
    assert drawn == [
        of(points, protocol, column) for column in LATENCIES for protocol in ("jpaxos", "spaxos")
    ]
    assert [note.text for note in figure.layout.annotations] == ["p50", "p95", "p99", "p99.9"]
    assert len({trace.xaxis for trace in figure.data}) == len(LATENCIES)


def test_latency_is_plotted_against_throughput_solid_and_dashed(points: pd.DataFrame) -> None:
    figure = latency_throughput.draw(points)
    lines = [trace for trace in figure.data if "lines" in trace.mode]
    assert [(trace.name, trace.line.dash) for trace in lines] == [
        ("JPaxos, p50", "solid"),
        ("JPaxos, p99", "dash"),
        ("S-Paxos, p50", "solid"),
        ("S-Paxos, p99", "dash"),
    ]
    tail = lines[3]
    assert list(tail.x) == of(points, "spaxos", "throughput_rps")
    assert list(tail.y) == of(points, "spaxos", "latency_ms_p99")


def test_another_percentile_may_stand_beside_the_median(points: pd.DataFrame) -> None:
    p95 = latency_throughput.draw(points, "p95").data[1]
    assert (p95.name, list(p95.y)) == ("JPaxos, p95", of(points, "jpaxos", "latency_ms_p95"))
    names = [trace.name for trace in latency_throughput.draw(points, "p50").data]
    assert [name for name in names if name.endswith("p50")] == ["JPaxos, p50", "S-Paxos, p50"]
    assert not [name for name in names if name.endswith("p99")]


def test_the_knee_is_where_latency_begins_to_grow_faster_than_throughput() -> None:
    throughput_rps = [10, 50, 80, 90, 91]
    latency_ms = [1.0, 1.1, 1.3, 5.0, 50.0]  # By 60% more at 1.3 ms, by 12% more at 5.
    assert latency_throughput.knee(throughput_rps, latency_ms) == 2


@given(st.lists(st.tuples(positive, positive), min_size=1), positive, positive)
def test_the_knee_does_not_depend_on_units(
    line: list[tuple[float, float]], throughput_scale: float, latency_scale: float
) -> None:
    rates, latencies = zip(*line, strict=True)
    power = np.array(rates) / latencies
    assume(len(power) == 1 or np.diff(np.sort(power))[-1] > 1e-9 * power.max())
    scaled = [rate * throughput_scale for rate in rates], [ms * latency_scale for ms in latencies]
    assert latency_throughput.knee(*scaled) == latency_throughput.knee(rates, latencies)


@pytest.mark.parametrize(
    ("throughput_rps", "latency_ms"),
    [
        pytest.param([10, 20, 30], [1, 1, 1], id="never saturated"),
        pytest.param([90, 91, 92], [5, 50, 500], id="saturated from the start"),
        pytest.param([10], [1], id="one point"),
        pytest.param([0, 0], [np.nan, np.nan], id="no latency"),
        pytest.param([], [], id="no points"),
    ],
)
def test_a_line_that_does_not_bend_has_no_knee(
    throughput_rps: list[float], latency_ms: list[float]
) -> None:
    assert latency_throughput.knee(throughput_rps, latency_ms) is None


def test_points_without_latency_are_no_ends_of_the_line() -> None:
    assert latency_throughput.knee([0, 10, 80, 90, 0], [np.nan, 1, 1, 9, np.nan]) == 2
    assert latency_throughput.knee([0, 80, 90], [np.nan, 1, 9]) is None


def test_a_ring_marks_the_knee_of_each_median_line(points: pd.DataFrame) -> None:
    data = latency_throughput.draw(points).data
    for protocol, name in (("jpaxos", "JPaxos"), ("spaxos", "S-Paxos")):
        rates = of(points, protocol, "throughput_rps")
        latencies = of(points, protocol, "latency_ms_p50")
        at_knee = latency_throughput.knee(rates, latencies)
        assert at_knee is not None
        (ring,) = [trace for trace in data if trace.name == f"{name}, knee"]
        assert (*ring.x, *ring.y) == (rates[at_knee], latencies[at_knee])
        (line,) = [trace for trace in data if trace.name == f"{name}, p50"]
        assert ["Knee" in text for text in line.hovertext] == [
            index == at_knee for index in range(len(rates))
        ]


def test_where_no_line_bends_the_legend_knows_no_knee() -> None:
    names = [trace.name for trace in latency_throughput.draw(summary(runs_of(clients=(10,)))).data]
    assert names == ["JPaxos, p50", "JPaxos, p99", "S-Paxos, p50", "S-Paxos, p99"]
