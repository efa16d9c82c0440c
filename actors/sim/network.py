"""The simulated network: delay, loss, duplication, partitions. Messages may overtake each other."""

import random
from dataclasses import dataclass, field

from actors.core.ids import Address


@dataclass
class Network:
    """How messages between hosts fare. Delays are uniform, in seconds; chances are 0 to 1."""

    delay_min_s: float = 0.000_1
    delay_max_s: float = 0.000_5
    loss: float = 0.0
    duplication: float = 0.0
    joint_steps: float = 0.0
    """Chance that a node takes what arrives next before it answers, as in one read."""
    cut: set[tuple[Address, Address]] = field(default_factory=set)
    """Pairs (from, to) between which nothing gets through."""

    def delays(self, sender: Address, receiver: Address, rng: random.Random) -> list[float]:
        """Return after how long each copy of a message arrives: none, one or two."""
        if (sender, receiver) in self.cut or rng.random() < self.loss:
            return []
        copies = 2 if rng.random() < self.duplication else 1
        return [rng.uniform(self.delay_min_s, self.delay_max_s) for _ in range(copies)]

    def partition(self, one: set[Address], other: set[Address]) -> None:
        """Cut every connection between two groups, both ways."""
        self.cut |= {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}

    def heal(self) -> None:
        """Lift all partitions and losses."""
        self.cut.clear()
        self.loss = 0.0
        self.duplication = 0.0
