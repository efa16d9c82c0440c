import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards import theme
from dashboards.figures import model_check
from experiments.summarise import summary
from tests.dashboards.result_set import failed, runs_of
from tests.dashboards.unchanged import unchanged

LIMITS = {"jpaxos": 173e3, "spaxos": 445e3}


def runs(repeats: int = 3) -> pd.DataFrame:
    """Return runs of both backends: the simulated reach 98% of the limit, the live about 95%."""
    parts = []
    for backend, share in (("sim", 0.98), ("live", 0.95)):
        part = runs_of(clients=(8_000,), repeats=repeats)
        part["limit_rps"] = part["protocol"].map(LIMITS)
        noise = 0.01 * (part["repeat"] - 1) * (backend == "live")
        part["throughput_rps"] = part["limit_rps"] * (share + noise)
        limited = {"limit_by": "egress of the leader", "backend": backend}
        parts.append(part.assign(**limited, run_id=part["run_id"] + backend))
    return pd.concat(parts, ignore_index=True)


def bars_of(figure: go.Figure) -> list[go.Bar]:
    """Return the bars of a figure: limit, simulated, live; not those that explain them."""
    return [trace for trace in figure.data if trace.type == "bar" and trace.showlegend is False]


def test_limit_simulation_and_live_stand_side_by_side() -> None:
    figure = model_check.draw(summary(runs()))
    limit, sim, live = bars_of(figure)
    names = [trace.name for trace in (limit, sim, live)]
    assert names == list(model_check.BARS.values())
    assert list(figure.layout.xaxis.ticktext) == ["JPaxos, n = 3", "S-Paxos, n = 3"]
    assert [list(trace.x) for trace in (limit, sim, live)] == [[-0.25, 0.75], [0, 1], [0.25, 1.25]]
    assert list(limit.y) == list(LIMITS.values())
    assert list(sim.y) == pytest.approx([0.98 * rate for rate in LIMITS.values()])
    assert list(live.marker.color) == [theme.colour("jpaxos"), theme.colour("spaxos")]


def test_bars_say_their_number_and_its_share_of_the_limit() -> None:
    numbers = model_check.draw(summary(runs())).data[-1]
    assert numbers.mode == "text"
    assert list(numbers.text) == [
        *("173 k", "170 k<br>98%", "164 k<br>95%"),
        *("445 k", "436 k<br>98%", "423 k<br>95%"),
    ]


def test_a_number_stands_above_the_whisker_of_its_bar() -> None:
    figure = model_check.draw(summary(runs()))
    live, numbers = bars_of(figure)[2], figure.data[-1]
    assert list(numbers.y[2::3]) == pytest.approx(list(live.y + live.error_y.array))


def test_measured_bars_have_their_interval_and_the_limit_has_none() -> None:
    points = summary(runs())
    limit, _, live = bars_of(model_check.draw(points))
    assert not limit.error_y.visible
    of_live = points[points["backend"] == "live"].sort_values("protocol")
    low = of_live["throughput_rps"] - of_live["throughput_rps_low"]
    assert list(live.error_y.arrayminus) == pytest.approx(list(low))
    assert min(live.error_y.arrayminus) > 0


def test_an_invalid_live_run_is_no_bar() -> None:
    """It has no numbers, and what stands in its place says so."""
    table = runs(repeats=1)
    row = table.index[(table["backend"] == "live") & (table["protocol"] == "spaxos")][0]
    points = summary(failed(table, row, outcome="invalid: 1.4 ms behind its model"))
    figure = model_check.draw(points)
    assert np.isnan(bars_of(figure)[2].y).tolist() == [False, True]
    assert list(figure.data[-1].text[2::3]) == ["163 k<br>94%", "no valid<br>run"]
    assert figure.data[-1].y[-1] == 0


def test_the_legend_tells_the_kinds_of_bars_in_no_protocols_colour() -> None:
    figure = model_check.draw(summary(runs()))
    shown = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in shown] == list(model_check.BARS.values())
    colours = {theme.colour(protocol) for protocol in LIMITS}
    assert not colours & {trace.marker.color for trace in shown}


def test_a_hover_label_says_what_limits() -> None:
    texts = bars_of(model_check.draw(summary(runs())))[2].hovertext
    assert "Limited by: egress of the leader" in texts[0]
    assert "Of the limit: 95.0%" in texts[0]


def test_drawing_leaves_the_table_as_it_was() -> None:
    points = summary(runs())
    with unchanged(points):
        model_check.draw(points)


def test_a_bar_knows_the_row_of_its_point() -> None:
    points = summary(runs())
    for bars in bars_of(model_check.draw(points))[1:]:
        assert points.loc[list(bars.customdata), "throughput_rps"].tolist() == list(bars.y)


def test_hover_labels_say_what_was_set() -> None:
    figure = model_check.draw(summary(runs()).assign(window=77))
    pointed = [trace for trace in figure.data if trace.hoverinfo == "text"]
    assert pointed
    assert all("window: 77" in text for trace in pointed for text in trace.hovertext)
