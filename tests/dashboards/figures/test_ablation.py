from itertools import product

import pandas as pd
import pytest

from dashboards import theme
from dashboards.figures import ablation
from experiments.spec import load_suite
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of

CASES = load_suite("srds12_ablation").cases


@pytest.fixture
def points() -> pd.DataFrame:
    """Every case of the suite, last case first, as runs come in any order."""
    tables = [
        runs_of(clients=(1_000,)).assign(case=case, **settings)
        for case, settings in reversed(CASES.items())
    ]
    return summary(pd.concat(tables, ignore_index=True))


def test_cases_stand_in_the_order_of_the_suite(points: pd.DataFrame) -> None:
    figure = ablation.draw(points)
    for axis in figure.select_xaxes():
        assert list(axis.ticktext) == list(CASES)


def test_throughput_is_above_and_median_latency_below(points: pd.DataFrame) -> None:
    figure = ablation.draw(points)
    above, below = figure.select_yaxes()
    assert above.title.text == "Throughput (requests/s)"
    assert below.title.text == "Median latency (ms)"
    bars = [trace for trace in figure.data if trace.type == "bar"]
    panels = [("y", "throughput_rps"), ("y2", "latency_ms_p50")]
    expected = list(product(panels, ("jpaxos", "spaxos")))
    for bar, ((axis, measure), protocol) in zip(bars, expected, strict=True):
        own = points[points["protocol"] == protocol].set_index("case")
        assert (bar.yaxis, bar.name) == (axis, theme.label(protocol))
        assert list(bar.y) == list(own.loc[list(CASES), measure])


def test_throughput_is_written_on_the_bars(points: pd.DataFrame) -> None:
    points["throughput_rps"] = 70_000.0
    numbers = ablation.draw(points).data[1]
    assert list(numbers.text) == ["70.0 k"] * len(CASES)


def test_the_legend_names_each_protocol_once(points: pd.DataFrame) -> None:
    data = ablation.draw(points).data
    assert [trace.name for trace in data if trace.showlegend is not False] == ["JPaxos", "S-Paxos"]


def test_the_name_of_a_case_cannot_become_markup(points: pd.DataFrame) -> None:
    points["case"] = points["case"].replace("both", "<script>")
    assert "<script>" not in str(ablation.draw(points).to_json())
