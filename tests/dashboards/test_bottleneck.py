"""What bounded a run is told by what its hosts used of what they have."""

import math
from typing import Any

import pandas as pd
import pytest

from dashboards.bottleneck import capacities, explain
from tests.dashboards.result_set import counters_of, runs_of

RUN = runs_of(("jpaxos",), clients=(1_000,), repeats=1).iloc[0].to_dict()
LIMITED = RUN | {
    "egress_mbit_s": 1_000.0,
    "ingress_mbit_s": 1_000.0,
    "cpu_us_per_client_request": 1.0,
    "limit_rps": RUN["throughput_rps"],
    "limit_by": "CPU of the leader",
}


def counters(run: dict[str, Any], cores: float = 0.5) -> pd.DataFrame:
    """Return what the hosts counted: the leader's so many cores, the others a tenth of them."""
    table = counters_of(pd.DataFrame([run]))
    share = (table["host"] == 0).map({True: 1.0, False: 0.1})
    return table.assign(cpu_s=0.1 * cores * share, modelled_cpu_s=0.1 * cores * share)


def test_without_limits_the_machine_is_what_is_measured() -> None:
    said = explain(RUN | {"nodes": 1}, counters(RUN, cores=1.0))
    assert said.headline == "No limits are modelled"
    # The leader's host, two others, and the clients.
    assert "kept 1.30 of this machine's 2 cores busy" in said.sentences[0]
    assert "The leader's host took 1.00 cores, each other host 0.100" in said.sentences[1]


def test_without_limits_on_several_nodes_no_one_machine_is_what_is_measured() -> None:
    said = explain(RUN | {"nodes": 3}, counters(RUN, cores=1.0))
    assert "kept 1.30 cores busy; the hosts lived on 3 nodes." in said.sentences[0]
    assert "machine" not in " ".join(said.sentences)


def test_in_virtual_time_without_limits_no_machine_is_measured() -> None:
    said = explain(RUN | {"backend": "sim", "network_delay_ms": 0.1}, counters(RUN, cores=0.0))
    assert said.headline == "No limits are modelled"
    assert said.sentences == ["Hosts take no time for anything: what is left is the network's."]


def test_where_cpu_is_not_modelled_the_network_is_what_can_be_used_up() -> None:
    run = RUN | {"egress_mbit_s": 1.0, "limit_rps": 1e9, "limit_by": "egress of the leader"}
    said = explain(run, counters(run, cores=0.0))
    assert said.headline == "At its limit: network out of host 0, which leads"


def test_cores_bound_only_those_hosts_whose_cpu_is_modelled() -> None:
    assert set(capacities(RUN).values()) == {math.inf}
    assert capacities(RUN | {"egress_mbit_s": 100.0})["network_mbit_s_out"] == 100.0
    assert math.isinf(capacities(RUN | {"egress_mbit_s": 100.0})["cpu_cores"])
    assert capacities(LIMITED)["cpu_cores"] == 1.0


def test_a_run_at_its_computed_limit_says_what_keeps_it_there() -> None:
    said = explain(LIMITED, counters(LIMITED, cores=1.0))
    assert said.headline == "At its limit: CPU of the leader"
    assert "This run did 100% of that" in said.sentences[0]
    assert "CPU 100% (10%)" in said.sentences[1]


def test_a_host_that_is_used_up_is_told_even_below_the_computed_limit() -> None:
    run = LIMITED | {"limit_rps": 2 * RUN["throughput_rps"]}
    assert explain(run, counters(run, cores=0.95)).headline == (
        "At its limit: CPU of host 0, which leads"
    )


@pytest.mark.parametrize(
    ("rate_rps", "answered_rps", "words"),
    [
        (0.0, 100.0, "The clients bound it"),
        (100.0, 100.0, "The load bounds it: 100 requests/s were offered, and answered"),
        (9_000.0, 100.0, "More was offered, 9.00 k requests/s"),
    ],
)
def test_a_run_below_its_limit_says_what_else_bounds_it(
    rate_rps: float, answered_rps: float, words: str
) -> None:
    run = LIMITED | {
        "arrival_rate_rps": rate_rps,
        "throughput_rps": answered_rps,
        "limit_rps": 100 * answered_rps,
    }
    said = explain(run, counters(run))
    assert said.headline == "Not at its limit: 1% of what these hosts can do"
    assert said.sentences[-1].startswith(words)


def test_what_is_hardly_anything_is_not_called_nothing() -> None:
    run = LIMITED | {"limit_rps": 1e4 * RUN["throughput_rps"]}
    assert "less than 1%" in explain(run, counters(run)).headline
