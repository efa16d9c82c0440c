import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards import theme
from dashboards.figures import ablation, batch_window, hosts, percentiles, throughput
from dashboards.tidy import csv, plain, tidy
from experiments.summarise import summary
from tests.dashboards.result_set import counters_of, runs_of


@pytest.fixture
def points() -> pd.DataFrame:
    return summary(runs_of())


def test_a_line_has_a_row_a_point_under_the_titles_of_its_axes(points: pd.DataFrame) -> None:
    table = tidy(throughput.draw(points).to_dict())
    assert list(table) == [
        "trace",
        "Closed-loop clients (count)",
        "Throughput (requests/s)",
        "Throughput (requests/s), low",
        "Throughput (requests/s), high",
    ]
    jpaxos = table[table["trace"] == "JPaxos"]
    found = points[points["protocol"] == "jpaxos"]
    assert jpaxos["Closed-loop clients (count)"].tolist() == found["clients"].tolist()
    columns = ["Throughput (requests/s)", "Throughput (requests/s), low"]
    measures = ["throughput_rps", "throughput_rps_low"]
    assert jpaxos[columns].to_numpy() == pytest.approx(found[measures].to_numpy())


def test_panels_are_told_apart_and_inner_axes_have_the_titles_of_outer_ones(
    points: pd.DataFrame,
) -> None:
    table = tidy(percentiles.draw(points).to_dict())
    assert list(table) == ["panel", "trace", "Closed-loop clients (count)", "Latency (ms)"]
    assert list(table["panel"].unique()) == ["p50", "p95", "p99", "p99.9"]
    assert table.notna().all(axis=None)


def test_bars_have_the_names_of_their_places() -> None:
    runs = runs_of(clients=(100,), repeats=1)
    table = tidy(hosts.draw(runs, counters_of(runs)).to_dict())
    assert "JPaxos: host 0 (leader)" in set(table["y"])
    cases = summary(runs.assign(case="<b>all</b>"))
    assert set(tidy(ablation.draw(cases).to_dict())["x"]) == {"<b>all</b>"}


def test_a_heat_map_has_a_row_a_cell() -> None:
    runs = runs_of(("jpaxos",), clients=(100,), repeats=1)
    both = pd.concat([runs, runs.assign(window=20)])
    table = tidy(batch_window.draw(summary(both)).to_dict())
    assert list(table)[1:] == ["Window (open instances)", "Batch size (bytes)", "requests/s"]
    assert table["requests/s"].tolist() == both["throughput_rps"].tolist()


def test_what_only_explains_is_left_out() -> None:
    figure = theme.figure("").add_traces(
        [
            go.Scatter(x=[None], y=[None], name="of the legend"),
            go.Scatter(x=[1], y=[2], mode="text", text=["2"], name="a number"),
        ]
    )
    assert tidy(figure.to_dict()).empty
    assert tidy(theme.figure("").to_dict()).empty


def test_texts_lose_their_markup() -> None:
    assert plain("<b>a &lt; b</b><br>c") == "a < b c"


def test_no_text_is_a_formula_to_a_spreadsheet() -> None:
    table = pd.DataFrame({"trace": ["=1+1", "+1", "-1", "@x", "a=1"], "number": [-1.5, 0, 1, 2, 3]})
    lines = csv(table).splitlines()
    assert lines[1:] == ["'=1+1,-1.5", "'+1,0.0", "'-1,1.0", "'@x,2.0", "a=1,3.0"]
