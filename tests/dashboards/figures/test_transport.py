import math

import pandas as pd
import pytest

from dashboards.figures import transport
from tests.dashboards.result_set import counters_of, runs_of


@pytest.fixture
def runs() -> pd.DataFrame:
    """Both protocols over TCP and, ten times slower, by Ray calls; and a null actor."""
    tcp = runs_of(clients=(1, 100))
    ray = tcp.assign(
        transport="ray",
        throughput_rps=tcp["throughput_rps"] / 10,
        latency_ms_p50=tcp["latency_ms_p50"] * 8,
        run_id=tcp["run_id"] + "-ray",
    )
    null = ray[ray["protocol"] == "jpaxos"].assign(
        backend="null_actor",
        throughput_rps=2_500.0,
        latency_ms_p50=1.25,
    )
    null["run_id"] += "-null"
    return pd.concat([tcp, ray, null], ignore_index=True)


@pytest.fixture
def costs(runs: pd.DataFrame) -> pd.DataFrame:
    counters = counters_of(runs)
    by_call = counters["run_id"].str.contains("ray")
    counters["cpu_s"] = 20e-6 * counters["network_messages_in.Accept"].where(~by_call, 0)
    counters.loc[by_call, "cpu_s"] = 300e-6 * counters["network_messages_in.Accept"]
    return transport.costs(runs, counters)


def test_there_is_a_cost_where_calls_are_compared_and_nothing_else(runs: pd.DataFrame) -> None:
    assert transport.compares(runs)
    assert not transport.compares(runs[runs["transport"] == "tcp"])
    windows = runs["window"].where(runs["clients"] > 1, 4)
    assert not transport.compares(runs.assign(window=windows))


def test_each_curve_has_the_median_of_its_repeats_and_their_interval(
    runs: pd.DataFrame, costs: pd.DataFrame
) -> None:
    assert set(costs["curve"]) == {
        *("JPaxos, TCP", "JPaxos, Ray calls", "S-Paxos, TCP", "S-Paxos, Ray calls"),
        "Null actor",
    }
    assert (costs["repeats"] == 3).all()
    row = costs[(costs["curve"] == "S-Paxos, Ray calls") & (costs["clients"] == 100)].iloc[0]
    same = runs[runs["run_id"].str.fullmatch(r"spaxos-3-100-\d-ray")]
    assert row["throughput_rps"] == same["throughput_rps"].median()
    assert row["throughput_rps_low"] < row["throughput_rps"] < row["throughput_rps_high"]
    assert row["host_us_per_message"] == pytest.approx(150)


def test_the_words_say_how_many_times_and_what_a_call_costs_at_least(costs: pd.DataFrame) -> None:
    jpaxos, spaxos, null = transport.told(costs)
    assert jpaxos == (
        "<b>JPaxos</b>: over TCP the throughput is 10.0 times that by Ray calls; by Ray calls the "
        "median latency is 8.00 times and the CPU of a message 15.0 times that over TCP."
    )
    assert spaxos.startswith("<b>S-Paxos</b>")
    assert "takes 1.25 ms there and back; 2.50 k of them fit a second" in null


def test_what_was_not_compared_is_not_told(costs: pd.DataFrame) -> None:
    assert list(transport.told(costs[costs["transport"] == "tcp"])) == []


def test_solid_is_tcp_dashed_are_calls_and_dotted_is_the_null_actor(costs: pd.DataFrame) -> None:
    traces = transport.draw(costs).data
    panels = len(transport.PANELS)
    assert len(traces) == panels * costs["curve"].nunique()
    dashes = {trace.name: trace.line.dash for trace in traces}
    assert dashes == {
        "JPaxos, TCP": "solid",
        "JPaxos, Ray calls": "dash",
        "S-Paxos, TCP": "solid",
        "S-Paxos, Ray calls": "dash",
        "Null actor": "dot",
    }
    assert sum(trace.showlegend for trace in traces) == len(dashes)
    for trace in traces:
        assert list(trace.x) == [1, 100]
        assert all(math.isfinite(y) and y > 0 for y in trace.y)


def test_a_hover_label_says_all_that_was_found(costs: pd.DataFrame) -> None:
    [first, *_] = transport.draw(costs).data
    for title in ("Clients", *transport.PANELS.values(), "Repeats: 3"):
        assert title in first.hovertext[0]
