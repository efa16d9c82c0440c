"""What changed: a dot and an interval for each point that both sets have measured."""

import numpy as np
import pandas as pd
import pytest

from dashboards.figures import changes
from experiments.compare import compare
from tests.dashboards.result_set import failed, runs_of

BEFORE = runs_of(clients=(10, 100))
SLOWER = BEFORE.assign(
    throughput_rps=BEFORE["throughput_rps"] * np.where(BEFORE["protocol"] == "jpaxos", 0.5, 1.0)
)


def test_every_point_has_a_dot_at_its_change_and_its_interval() -> None:
    points = compare(BEFORE, SLOWER)
    worse = next(trace for trace in changes.draw(points, 0.05).data if trace.name == "worse")
    assert worse.x == pytest.approx((-50.0, -50.0))
    row = points.iloc[0]
    low, high = (100 * row[f"throughput_rps_change_{end}"] for end in ("low", "high"))
    assert worse.x[0] - worse.error_x.arrayminus[0] == pytest.approx(low)
    assert worse.x[0] + worse.error_x.array[0] == pytest.approx(high)


def test_the_worst_point_is_at_the_top() -> None:
    figure = changes.draw(compare(BEFORE, SLOWER), 0.05)
    assert [name.partition(" ")[0] for name in figure.layout.yaxis.ticktext] == [
        "jpaxos",
        "jpaxos",
        "spaxos",
        "spaxos",
    ]
    assert figure.layout.yaxis.range == (3.5, -0.5)  # Downwards.


def test_the_ground_is_as_wide_as_the_threshold() -> None:
    figure = changes.draw(compare(BEFORE, SLOWER, 0.2), 0.2)
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(band.x0, band.x1) for band in bands] == [(-20.0, 20.0)] * 2


def test_points_that_are_not_measured_on_both_sides_are_left_out() -> None:
    lost = BEFORE
    for row in BEFORE.index[(BEFORE["protocol"] == "jpaxos") & (BEFORE["clients"] == 10)]:
        lost = failed(lost, row, outcome="no quorum")
    assert len(changes.measured(compare(BEFORE, lost))) == 3
    assert len(changes.draw(compare(BEFORE, lost), 0.05).layout.yaxis.ticktext) == 3


def test_no_more_points_are_drawn_than_can_be_read() -> None:
    many = runs_of(clients=tuple(range(1, 80)), repeats=1)
    figure = changes.draw(compare(many, many), 0.05)
    assert len(figure.layout.yaxis.ticktext) == changes.SHOWN_MAX


def test_a_name_from_a_file_is_no_html() -> None:
    marked = BEFORE.assign(case=np.where(BEFORE["clients"] == 10, "<b>x</b>", "y"))
    names = changes.draw(compare(marked, marked), 0.05).layout.yaxis.ticktext
    assert not any("<b>" in name for name in names)
    assert any("&lt;b&gt;" in name for name in names)


def test_a_point_without_an_interval_says_so() -> None:
    alone = runs_of(clients=(10,), repeats=1)
    (trace, *_) = changes.draw(compare(alone, alone), 0.05).data
    assert "none: too few repeats" in trace.hovertext[0]
    assert pd.isna(trace.error_x.array[0])
