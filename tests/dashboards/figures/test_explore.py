import pandas as pd

from dashboards import theme
from dashboards.figures.explore import Axis, by_folder, draw, short_names
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of

X = Axis("clients", "Clients (count)", is_log=True)
Y = Axis("throughput_rps", "Throughput (requests/s)")


def points_of(**axes: tuple[int, ...]) -> pd.DataFrame:
    return summary(runs_of(**axes)).assign(folder="one")


def test_an_axis_says_which_points_it_has_no_place_for() -> None:
    measured = pd.DataFrame({"lag_ms": [0.0, 1.0, 2.0]})
    axis = Axis("lag_ms", "Lag (ms)")
    assert list(axis.missing(measured)) == []
    assert list(axis.missing(measured.where(measured > 5))) == [
        "Lag (ms): not measured at any of these points."
    ]
    assert list(axis.missing(measured.where(measured > 0))) == [
        "Lag (ms): measured at 2 of 3 points."
    ]


def test_a_logarithmic_axis_says_that_it_has_no_place_for_0() -> None:
    measured = pd.DataFrame({"lag_ms": [0.0, 1.0, 2.0]})
    axis = Axis("lag_ms", "Lag (ms)", is_log=True)
    assert list(axis.missing(measured)) == [
        "Lag (ms): a logarithmic axis has no place for 1 of the points."
    ]
    assert list(axis.missing(0 * measured)) == [
        "Lag (ms): no value is above 0, so that the axis is not logarithmic."
    ]


def test_protocols_keep_their_colour_and_settings_get_one_each() -> None:
    points = points_of(replicas=(3, 5), clients=(1, 10))
    own = {line.line.color for line in draw(points, X, Y).data}
    assert own == {theme.colour("jpaxos"), theme.colour("spaxos")}
    by_replicas: dict[str, set[str]] = {}
    for line in draw(points, X, Y, colour="replicas").data:
        by_replicas.setdefault("n = 3" if "n = 3" in line.name else "n = 5", set()).add(
            line.line.color
        )
    assert [len(colours) for colours in by_replicas.values()] == [1, 1]
    assert len(set.union(*by_replicas.values())) == 2


def test_curves_of_one_colour_differ_in_their_style() -> None:
    lines = draw(points_of(clients=(1, 10)), X, Y, colour="replicas").data
    assert len({(line.line.color, line.line.dash, line.marker.symbol) for line in lines}) == 2


def test_a_colour_that_changes_along_a_line_parts_it() -> None:
    lines = draw(points_of(clients=(1, 10)), X, Y, colour="clients").data
    assert [len(line.x) for line in lines] == [1, 1, 1, 1]
    assert {line.name for line in lines} == {
        f"{name}, clients = {count}" for name in ("JPaxos", "S-Paxos") for count in (1, 10)
    }


def test_a_panel_for_each_value_names_each_curve_once() -> None:
    figure = draw(points_of(replicas=(3, 5, 7, 9), clients=(1, 10)), X, Y, facet="protocol")
    assert [each.text for each in figure.layout.annotations] == [
        "protocol = JPaxos",
        "protocol = S-Paxos",
    ]
    named = [line.name for line in figure.data if line.showlegend]
    assert len(named) == len(set(named)) == 8


def test_what_no_point_has_a_number_of_is_said_to_be_missing() -> None:
    """The CPU of hosts in virtual time, for instance, unless it is modelled."""
    points = points_of(clients=(1, 10)).assign(throughput_rps=float("nan"))
    figure = draw(points, X, Y)
    assert [each.text for each in figure.layout.annotations] == [f"not measured: {Y.title}"]


def test_a_mark_knows_the_row_of_its_point() -> None:
    points = points_of(clients=(1, 10))
    for line in draw(points, X, Y).data:
        assert points.loc[list(line.customdata), "clients"].tolist() == list(line.x)


def test_curves_of_several_folders_are_told_apart_by_their_case() -> None:
    both = pd.concat(
        [points_of(clients=(1, 10)).assign(folder=each) for each in ("a/x", "b/y")],
        ignore_index=True,
    )
    names = {line.name for line in draw(by_folder(both), X, Y).data}
    assert names == {"JPaxos, x", "JPaxos, y", "S-Paxos, x", "S-Paxos, y"}
    one = both[both["folder"] == "a/x"]
    assert by_folder(one) is one


def test_folders_go_by_their_last_name_where_that_is_no_others() -> None:
    assert short_names(["a/x", "b/x", "c/y", "."]) == {
        "a/x": "a/x", "b/x": "b/x", "c/y": "y", ".": "."
    }  # fmt: skip


def test_what_is_set_is_text_in_a_hover_label() -> None:
    points = points_of(clients=(1,)).assign(case="<b>bold</b>")
    for line in draw(points, X, Y).data:
        assert "&lt;b&gt;bold" in line.hovertext[0]
        assert "<b>bold" not in line.hovertext[0]


def test_numbers_get_the_colours_of_a_scale() -> None:
    lines = draw(points_of(replicas=(3, 5, 7), clients=(1, 10)), X, Y, colour="replicas").data
    assert all(line.line.color.startswith("rgb(") for line in lines)
