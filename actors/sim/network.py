"""The simulated network: delay, loss, duplication, reordering, partitions, slow links.

Each message draws its own delay, so that messages overtake each other, but not on links that keep
order, as a TCP connection does. All faults may be changed while the world runs.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Literal, Protocol

from actors.core.ids import Address

DelayShape = Literal["uniform", "exponential", "long_tailed"]
TAIL_MAX = 100.0

Pair = tuple[Address, Address]


def _long_tailed(rng: random.Random) -> float:
    """Draw from a Pareto distribution: mostly below 1, now and then a hundred times that."""
    return min(rng.paretovariate(1.2) - 1.0, TAIL_MAX)


_DRAWS: dict[DelayShape, Callable[[random.Random], Callable[[], float]]] = {
    "uniform": lambda rng: rng.random,
    "exponential": lambda rng: partial(rng.expovariate, 1.0),
    "long_tailed": lambda rng: partial(_long_tailed, rng),
}


@dataclass
class Network:
    """How messages between hosts fare. Times are in seconds, chances 0 to 1.

    A delay is `delay_min_s` and a part of `delay_max_s - delay_min_s`: uniformly drawn, all of it
    on average ("exponential"), or most of it with now and then a multiple ("long_tailed"). With
    equal bounds every delay is the same.
    """

    delay_min_s: float = 0.000_1
    delay_max_s: float = 0.000_5
    delay_shape: DelayShape = "uniform"
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    """Chance that a message is held back, for up to `held_back_max_s`, and others overtake it."""
    held_back_max_s: float = 0.05
    in_order: float = 0.0
    """Chance that a link, each way for itself, keeps the order of what it carries."""
    former_lives: float = 0.0
    """Chance that a message sent to a node that then crashed reaches the next one there."""
    joint_steps: float = 0.0
    """Chance that a node takes what arrives next before it answers, as in one read."""
    cut: set[Pair] = field(default_factory=set)
    """Pairs (from, to) between which nothing gets through."""
    slowed_s: dict[Pair, float] = field(default_factory=dict)
    """By how much messages take longer, by pair (from, to)."""

    def partition(
        self, one: Iterable[Address], other: Iterable[Address], *, one_way: bool = False
    ) -> None:
        """Cut every connection between two groups: both ways, or only what the first sends."""
        there = set(product(one, other))
        self.cut |= there if one_way else there | {(b, a) for a, b in there}

    def slow(self, senders: Iterable[Address], receivers: Iterable[Address], by_s: float) -> None:
        """Have messages from one group to another take longer."""
        self.slowed_s.update(dict.fromkeys(product(senders, receivers), by_s))

    def reconnect(self) -> None:
        """Lift all partitions and slowness; chances stay."""
        self.cut.clear()
        self.slowed_s.clear()

    def heal(self) -> None:
        """Lift all faults: from now on whatever is sent arrives, once."""
        self.reconnect()
        self.loss = self.duplication = self.reordering = 0.0


class Route(Protocol):
    """The way from one node to another."""

    def delays_s(self, now: float) -> tuple[float, ...]:
        """Return after how long each copy of a message sent now arrives: none, one or two."""


class HostLocal:
    """The way between two nodes of one host: nothing happens on it, and it takes no time."""

    def delays_s(self, now: float) -> tuple[float, ...]:  # noqa: ARG002 - as for any route.
        """Return no delay."""
        return (0.0,)


class Link:
    """One direction between two nodes of different hosts."""

    def __init__(self, pair: Pair, network: Network, rng: random.Random) -> None:
        self._pair = pair
        self._network = network
        self._random = rng.random
        self._draw = _DRAWS[network.delay_shape](rng)
        self._keeps_order = network.in_order > 0 and rng.random() < network.in_order
        self._last_arrival = 0.0

    def delays_s(self, now: float) -> tuple[float, ...]:
        """Return after how long each copy of a message sent now arrives: none, one or two."""
        network = self._network
        if network.cut and self._pair in network.cut:
            return ()
        if network.loss and self._random() < network.loss:
            return ()
        if network.duplication and self._random() < network.duplication:
            return self._delay_s(now), self._delay_s(now)
        return (self._delay_s(now),)

    def _delay_s(self, now: float) -> float:
        network = self._network
        low = network.delay_min_s
        delay_s = low + (network.delay_max_s - low) * self._draw()
        if network.slowed_s:
            delay_s += network.slowed_s.get(self._pair, 0.0)
        if self._keeps_order:
            self._last_arrival = max(self._last_arrival, now + delay_s)
            return self._last_arrival - now
        if network.reordering and self._random() < network.reordering:
            delay_s += network.held_back_max_s * self._random()
        return delay_s
