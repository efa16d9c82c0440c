"""Runs in virtual time as Ray tasks: the same numbers, and a lost one costs no other."""

import os
import signal
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest
import ray

from experiments import results, simulated
from experiments.connection import Connection
from experiments.errors import RunFailed
from experiments.live import LiveBackend
from experiments.ray_tasks import RayTasks
from experiments.runner import Ended, UnderWay
from experiments.simulated import SimulatedBackend, simulate
from experiments.workers import cores, each
from tests.actors.on_ray import assert_nothing_is_left
from tests.experiments.test_live import Command, _run
from tests.experiments.test_simulated import SUITE, assert_equal_results, sweep

pytestmark = pytest.mark.ray


@pytest.fixture
def address(live: LiveBackend) -> str:
    """Return where the Ray of the tests is."""
    return ray.get_runtime_context().gcs_address


def on_ray(address: str, at_once: int = 2) -> SimulatedBackend:
    """Return a backend that takes no more of this machine than it has."""
    return SimulatedBackend(RayTasks(address), at_once)


def test_a_sweep_as_ray_tasks_has_the_numbers_of_one_in_processes(
    address: str, tmp_path: Path
) -> None:
    sweep(tmp_path / "tasks", on_ray(address))
    sweep(tmp_path / "processes", SimulatedBackend())
    assert_equal_results(tmp_path / "tasks", tmp_path / "processes")
    assert ray.is_initialized(), "the connection of others is left as it was"


def test_there_is_room_for_as_much_as_the_cluster_has_cores(address: str) -> None:
    """Ray has many more CPUs here, for actors that do not use theirs."""
    with RayTasks(address) as tasks:
        assert tasks.count == cores() < ray.cluster_resources()["CPU"]


def test_a_task_that_is_lost_is_a_row_and_the_sweep_goes_on(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "_simulate", die_of_the_second)
    sweep(tmp_path, on_ray(address))
    by_repeat = results.runs(tmp_path).groupby("repeat")["outcome"].unique()
    assert by_repeat[0] == ["ok"]
    (reason,) = by_repeat[1]
    assert reason.startswith("its Ray task was lost: ")
    monkeypatch.undo()
    again = sweep(tmp_path, on_ray(address))
    assert len(again.told) == 2 * 2, "only these are run again"
    assert set(results.runs(tmp_path)["outcome"]) == {"ok"}


def die_of_the_second(under_way: UnderWay) -> Ended:
    if under_way.run.repeat == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return under_way.end(partial(simulate, under_way.run.config))


def test_a_task_that_is_lost_once_is_done_at_the_second_try(address: str, tmp_path: Path) -> None:
    with RayTasks(address) as tasks:
        ((_, future),) = each(tasks, die_at_first, [tmp_path / "tried"], tries=2)
        assert tasks.result(future) == "done"


def die_at_first(tried: Path) -> str:
    if not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_cluster_without_cpus_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", list)
    with pytest.raises(RunFailed, match="has no CPUs"):
        RayTasks(address).__enter__()


def test_what_work_raises_is_raised_in_its_own_words(address: str) -> None:
    with RayTasks(address) as tasks:
        ((_, future),) = each(tasks, fail, [3])
        with pytest.raises(RunFailed, match=r"^it never ends: 3$"):
            tasks.result(future)


def fail(given: int) -> None:
    raise RunFailed(f"it never ends: {given}")


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return the file of a suite of which no run takes long, but all of them take a while."""
    path = tmp_path / "many.toml"
    many = msgspec.structs.replace(SUITE, name="many", repeats=100)
    path.write_text(many.to_toml())
    return path


@pytest.mark.parametrize("where", ["processes", "tasks"])
def test_ctrl_c_is_clean_and_nothing_that_was_finished_is_lost(
    suite: Path, tmp_path: Path, address: str, where: str
) -> None:
    on = ["--address", address, "--parallel", "2"] if where == "tasks" else []
    command = Command("run", str(suite), "--out", str(tmp_path / "out"), *on)
    try:
        command.read_until("[3/200] ")
        family = command.family()
        command.press_ctrl_c()
        ended = command.ended()
    finally:
        command.kill()
    assert (ended.code, ended.err.splitlines()[1:]) == (130, [])
    assert ended.err.startswith("paxoscope: interrupted; ")
    _, still_there = psutil.wait_procs(family, 30.0)
    assert still_there == []
    kept = results.runs(tmp_path / "out")
    assert f"{len(kept)} of 200 runs are kept; resume with: paxoscope run" in ended.err
    told = [line for line in ended.out.splitlines() if line.startswith("[")]
    assert 3 <= len(told) <= len(kept) <= len(told) + 1
    assert set(kept["outcome"]) == {"ok"}
    assert len(results.timeline(tmp_path / "out")["run_id"].unique()) == len(kept)
    if where == "tasks":
        assert_nothing_is_left()


def test_a_sweep_that_was_broken_off_goes_on_elsewhere(
    suite: Path, tmp_path: Path, address: str
) -> None:
    short = ("run", str(suite), "--out", str(tmp_path / "out"), "--no-report")
    first = _run(*short, "--set", "repeats=1", "--parallel", "1")
    assert first.code == 0, first
    second = _run(*short, "--set", "repeats=3", "--address", address, "--parallel", "2")
    assert second.code == 0, second
    assert "many: 4 runs, about" in second.out
    assert len(results.runs(tmp_path / "out")) == 6


def test_a_connection_that_is_there_is_shared_and_left(live: LiveBackend) -> None:
    before = ray.get_runtime_context().get_job_id()
    with Connection("nowhere:1"):
        assert ray.get_runtime_context().get_job_id() == before
    assert ray.is_initialized()
