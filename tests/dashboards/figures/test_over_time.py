"""One run over time: what is drawn is what the tables say, and faults last until mended."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards import theme
from dashboards.figures import over_time
from experiments import summarise
from tests.dashboards.result_set import Disturbed, counters_of, disturbed

CUT = "2 cut host leader; +3 heal"
KILLED = "2 kill host leader"


def drawn(
    found: Disturbed, *, percentiles: Sequence[str] = over_time.SHOWN, **changed: pd.DataFrame
) -> go.Figure:
    run = found.runs.iloc[0]
    tables = {**found._asdict(), "counters": counters_of(found.runs.head(1)), **changed}
    names = ("timeline", "latency", "counters", "events")
    return over_time.draw(run, *(_of(run, tables[name]) for name in names), percentiles=percentiles)


def _of(run: "pd.Series[str]", table: pd.DataFrame) -> pd.DataFrame:
    return table[table["run_id"] == run["run_id"]]


def lines(figure: go.Figure) -> dict[str, go.Scatter]:
    """Return the first line of each name: of hosts, their CPU."""
    return {trace.name: trace for trace in reversed(figure.data) if trace.name}


def grounds(figure: go.Figure) -> list[tuple[float, float]]:
    """Return from when to when the ground of the first panel is coloured, in s."""
    return [
        (shape.x0, shape.x1)
        for shape in figure.layout.shapes
        if shape.type == "rect" and shape.xref == "x"
    ]


def test_percentiles_are_those_of_the_table_of_every_bin() -> None:
    found = disturbed(CUT, protocols=("jpaxos",))
    bins = over_time.percentiles_by_bin(found.latency, 110)
    exact = summarise.over_time(found.timeline, found.latency, 0.0, 11.0)
    for name, column in (
        ("p50", "latency_ms_p50"),
        ("p95", "latency_ms_p95"),
        ("p99", "latency_ms_p99"),
        ("p99.9", "latency_ms_p999"),
    ):
        np.testing.assert_allclose(bins[name], exact[column])
    assert bins["p50"].isna().sum() == exact["latency_ms_p50"].isna().sum() > 0


def test_cpu_that_is_not_modelled_is_said_to_be_and_the_next_panel_names_the_hosts() -> None:
    found = disturbed("", protocols=("jpaxos",))
    idle = counters_of(found.runs.head(1)).assign(cpu_s=0.0)
    figure = drawn(found, counters=idle)
    assert [each.text for each in figure.layout.annotations] == ["not modelled"]
    assert not [each for each in figure.data if each.yaxis == figure.layout.yaxis2.anchor]
    assert lines(figure)["other hosts"].yaxis == "y4"
    assert lines(figure)["other hosts"].showlegend


def test_without_a_reply_there_is_no_percentile() -> None:
    empty = pd.DataFrame({"bin": [], "bucket": [], "count": []})
    assert over_time.percentiles_by_bin(empty, 3)["p99"].isna().all()


def test_median_and_p99_are_shown_and_the_others_wait_in_the_legend() -> None:
    found = lines(drawn(disturbed(CUT)))
    shown = {name: found[name].visible for name in over_time.PERCENTILES}
    assert [name for name, visible in shown.items() if visible is True] == ["p50", "p99"]
    assert {shown[name] for name in ("p90", "p95", "p99.9")} == {"legendonly"}


def test_the_percentiles_that_are_asked_for_are_shown_instead() -> None:
    found = lines(drawn(disturbed(CUT), percentiles=["p90", "p99.9"]))
    visible = [name for name in over_time.PERCENTILES if found[name].visible is True]
    assert visible == ["p90", "p99.9"]


def test_the_ground_is_grey_outside_of_the_window_and_coloured_until_a_fault_is_mended() -> None:
    """The warm-up lasts 2 s, the window 9 s."""
    assert grounds(drawn(disturbed(CUT))) == [
        (0.0, 2.0),
        (11.0, pytest.approx(11.0)),
        (4.0, 7.0),
    ]


def test_a_host_that_never_returns_is_missed_until_the_window_ends() -> None:
    assert grounds(drawn(disturbed(KILLED)))[-1] == (4.0, 11.0)


def test_what_passes_by_itself_is_a_line_and_no_ground() -> None:
    figure = drawn(disturbed("1 every 2 suspect replica follower"))
    assert len(grounds(figure)) == 2
    first = [s for s in figure.layout.shapes if s.type == "line" and s.xref == "x"]
    assert [line.line.dash for line in first] == ["solid", "dot"] * 4


def test_the_events_are_named_above_and_where_they_are_pointed_at() -> None:
    figure = drawn(disturbed(KILLED))
    assert "host 0 (leader) killed" in [note.text for note in figure.layout.annotations]
    marks = next(trace for trace in figure.data if trace.mode == "markers")
    assert marks.x == pytest.approx((4.0, 4.6))
    assert "replica 1 leads view 1" in marks.hovertext[1]


def test_the_host_that_led_has_the_colour_of_the_protocol_and_the_others_share_a_name() -> None:
    figure = drawn(disturbed(""))
    hosts = [trace for trace in figure.data if trace.legendgroup]
    leader = [trace for trace in hosts if trace.line.color == theme.colour("jpaxos")]
    assert {trace.name for trace in leader} == {"host 0, which led"}
    named = [trace.name for trace in hosts if trace.showlegend]
    assert sorted(named) == ["host 0, which led", "other hosts"]
    assert len(hosts) == 3 * 4  # CPU, network out and in, queued; of three hosts.


def test_cpu_is_what_was_counted_by_the_time_that_it_took() -> None:
    """A sample that came late covers two bins, and is spread over them."""
    found = disturbed("", protocols=("jpaxos",))
    counters = counters_of(found.runs).assign(cpu_s=0.05)
    late = counters.drop(counters[(counters["host"] == 0) & (counters["bin"] == 23)].index)
    late.loc[(late["host"] == 0) & (late["bin"] == 24), "cpu_s"] = 0.1
    line = lines(drawn(found, counters=late))["host 0, which led"]
    busy = {round(x, 2): y for x, y in zip(line.x, line.y, strict=True)}
    assert [busy[middle_s] for middle_s in (2.25, 2.35, 2.45, 2.55)] == pytest.approx([0.5] * 4)
    assert busy[1.95] == 0.0  # It began to measure at 2 s.


def test_what_is_modelled_takes_the_place_of_the_machines_own_cpu() -> None:
    found = disturbed("", protocols=("jpaxos",))
    limited = found._replace(runs=found.runs.assign(cpu_us_per_message=1.0))
    counters = counters_of(found.runs).assign(modelled_cpu_s=0.08)
    figure = drawn(limited, counters=counters)
    assert max(lines(figure)["host 0, which led"].y) == pytest.approx(0.8)
    texts = [trace.text[0] for trace in figure.data if trace.text]
    assert texts == ["all that a host has: 1.00"]


def test_a_limit_is_drawn_only_where_the_run_comes_near_it() -> None:
    found = disturbed("", protocols=("jpaxos",))
    top = found.runs["throughput_rps"].iloc[0]
    texts = {}
    for factor in (1.1, 10.0):
        limited = found._replace(runs=found.runs.assign(limit_rps=factor * top))
        texts[factor] = [trace.text[0] for trace in drawn(limited).data if trace.text]
    assert len(texts[1.1]) == 1
    assert "computed limit" in texts[1.1][0]
    assert texts[10.0] == []


def test_the_clocks_of_hosts_are_set_by_the_first_request_that_they_admit() -> None:
    """Hosts begin to measure before the clients do; those of the clients stay as they are."""
    counters = pd.DataFrame(
        {
            "actor": ["replica-0"] * 4 + ["fleet-0"],
            "host": [0] * 4 + [-1],
            "bin": [1, 2, 3, 4, 1],
            "time_s": [0.1, 0.2, 0.3, 0.4, 0.1],
            "requests_in": [0.0, 0.0, 0.0, 7.0, np.nan],
        }
    )
    found = over_time.since_clients_began(counters)
    assert found["time_s"].tolist() == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.1])
    assert found["bin"].tolist() == [-2, -1, 0, 1, 1]


def test_hosts_that_admitted_nothing_keep_their_clocks() -> None:
    counters = counters_of(disturbed("").runs.head(1))
    pd.testing.assert_frame_equal(over_time.since_clients_began(counters), counters)


def test_every_axis_says_its_unit() -> None:
    figure = drawn(disturbed(CUT))
    titles = [axis.title.text for axis in figure.select_yaxes()]
    assert len(titles) == 8
    assert all(title.endswith(")") for title in titles)


def test_a_panel_of_nothing_has_one_tick() -> None:
    found = disturbed("", protocols=("jpaxos",))
    counters = counters_of(found.runs).assign(queued_bytes=0.0)
    assert drawn(found, counters=counters).layout.yaxis8.tickvals == (0,)
