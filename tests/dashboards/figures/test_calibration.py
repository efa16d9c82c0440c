import pandas as pd
import pytest

from dashboards import theme
from dashboards.figures import calibration
from experiments.summarise import summary
from tests.dashboards.result_set import runs_of
from tests.dashboards.unchanged import unchanged

SHARES = (0.0, 0.1, 0.4)
RATES = {
    "jpaxos": {share: {3: 70e3, 7: 69e3} for share in SHARES},
    "spaxos": {
        0.0: {3: 190e3, 7: 400e3},
        0.1: {3: 170e3, 7: 280e3},
        0.4: {3: 115e3, 7: 140e3},
    },
}


@pytest.fixture
def points() -> pd.DataFrame:
    parts = []
    for share in SHARES:
        runs = runs_of(replicas=(3, 7), clients=(4_000,), repeats=1).assign(
            case=f"{share:.0%}",
            cpu_us_per_client_request=14.1 * (1 - share),
            cpu_us_per_executed_request=14.1 * share,
        )
        runs["throughput_rps"] = [
            RATES[protocol][share][n]
            for protocol, n in zip(runs["protocol"], runs["replicas"], strict=True)
        ]
        parts.append(runs)
    return summary(pd.concat(parts, ignore_index=True))


def test_the_share_of_execution_follows_from_the_settings(points: pd.DataFrame) -> None:
    rows = calibration.splits(points.assign(case="whatever it is called"))
    assert sorted(rows["share"].unique()) == list(SHARES)
    found = rows[(rows["protocol"] == "spaxos") & (rows["share"] == 0.4)]
    assert dict(zip(found["replicas"], found["throughput_rps"], strict=True)) == {
        3: 115e3,
        7: 140e3,
    }


def test_the_band_reaches_from_the_worst_split_to_the_best(points: pd.DataFrame) -> None:
    low, high, *_ = calibration.draw(points).data
    assert (list(low.y), list(high.y)) == ([115e3, 140e3], [190e3, 400e3])
    assert high.fill == "tonexty"
    assert high.name == "S-Paxos, 0% to 40%"


def test_the_split_of_the_profile_is_a_solid_line_and_the_others_are_dotted(
    points: pd.DataFrame,
) -> None:
    lines = calibration.draw(points).data[2:]
    solid = [line for line in lines if line.line.dash == "solid"]
    assert [(line.name, line.line.color) for line in solid] == [
        ("JPaxos (fitted at n = 3)", theme.colour("jpaxos")),
        ("S-Paxos (predicted)", theme.colour("spaxos")),
    ]
    assert list(solid[1].y) == [170e3, 280e3]
    assert {line.line.dash for line in lines} == {"solid", "dot"}
    assert [line for line in lines if line.showlegend] == solid


def test_every_split_is_written_at_the_end_of_its_line(points: pd.DataFrame) -> None:
    notes = calibration.draw(points).layout.annotations
    assert [(note.text, note.x, note.y) for note in notes] == [
        ("0%", 7, 400e3),
        ("<b>10%</b>", 7, 280e3),
        ("40%", 7, 140e3),
    ]


def test_axes_have_units(points: pd.DataFrame) -> None:
    layout = calibration.draw(points).layout
    assert layout.xaxis.title.text == "Replicas (count)"
    assert list(layout.xaxis.tickvals) == [3, 7]
    assert layout.yaxis.title.text == "Throughput (requests/s)"


def test_drawing_leaves_the_table_as_it_was(points: pd.DataFrame) -> None:
    with unchanged(points):
        calibration.draw(points)


def test_a_mark_knows_the_row_of_its_point(points: pd.DataFrame) -> None:
    for line in calibration.draw(points).data[2:]:
        assert points.loc[list(line.customdata), "throughput_rps"].tolist() == list(line.y)


def test_hover_labels_say_what_was_set(points: pd.DataFrame) -> None:
    figure = calibration.draw(points.assign(window=77))
    pointed = [trace for trace in figure.data if trace.hoverinfo == "text"]
    assert pointed
    assert all("window: 77" in text for trace in pointed for text in trace.hovertext)
