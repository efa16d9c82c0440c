"""A clock that stands still while anything is done, and then jumps to what is due next."""

import heapq
from collections.abc import Callable
from itertools import count


class VirtualTimer:
    """A call to come on a virtual clock."""

    __slots__ = ("is_cancelled",)

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        """Have it not come."""
        self.is_cancelled = True


class VirtualClock:
    """Calls in order of time; what is due at the same time, in the order in which it was asked."""

    resolution_s = 0.0

    def __init__(self) -> None:
        self._now = 0.0
        self._order = count()
        self._calls: list[
            tuple[float, int, VirtualTimer, Callable[..., object], tuple[object, ...]]
        ] = []

    def now(self) -> float:
        """Return the time."""
        return self._now

    def call_at(self, at: float, act: Callable[..., object], *arguments: object) -> VirtualTimer:
        """Have `act` called at a time, or as soon as that is past."""
        timer = VirtualTimer()
        heapq.heappush(self._calls, (max(at, self._now), next(self._order), timer, act, arguments))
        return timer

    def run(self, until_s: float, is_over: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `until_s`, or until `is_over`; return whether that is so."""
        calls = self._calls
        while calls and calls[0][0] <= until_s:
            self._now, _, timer, act, arguments = heapq.heappop(calls)
            if not timer.is_cancelled:
                act(*arguments)
                if is_over is not None and is_over():
                    return True
        self._now = until_s
        return is_over is not None and is_over()
