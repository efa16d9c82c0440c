"""Runs in virtual time become the same tables as others, however many are under way at once."""

import math
import os
from functools import partial
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from actors.sim.cluster import SimulatedCluster, SimulationError
from experiments import results, simulated, summarise
from experiments.errors import RunFailed
from experiments.results import TABLES, ResultsWriter
from experiments.runner import Ended, UnderWay, missing, run_all
from experiments.simulated import SimulatedBackend, measure_all, simulate
from experiments.spec import RunConfig, Suite
from experiments.sweep import expand
from tests.experiments.test_runner import Recorder

BASE = {
    "backend": "sim",
    "network_delay_ms": 1.0,
    "clients": 5,
    "warmup_s": 0.1,
    "duration_s": 0.2,
    "cooldown_s": 0.1,
}
CONFIG = RunConfig(protocol="spaxos", **BASE)
SUITE = Suite(name="s", repeats=2, base=BASE, axes={"protocol": ["jpaxos", "spaxos"]})

OF_THE_MACHINE = ["started_at", "wall_s"]
"""What is not the same in the same run again."""


def test_a_run_makes_all_tables() -> None:
    measured = simulate(CONFIG)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    for name, columns in TABLES.items():
        assert set(columns) <= set(measured.tables[name].columns), name
    assert measured.timeline["completed"].sum() == measured.latency["count"].sum() > 0
    assert set(measured.counters["role"]) == {"replica", "coordinator", "fleet"}
    assert len(measured.timeline) >= CONFIG.load_s / 0.1


def test_in_virtual_time_no_cpu_of_a_fleet_is_counted_and_its_clients_wait() -> None:
    config = RunConfig(**BASE | {"duration_s": 0.3})
    found = summarise.measure(config, **simulate(config).tables)
    assert math.isnan(found["cpu_cores_busiest_fleet"])
    assert found["in_flight_first_third"] == found["in_flight_last_third"] == config.clients


def test_the_same_run_makes_the_same_tables_in_another_process() -> None:
    here = simulate(CONFIG)
    for there in measure_all([CONFIG]):
        for name in TABLES:
            assert here.tables[name].equals(there.tables[name]), name


def test_measurements_come_in_the_order_in_which_they_are_asked_for() -> None:
    longer = RunConfig(**BASE | {"duration_s": 0.8})
    one, other = measure_all([longer, CONFIG])
    assert one.timeline["bin"].max() > other.timeline["bin"].max()


def test_a_run_that_does_not_end_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_end(*_: object) -> None:
        raise SimulationError("it never ends")

    monkeypatch.setattr(SimulatedCluster, "run", never_end)
    with pytest.raises(RunFailed, match="it never ends"):
        simulate(CONFIG)


# --- Many at once -------------------------------------------------------------------------------


def sweep(folder: Path, backend: SimulatedBackend, suite: Suite = SUITE) -> Recorder:
    """Run what is missing of a suite; return what was told."""
    recorder = Recorder()
    with ResultsWriter(folder, suite) as kept, backend:
        run_all(suite, missing(suite, kept), backend=backend, results=kept, observer=recorder)
    return recorder


def assert_equal_results(one: Path, other: Path) -> None:
    """Check that two folders hold the same numbers of the same runs."""
    runs = [results.runs(folder).set_index("run_id").sort_index() for folder in (one, other)]
    assert_frame_equal(*(each.drop(columns=OF_THE_MACHINE) for each in runs))
    for name in ("timeline", "latency", "service", "counters", "events"):
        tables = [getattr(results, name)(folder, runs[0].index) for folder in (one, other)]
        assert_frame_equal(*tables)


def test_many_at_once_measure_what_one_after_the_other_does(tmp_path: Path) -> None:
    sweep(tmp_path / "one", SimulatedBackend(at_once=1))
    told = sweep(tmp_path / "three", SimulatedBackend(at_once=3)).told
    assert [what for what, _ in told[:3]] == ["started"] * 3
    assert_equal_results(tmp_path / "one", tmp_path / "three")


def test_a_process_that_dies_fails_its_run_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "_simulate", die_of_the_second)
    sweep(tmp_path, SimulatedBackend(at_once=2))
    by_repeat = results.runs(tmp_path).groupby("repeat")["outcome"].unique()
    assert by_repeat[0] == ["ok"]
    assert by_repeat[1] == ["the process that carried it out has died"]
    monkeypatch.undo()
    again = sweep(tmp_path, SimulatedBackend(at_once=2))
    assert len(again.told) == 2 * 2, "only these are run again"
    assert set(results.runs(tmp_path)["outcome"]) == {"ok"}


def die_of_the_second(under_way: UnderWay) -> Ended:
    if under_way.run.repeat == 1:
        os._exit(1)
    return under_way.end(partial(simulate, under_way.run.config))


def test_the_time_that_a_run_takes_is_counted_from_when_a_process_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a cluster it may have waited for a CPU before."""
    (run,) = expand(Suite(name="one", base=BASE))
    under_way = UnderWay(run)
    under_way._began_s -= 1000.0
    ended = simulated._simulate(under_way)
    assert ended.measured.outcome == "ok"
    assert ended.wall_s < 1000.0


def test_a_fault_of_ours_in_a_process_is_the_reason_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "_simulate", divide)
    sweep(tmp_path, SimulatedBackend(at_once=2))
    reasons = set(results.runs(tmp_path)["outcome"])
    assert reasons == {"internal error: ZeroDivisionError: division by zero"}


def divide(_: UnderWay) -> float:
    return 1 / 0
