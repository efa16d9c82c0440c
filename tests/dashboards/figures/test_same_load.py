import pandas as pd
import pytest

from dashboards import theme
from dashboards.figures import same_load
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of
from tests.dashboards.unchanged import unchanged

RATES = (50_000.0, 20_000.0, 100_000.0)


@pytest.fixture
def points() -> pd.DataFrame:
    """Return both protocols at three loads; JPaxos answers half of the most, S-Paxos all."""
    parts = []
    for rate in RATES:
        runs = runs_of(clients=(1_000,), repeats=1).assign(arrival_rate_rps=rate)
        overloaded = (runs["protocol"] == "jpaxos") & (rate == max(RATES))
        runs["throughput_rps"] = rate * overloaded.map({True: 0.5, False: 1.0})
        runs["service_ms_p99"] = 0.4 * runs["latency_ms_p99"]
        parts.append(runs)
    return summary(pd.concat(parts, ignore_index=True))


def test_each_panel_has_a_line_a_protocol_against_the_offered_load(points: pd.DataFrame) -> None:
    figure = same_load.draw(points)
    lines = [trace for trace in figure.data if trace.name != "overloaded"]
    assert len(lines) == 2 * len(same_load.PANELS)
    assert all(list(line.x) == sorted(RATES) for line in lines)
    jpaxos = points[points["protocol"] == "jpaxos"].sort_values("arrival_rate_rps")
    for line, measure in zip(lines[::2], same_load.PANELS, strict=True):
        assert line.line.color == theme.colour("jpaxos")
        assert list(line.y) == list(jpaxos[measure])
    panels = [note.text for note in figure.layout.annotations]
    assert panels == list(same_load.PANELS.values())


def test_overloaded_points_are_hollow_and_the_legend_says_so(points: pd.DataFrame) -> None:
    figure = same_load.draw(points)
    assert list(figure.data[0].marker.symbol) == ["circle", "circle", "circle-open"]
    assert list(figure.data[1].marker.symbol) == ["circle"] * 3
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        *("JPaxos", "S-Paxos", "overloaded"),
    ]
    assert figure.data[0].hovertext[2].startswith("<b>JPaxos, overloaded</b>")
    assert "Answered: 50.0 k requests/s (50%)" in figure.data[0].hovertext[2]


def test_axes_have_units(points: pd.DataFrame) -> None:
    figure = same_load.draw(points)
    titles = {axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())} - {""}
    assert titles == {"Offered load (requests/s)", "Latency (ms)"}


def test_drawing_leaves_the_table_as_it_was(points: pd.DataFrame) -> None:
    with unchanged(points):
        same_load.draw(points)


def test_a_mark_knows_the_row_of_its_point(points: pd.DataFrame) -> None:
    for line in same_load.draw(points).data[:2]:
        assert points.loc[list(line.customdata), "arrival_rate_rps"].tolist() == list(line.x)
