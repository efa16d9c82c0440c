"""A node in the world with what is around it: its clock, its disk, its timers, its faults."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from actors.core.effects import Effect, Node
from actors.core.ids import Address
from actors.sim.disk import Disk
from actors.sim.network import Route

Step = tuple[Callable[..., None], tuple[Any, ...]]
"""Something that happens to a node: a method of the world and its arguments."""


Watch = Callable[[Sequence[Effect], bool], None]
"""Is told the effects of each drain of a node, none among them, and whether all is synced.

Without effects also when something has been synced, and when something happens that is drained
later: until then what follows from it is not stored.
"""


class Process:
    """Whoever lives at an address: one node after the other, with one clock and one disk."""

    __slots__ = (
        "_clock_s",
        "_offset_s",
        "_rate",
        "address",
        "disk",
        "event_s",
        "held",
        "is_drained",
        "is_paused",
        "life",
        "node",
        "routes",
        "timers",
        "watch",
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.node: Node | None = None
        """Who lives here now: nobody before the first start and after a crash."""
        self.watch: Watch | None = None
        self.life = 0
        """How often a node crashed here."""
        self.disk = Disk()
        self.routes: dict[Address, tuple[Process, Route]] = {}
        """How messages get from here to others; filled as they are first sent."""
        self.timers: dict[str, float] = {}
        """When, by the clock here, each timer expires that is set."""
        self.event_s = 0.0
        """How long each event keeps the node busy."""
        self.held: deque[Step] | None = None
        """What waits for a node that is busy or paused."""
        self.is_paused = False
        self.is_drained = True
        """Whether all that has happened to the node has had its effects."""
        self._clock_s = 0.0
        self._offset_s = 0.0
        self._rate = 1.0

    def clock_s(self, world_s: float, at_least_s: float = 0.0) -> float:
        """Return the time that the clock here shows at a time of the world; it never goes back."""
        clock_s = self._offset_s + self._rate * world_s
        clock_s = max(clock_s, at_least_s)  # A timer's own time is reached but for rounding.
        self._clock_s = max(self._clock_s, clock_s)
        return self._clock_s

    def world_s(self, clock_s: float) -> float:
        """Return the time of the world at which the clock here shows `clock_s`."""
        return (clock_s - self._offset_s) / self._rate

    def set_clock(self, world_s: float, rate: float, ahead_s: float) -> None:
        """Have the clock go on, `ahead_s` seconds later than it shows, at another rate."""
        self._offset_s = self.clock_s(world_s) + ahead_s - rate * world_s
        self._rate = rate

    def crash(self, rng: random.Random) -> None:
        """Lose the node and all but the disk and the clock."""
        self.node = self.watch = None
        self.life += 1
        self.timers = {}
        self.held = None
        self.is_paused = False
        self.is_drained = True
        self.disk.crash(rng)
