"""Signals are heard as long as somebody asks for them, and then as they were before."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

import pytest
import ray
from ray.exceptions import RayError

from experiments import connection as connection_module
from experiments import ends
from experiments.cluster_cores import ClusterCores
from experiments.connection import Connection
from experiments.errors import Terminated
from experiments.ray_tasks import RayTasks
from experiments.workers import Processes


@pytest.fixture(autouse=True)
def before() -> Iterator[object]:
    """Return who hears SIGTERM before, and leave it to him."""
    former = signal.getsignal(signal.SIGTERM)
    yield former
    signal.signal(signal.SIGTERM, former)


def test_sigterm_is_heard_as_ctrl_c_is() -> None:
    with pytest.raises(Terminated), ends.sigterm_heard():
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_comes_while_it_is_held_back_is_heard_afterwards() -> None:
    done = []

    def work() -> None:
        with ends.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("all of it")

    with pytest.raises(Terminated), ends.sigterm_heard():
        work()
    assert done


@pytest.mark.parametrize("meanwhile", [ends.sigterm_heard, ends.held_back])
def test_a_handler_that_python_cannot_know_is_followed_by_the_default(
    meanwhile: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    install = signal.signal

    def install_over_unknown(number: int, handler: Any) -> Any:
        former = install(number, handler)
        return None if number == signal.SIGTERM else former

    monkeypatch.setattr(signal, "signal", install_over_unknown)
    with meanwhile():
        pass
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _connection() -> Connection:
    return Connection("head:6379")


@pytest.mark.parametrize("hearing", [ends.sigterm_heard, Processes, _connection])
def test_who_heard_sigterm_before_hears_it_afterwards(
    hearing: Callable[[], AbstractContextManager[object]],
    before: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection_module, "_connect_quietly", _abort_at_sigterm)
    monkeypatch.setattr(connection_module, "_disconnect", lambda: None)
    with hearing(), pytest.raises(Terminated):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("lost", [RuntimeError("the GCS is gone"), RayError("the GCS is gone")])
def test_ctrl_c_leaves_ray_also_where_it_cannot_cancel_any_more(
    lost: Exception, before: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []

    def fail(*_: object, **__: object) -> None:
        raise lost

    def press_ctrl_c() -> None:
        with RayTasks("head:6379") as tasks:
            tasks._calls[Future()] = object()
            raise KeyboardInterrupt

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ClusterCores, "are_told", lambda _: True)
    monkeypatch.setattr(ray, "cancel", fail)
    monkeypatch.setattr(connection_module, "_connect_quietly", _abort_at_sigterm)
    monkeypatch.setattr(connection_module, "_disconnect", lambda: left.append("Ray"))
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
    assert left == ["Ray"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_ctrl_c_while_tasks_are_cancelled_leaves_ray_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = []

    def press_again(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "cancel", press_again)
    tasks = RayTasks("head:6379")
    tasks._calls[Future()] = object()
    monkeypatch.setattr(tasks._connection, "__exit__", lambda: left.append("Ray"), raising=False)
    with pytest.raises(KeyboardInterrupt):
        tasks.__exit__()
    assert left == ["Ray"]


def _abort_at_sigterm(_address: str | None) -> None:
    """Do what Ray does when it is connected to."""
    signal.signal(signal.SIGTERM, lambda *_: os.abort())
