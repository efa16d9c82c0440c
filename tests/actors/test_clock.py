"""The machine's clock, on a loop and a time that the test sets."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from actors import clock as clock_module
from actors.clock import TIMER_RESOLUTION_S, MachineClock


class Machine:
    """Its time stands still; its loop remembers what it is to call, and after how long."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.calls: list[tuple[float, Callable[..., object], tuple[object, ...]]] = []

    def monotonic(self) -> float:
        return self.time_s

    def call_later(
        self, delay_s: float, act: Callable[..., object], *arguments: object
    ) -> SimpleNamespace:
        self.calls.append((delay_s, act, arguments))
        return SimpleNamespace(cancel=self.calls.pop)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(clock_module, "time", machine)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: machine)
    return machine


def test_time_is_the_machines(machine: Machine) -> None:
    clock = MachineClock()
    assert clock.now() == 100.0
    clock.call_at(100.25, print, "due")
    assert machine.calls == [(0.25, print, ("due",))]


def test_a_second_of_a_dilated_run_takes_longer(machine: Machine) -> None:
    clock = MachineClock(dilation=4.0)
    began_at = clock.now()
    clock.call_at(began_at + 0.5, print)
    assert [delay_s for delay_s, _, _ in machine.calls] == [2.0]
    machine.time_s += 2.0
    assert clock.now() == began_at + 0.5


def test_a_dilated_run_sees_finer_timers(machine: Machine) -> None:
    assert MachineClock(dilation=4.0).resolution_s == TIMER_RESOLUTION_S / 4


def test_what_is_past_is_called_as_soon_as_possible(machine: Machine) -> None:
    MachineClock(dilation=4.0).call_at(0.0, print)
    assert [delay_s for delay_s, _, _ in machine.calls] == [0.0]


def test_a_call_can_be_cancelled(machine: Machine) -> None:
    MachineClock().call_at(101.0, print).cancel()
    assert machine.calls == []
