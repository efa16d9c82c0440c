"""Clocks that a host runs by: the machine's, perhaps stretched; `sim.clock` has a virtual one."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

TIMER_RESOLUTION_S = 0.000_5
"""Half of what event loops round timers to: what comes early makes up for what comes late."""


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Have it not come."""


class Clock(Protocol):
    """Tells the time of a run, in seconds from any origin, and calls when it has come."""

    resolution_s: float
    """What is due within this time may as well happen now: no timer is finer."""

    def now(self) -> float:
        """Return the time; it never goes back."""

    def call_at(self, at: float, act: Callable[..., object], *arguments: object) -> Timer:
        """Have `act` called at a time, or as soon as that is past."""


class MachineClock:
    """The monotonic clock of the machine, which all its processes share.

    With `dilation` k a second of the run takes k seconds. Timers of an event loop come up to a
    millisecond late.
    """

    def __init__(self, dilation: float = 1.0) -> None:
        self.resolution_s = TIMER_RESOLUTION_S / dilation
        self._dilation = dilation
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Return the time of the run."""
        return time.monotonic() / self._dilation

    def call_at(self, at: float, act: Callable[..., object], *arguments: object) -> Timer:
        """Have `act` called at a time, or as soon as that is past."""
        delay_s = max(0.0, at * self._dilation - time.monotonic())
        return self._loop.call_later(delay_s, act, *arguments)
