"""Things that are due one after the other, on a clock."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from actors.clock import Clock

T = TypeVar("T")


class DueQueue(Generic[T]):
    """Hands each thing to `take` when it is due: in the order in which they were put."""

    def __init__(self, clock: Clock, take: Callable[[T], None]) -> None:
        self.bytes = 0
        """Size of all that waits."""
        self.handed_over = 0
        """How many things were taken so far."""
        self.late_s = 0.0
        """By how much they came late, together."""
        self._clock = clock
        self._take = take
        self._waiting: deque[tuple[float, T, int]] = deque()
        self._is_going = False  # Something is being taken, or a timer is set.
        self._last_due = 0.0

    def put(self, due_at: float, thing: T, size: int) -> None:
        """Have `thing`, of `size` bytes, taken at `due_at`, but not before what was put earlier."""
        self._last_due = due_at = max(due_at, self._last_due)
        self._waiting.append((due_at, thing, size))
        self.bytes += size
        if not self._is_going:
            self._go_on()

    def empty(self) -> None:
        """Have all that waits taken now, at the end: the queue is not to be used again."""
        while self._waiting:
            self._take_first(self._clock.now())

    def _go_on(self) -> None:
        """Take what is due, and come again for the rest: even if taking one of them fails."""
        self._is_going = True
        try:
            while self._waiting and self._is_due():
                self._take_first(self._clock.now())
        finally:
            self._is_going = bool(self._waiting)
            if self._waiting:
                self._clock.call_at(self._waiting[0][0], self._go_on)

    def _is_due(self) -> bool:
        return self._waiting[0][0] <= self._clock.now() + self._clock.resolution_s

    def _take_first(self, now: float) -> None:
        due_at, thing, size = self._waiting.popleft()
        self.bytes -= size
        self.handed_over += 1
        self.late_s += max(0.0, now - due_at)
        self._take(thing)
