import numpy as np
import pandas as pd
import pytest

from dashboards import lines, theme
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of


@pytest.fixture
def points() -> pd.DataFrame:
    """Both protocols with 3, 5 and 7 replicas, each with a limit of its own."""
    table = summary(runs_of(replicas=(3, 7, 5), clients=(1_000,)))
    return table.assign(
        limit_rps=table["throughput_rps"] * table["replicas"], limit_by="CPU of the leader"
    )


def of(points: pd.DataFrame, protocol: str, column: str) -> list[float]:
    return list(points[points["protocol"] == protocol].sort_values("replicas")[column])


def test_a_line_runs_along_the_column_asked_for_with_its_interval(points: pd.DataFrame) -> None:
    measured = list(lines.throughput(points, "replicas"))[:2]
    for trace, protocol in zip(measured, ("jpaxos", "spaxos"), strict=True):
        assert trace.name == theme.label(protocol)
        assert list(trace.x) == [3, 5, 7]
        assert list(trace.y) == of(points, protocol, "throughput_rps")
        low, high = trace.y - trace.error_y.arrayminus, trace.y + trace.error_y.array
        np.testing.assert_allclose(low, of(points, protocol, "throughput_rps_low"))
        np.testing.assert_allclose(high, of(points, protocol, "throughput_rps_high"))


def test_each_line_has_its_limit_beside_it_thin_and_dotted(points: pd.DataFrame) -> None:
    traces = list(lines.throughput(points, "replicas"))
    for measured, limit, protocol in zip(
        traces[:2], traces[2:4], ("jpaxos", "spaxos"), strict=True
    ):
        assert limit.legendgroup == measured.legendgroup
        assert list(limit.x) == [3, 5, 7]
        assert list(limit.y) == of(points, protocol, "limit_rps")
        assert (limit.line.dash, limit.line.color) == ("dot", theme.colour(protocol))
        assert limit.line.width < measured.line.width


def test_one_entry_of_the_legend_stands_for_all_limits(points: pd.DataFrame) -> None:
    traces = lines.throughput(points, "replicas")
    shown = [trace.name for trace in traces if trace.showlegend is not False]
    assert shown == ["JPaxos", "S-Paxos", lines.LIMIT]


def test_where_nothing_is_limited_there_are_no_limits(points: pd.DataFrame) -> None:
    is_spaxos = points["protocol"] == "spaxos"
    some = points.assign(limit_rps=points["limit_rps"].mask(is_spaxos))
    names = [trace.name for trace in lines.throughput(some, "replicas")]
    assert names == ["JPaxos", "S-Paxos", f"JPaxos, {lines.LIMIT}", lines.LIMIT]
    none = points.assign(limit_rps=np.nan)
    assert [trace.name for trace in lines.throughput(none, "replicas")] == ["JPaxos", "S-Paxos"]


def test_hover_labels_say_what_limits_and_what_a_figure_adds(points: pd.DataFrame) -> None:
    trace = next(lines.throughput(points, "replicas", lambda row: {"Odd": f"{row['replicas']}"}))
    for text, count in zip(trace.hovertext, (3, 5, 7), strict=True):
        assert f"Replicas: {count}" in text
        assert "(CPU of the leader)" in text
        assert f"<br>Odd: {count}<br>" in text
