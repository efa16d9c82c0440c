"""Work is done in processes of its own, as much at once as there is room for."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from experiments import workers as workers_module
from experiments.errors import Lost, RunFailed
from experiments.workers import Processes, each
from tests.actors.on_ray import PATIENCE_S


class AtOnce:
    """Workers who are done as soon as they begin."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.begun: list[int] = []

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, work: Callable[[Any], Any], given: Any) -> Future[Any]:
        self.begun.append(given)
        future: Future[Any] = Future()
        try:
            future.set_result(work(given))
        except Lost as loss:
            future.set_exception(loss)
        return future

    def is_lost(self, ended: Future[Any]) -> bool:
        return ended.exception() is not None

    def result(self, ended: Future[Any]) -> Any:
        return ended.result()


def double(given: int) -> int:
    return 2 * given


@pytest.mark.parametrize(("count", "at_once", "room"), [(3, None, 3), (3, 2, 2), (2, 9, 2)])
def test_as_much_is_under_way_as_there_is_room_for(
    count: int, at_once: int | None, room: int
) -> None:
    workers = AtOnce(count)
    for taken, _ in enumerate(each(workers, double, range(10), at_once), 1):
        assert len(workers.begun) == min(10, taken + room)
    assert workers.begun == list(range(10))


def test_what_is_wanted_is_asked_for_only_when_it_can_begin() -> None:
    workers, asked = AtOnce(2), []

    def wanted(one: int) -> int:
        asked.append(one)
        return one

    for _ in each(workers, double, map(wanted, range(6))):
        assert asked == workers.begun


def test_where_nodes_come_and_go_there_is_more_room_or_less() -> None:
    workers = AtOnce(1)
    ended = each(workers, double, range(10))
    next(ended)
    workers.count = 4
    next(ended)
    assert len(workers.begun) == 2 + 4
    workers.count = 1
    for _ in range(3):
        next(ended)
    assert len(workers.begun) == 2 + 4


@pytest.mark.parametrize(("losses", "tries", "begun"), [(0, 3, 1), (2, 3, 3), (9, 3, 3), (9, 1, 1)])
def test_what_is_lost_is_begun_again_but_not_for_ever(losses: int, tries: int, begun: int) -> None:
    workers = AtOnce(2)

    def lose_two(given: int) -> int:
        if given == 2 and workers.begun.count(2) <= losses:
            raise Lost("with its node")
        return given

    ended = dict(each(workers, lose_two, range(4), tries=tries))
    assert workers.begun.count(2) == begun
    assert sorted(ended) == list(range(4))
    assert workers.is_lost(ended.pop(2)) == (losses >= tries)
    assert [workers.result(future) for future in ended.values()] == list(ended)


def test_all_that_is_wanted_is_done() -> None:
    with Processes(2) as workers:
        done = {one: workers.result(future) for one, future in each(workers, double, range(7))}
    assert done == {one: 2 * one for one in range(7)}


def process(_: int) -> int:
    return os.getpid()


def test_processes_are_used_again() -> None:
    with Processes(1) as workers:
        numbers = [workers.result(future) for _, future in each(workers, process, range(3))]
    assert len(set(numbers)) == 1
    assert os.getpid() not in numbers


def die_of_two(given: int) -> int:
    if given == 2:
        os._exit(1)
    return given


def test_a_process_that_dies_takes_nothing_else_with_it() -> None:
    with Processes(2) as workers:
        ended = dict(each(workers, die_of_two, range(6)))
        with pytest.raises(RunFailed, match="has died"):
            workers.result(ended.pop(2))
        assert [workers.result(future) for future in ended.values()] == list(ended)


def test_a_process_that_dies_while_it_is_idle_is_replaced() -> None:
    with Processes(1) as workers:
        first = workers.begin(process, 0)
        number = first.result()
        workers.result(first)
        (idle,) = workers._processes
        noticing = idle._executor._executor_manager_thread
        psutil.Process(number).kill()
        noticing.join(PATIENCE_S)
        assert workers.result(workers.begin(process, 0)) != number
        assert idle not in workers._processes


def divide(_: int) -> int:
    raise ZeroDivisionError("by zero")


def test_what_work_raises_is_raised_where_its_result_is_wanted() -> None:
    with Processes(1) as workers:
        (_, failed), (_, sound) = each(workers, divide, range(2))
        for future in (failed, sound):
            with pytest.raises(ZeroDivisionError, match="by zero"):
                workers.result(future)


def hears_ctrl_c(_: int) -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_processes_do_not_hear_ctrl_c_and_who_started_them_does() -> None:
    with Processes(1) as workers:
        assert not workers.result(workers.begin(hears_ctrl_c, 0))
    assert hears_ctrl_c(0)


def wait_for_ever(_: int) -> None:
    threading.Event().wait()


def _has_ended(child: BaseProcess) -> bool:
    """Wait for its end, without asking how it has ended: its executor does, and one alone can."""
    return bool(connection.wait([child.sentinel], PATIENCE_S))


def test_what_is_under_way_at_the_end_is_given_up() -> None:
    with Processes(1) as workers:
        workers.begin(wait_for_ever, 0)
        waiting = multiprocessing.active_children()
    assert waiting
    assert all(map(_has_ended, waiting))


class Interrupted(workers_module._Process):
    """A process that is there, but before anybody could hear of it Ctrl-C came."""

    def begin(self, work: Callable[[Any], Any], given: Any) -> Future[Any]:
        super().begin(work, given)
        raise KeyboardInterrupt


def test_ctrl_c_while_a_process_starts_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_Process", Interrupted)
    with Processes(1) as workers:
        with pytest.raises(KeyboardInterrupt):
            workers.begin(wait_for_ever, 0)
        waiting = multiprocessing.active_children()
    assert waiting
    assert all(map(_has_ended, waiting))


def test_processes_of_others_are_left_alone() -> None:
    context = multiprocessing.get_context("spawn")
    others = context.Process(target=wait_for_ever, args=(0,), daemon=True)
    others.start()
    before = set(multiprocessing.active_children())
    with Processes(1) as workers:
        workers.begin(wait_for_ever, 0)
        (ours,) = set(multiprocessing.active_children()) - before
    assert _has_ended(ours)
    assert others.is_alive()
    others.kill()
    others.join(PATIENCE_S)


def test_where_no_further_process_can_be_started_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What there was no process for has failed, and there is no room for more like it."""
    make, made = workers_module._Process, []

    def refuse_the_second() -> Any:
        made.append(1)
        if len(made) > 1:
            raise OSError(24, "Too many open files")
        return make()

    monkeypatch.setattr(workers_module, "_Process", refuse_the_second)
    with Processes(3) as workers:
        ended = dict(each(workers, double, range(5)))
        with pytest.raises(RunFailed, match="no process can be started for it: Too many open"):
            workers.result(ended.pop(1))
        assert {one: workers.result(future) for one, future in ended.items()} == {
            0: 0,
            2: 4,
            3: 6,
            4: 8,
        }
        assert workers.count == 1


def test_where_no_process_can_be_started_at_all_nothing_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers_module, "_Process", refuse)
    with Processes(3) as workers, pytest.raises(RunFailed, match=r"started: Resource temporarily"):
        list(each(workers, double, range(5)))


ORPHANS = """
import os, signal, sys
from experiments.workers import Processes
from tests.experiments.test_workers import process, wait_for_ever

if __name__ == "__main__":
    with Processes(2) as workers:
        print(workers.begin(process, 0).result(), flush=True)
        workers.begin(wait_for_ever, 0)
        sys.stdin.readline()
"""


def test_processes_end_with_who_started_them_even_if_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "orphans.py"
    program.write_text(ORPHANS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(program)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        busy = psutil.Process(int(parent.stdout.readline()))
        children = psutil.Process(parent.pid).children()
        assert busy in children
        parent.kill()
    _, still_there = psutil.wait_procs(children, PATIENCE_S)
    assert still_there == []
