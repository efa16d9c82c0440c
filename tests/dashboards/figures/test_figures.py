"""What all figures of `experiments.summarise.summary` have in common, and what each one plots."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from dashboards import theme
from dashboards.figures import latency_throughput, percentiles, throughput
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of

FIGURES = (throughput, percentiles, latency_throughput)
LATENCIES = ["latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "latency_ms_p999"]


@pytest.fixture
def points() -> pd.DataFrame:
    return summary(runs_of())


def of(points: pd.DataFrame, protocol: str, column: str) -> list[float]:
    return list(points[points["protocol"] == protocol].sort_values("clients")[column])


@pytest.mark.parametrize("module", FIGURES)
def test_a_figure_has_a_title_and_units_on_its_axes(
    module: ModuleType, points: pd.DataFrame
) -> None:
    figure = module.draw(points)
    assert figure.layout.title.text == module.TITLE
    titles = {axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())} - {""}
    assert titles
    assert all(title.endswith(")") and "(" in title for title in titles)


@pytest.mark.parametrize("module", FIGURES)
def test_every_trace_has_the_colour_of_its_protocol(
    module: ModuleType, points: pd.DataFrame
) -> None:
    for trace in module.draw(points).data:
        protocol = "spaxos" if trace.name.startswith("S-Paxos") else "jpaxos"
        assert trace.line.color == trace.marker.color == theme.colour(protocol)


@pytest.mark.parametrize("module", FIGURES)
def test_drawing_leaves_the_table_as_it_was(module: ModuleType, points: pd.DataFrame) -> None:
    before = points.copy(deep=True)
    module.draw(points)
    pd.testing.assert_frame_equal(points, before)


@pytest.mark.parametrize("module", FIGURES)
def test_the_legend_names_each_curve_once(module: ModuleType, points: pd.DataFrame) -> None:
    names = [trace.name for trace in module.draw(points).data if trace.showlegend is not False]
    assert len(names) == len(set(names))
    assert {name.partition(",")[0] for name in names} == {"JPaxos", "S-Paxos"}


@pytest.mark.parametrize("module", FIGURES)
def test_curves_of_one_protocol_differ_in_name_and_marker(module: ModuleType) -> None:
    points = summary(runs_of(("jpaxos",), replicas=(3, 5)))
    traces = module.draw(points).data
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
    assert [(trace.name, trace.line.dash) for trace in figure.data] == [
        ("JPaxos, p50", "solid"),
        ("JPaxos, p99", "dash"),
        ("S-Paxos, p50", "solid"),
        ("S-Paxos, p99", "dash"),
    ]
    tail = figure.data[3]
    assert list(tail.x) == of(points, "spaxos", "throughput_rps")
    assert list(tail.y) == of(points, "spaxos", "latency_ms_p99")
