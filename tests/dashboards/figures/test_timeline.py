import plotly.graph_objects as go
import pytest

from dashboards import theme
from dashboards.faults import Event
from dashboards.figures import timeline
from tests.dashboards.result_set import STORIES, disturbed
from tests.dashboards.unchanged import unchanged

KILL = "2 kill host leader"


def titles(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations if note.text.startswith("<b>")]


def texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations if not note.text.startswith("<b>")]


def event(time_s: float, text: str = "host 0 (leader) killed", is_fault: bool = True) -> Event:
    return Event(time_s, text, is_fault, time_s)


def test_each_run_has_a_row_in_the_colour_of_its_protocol() -> None:
    figure = timeline.draw(*disturbed(KILL, repeats=2))
    assert titles(figure) == [
        *("<b>JPaxos, repeat 0</b>", "<b>JPaxos, repeat 1</b>"),
        *("<b>S-Paxos, repeat 0</b>", "<b>S-Paxos, repeat 1</b>"),
    ]
    lines = [trace.line.color for trace in figure.data if "lines" in (trace.mode or "lines")]
    assert lines == [theme.colour("jpaxos")] * 6 + [theme.colour("spaxos")] * 6
    # Throughput with its marks, and two percentiles: a panel each.
    assert len({trace.yaxis for trace in figure.data}) == 8


def test_a_row_shows_the_throughput_and_the_latency_of_every_bin() -> None:
    tables = disturbed(KILL, protocols=("jpaxos",))
    replies, _, median, tail = timeline.draw(*tables).data
    window = tables.timeline[tables.timeline["time_s"] > 2.05]
    assert replies.y.tolist() == pytest.approx((window["completed"] * 10).tolist())
    assert (replies.x[0], replies.x[-1]) == (pytest.approx(0.05), pytest.approx(8.95))
    silent = replies.y == 0
    assert silent.sum() == 6
    assert (median.y != median.y).tolist() == silent.tolist()  # nan
    assert (median.y[~silent] < tail.y[~silent]).all()
    assert (median.line.dash, tail.line.dash) == ("solid", "dash")


@pytest.mark.parametrize("words", STORIES)
def test_every_event_has_a_mark_that_tells_it_and_a_line_through_both_panels(words: str) -> None:
    figure = timeline.draw(*disturbed(words, protocols=("jpaxos",)))
    marks = figure.data[1]
    times = [time_s for time_s, *_ in STORIES[words].events]
    assert marks.x == pytest.approx(times)
    for time_s, text in zip(times, marks.hovertext, strict=True):
        assert f"Time: {time_s:.2f} s" in text
    lines = [shape.x0 for shape in figure.layout.shapes if shape.type == "line"]
    assert sorted(lines) == pytest.approx(sorted([*times, *times]))


def test_faults_are_labelled_and_the_ground_is_grey_until_they_are_mended() -> None:
    figure = timeline.draw(*disturbed("2 cut host leader; +3 heal", protocols=("jpaxos",)))
    assert texts(figure) == ["host 0 (leader) cut off", "replica 1 leads view 1", "network healed"]
    shades = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(shade.x0, shade.x1) for shade in shades] == [(2.0, 5.0)] * 2


def test_labels_that_are_close_stand_side_by_side_or_above_each_other() -> None:
    times_s = (4.0, 4.1, 3.9, 3.6)
    placed = timeline.labels([event(time_s, "host 0 killed") for time_s in times_s], 9.0)
    assert [(label.level, label.is_left_of_mark) for label in placed] == [
        *((0, False), (1, False), (2, False), (0, True)),
    ]


def test_labels_stay_inside_of_their_panel() -> None:
    early, late = timeline.labels([event(0.0), event(8.9)], 9.0)
    assert (early.is_left_of_mark, late.is_left_of_mark) == (False, True)


def test_where_there_is_no_room_faults_are_labelled_and_the_rest_is_not() -> None:
    crowd = [event(4.0 + index / 100, is_fault=index >= 6) for index in range(8)]
    placed = [label.event for label in timeline.labels(crowd, 9.0)]
    assert placed[:2] == crowd[6:]
    assert len(placed) < len(crowd)


def test_every_mark_knows_its_run_and_the_lines_say_what_was_set() -> None:
    tables = disturbed(KILL, protocols=("jpaxos",), repeats=2)
    runs = tables.runs.assign(window=77).set_axis(tables.runs["run_id"].tolist())
    figure = timeline.draw(*tables._replace(runs=runs))
    of_rows = [{*trace.customdata} for trace in figure.data]
    assert of_rows == [{"jpaxos-3-1000-0-0"}] * 4 + [{"jpaxos-3-1000-1-0"}] * 4
    lines = [trace for trace in figure.data if trace.mode != "markers"]
    assert all("window: 77" in line.hovertemplate for line in lines)


def test_a_run_without_any_reply_is_drawn() -> None:
    tables = disturbed(KILL, protocols=("jpaxos",))
    silent = tables._replace(
        timeline=tables.timeline.assign(completed=0), latency=tables.latency.iloc[:0]
    )
    assert (timeline.draw(*silent).data[0].y == 0).all()


def test_drawing_leaves_the_tables_as_they_were() -> None:
    tables = disturbed(KILL)
    with unchanged(*tables):
        timeline.draw(*tables)
