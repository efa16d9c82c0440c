import pandas as pd
import pytest

from dashboards.figures import request_size
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of

SIZES = (20, 1_024, 8_192)


@pytest.fixture
def points() -> pd.DataFrame:
    tables = [runs_of(clients=(1_000,)).assign(request_bytes=size) for size in SIZES]
    points = summary(pd.concat(tables, ignore_index=True))
    return points.assign(throughput_rps=100_000.0)


def test_the_sizes_that_were_run_are_the_ticks_of_a_logarithmic_axis(points: pd.DataFrame) -> None:
    axis = request_size.draw(points).layout.xaxis
    assert axis.type == "log"
    assert list(axis.tickvals) == list(SIZES)
    assert list(axis.ticktext) == ["20", "1,024", "8,192"]


def test_there_is_a_line_a_protocol_over_the_sizes(points: pd.DataFrame) -> None:
    data = request_size.draw(points).data
    assert [trace.name for trace in data] == ["JPaxos", "S-Paxos"]
    assert [list(trace.x) for trace in data] == [list(SIZES)] * 2


def test_hover_labels_say_how_many_bytes_are_carried(points: pd.DataFrame) -> None:
    small, middle, large = request_size.draw(points).data[0].hovertext
    assert "Requests carried: 16.0 Mbit/s" in small
    assert "Requests carried: 819 Mbit/s" in middle
    assert "Request size: 8,192 bytes" in large
