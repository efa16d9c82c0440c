"""A world in virtual time: nodes, a network and a clock, fully determined by a seed.

Events are taken from a heap in order of time; ties in order of creation. After each event, or after
several that it takes together, the node is drained and its effects become new events. Nothing
waits, so a simulated hour may take a second.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count

from actors.core.effects import Effect, Node, Send, SetTimer, Throttle
from actors.core.ids import Address, is_host_local
from actors.core.messages import Message
from actors.sim.network import Network
from actors.transport.codec import encode


class World:
    """Runs nodes against each other.

    `sent` counts messages by type; `log` sees each delivery: (time, from, to, message).
    """

    def __init__(
        self,
        seed: int,
        network: Network | None = None,
        log: Callable[[float, Address, Address, Message], None] | None = None,
        frame_bytes_max: int = 16 << 20,
    ) -> None:
        self.now = 0.0
        self.nodes: dict[Address, Node] = {}
        self.network = network or Network()
        self.sent: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a simulation, reproducible by design.
        self._log = log
        self._frame_bytes_max = frame_bytes_max
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._timers: dict[tuple[Address, str], float] = {}

    def add(self, address: Address, node: Node) -> None:
        """Put a node into the world and start it."""
        self.nodes[address] = node
        node.start(self.now)
        self.perform(address)

    def crash(self, address: Address) -> None:
        """Take a node out for good, with its timers; messages to it are lost."""
        del self.nodes[address]
        self._timers = {key: at for key, at in self._timers.items() if key[0] != address}

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a time: a fault, a check."""
        heapq.heappush(self._events, (time, next(self._order), action))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let `seconds` pass, or less if `until` becomes true; return whether it did."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
            if until():
                return True
        self.now = end
        return until()

    def perform(self, address: Address) -> None:
        """Drain a node and turn its effects into events; call after stepping it from outside."""
        while effects := self.nodes[address].drain():
            for effect in effects:
                self._perform(address, effect)

    def _perform(self, address: Address, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._send(address, effect.to, effect.message)
        elif isinstance(effect, SetTimer):
            self._set_timer(address, effect.name, effect.at)
        else:
            assert isinstance(effect, Throttle)  # Closed-loop clients need no back-pressure here.

    def _send(self, sender: Address, to: Iterable[Address], message: Message) -> None:
        self.sent[type(message).__name__] += len(tuple(to))
        assert len(encode(message)) <= self._frame_bytes_max, "a message that fits no frame"
        for receiver in to:
            if is_host_local(sender, receiver):
                delays = [0.0]
            else:
                delays = self.network.delays(sender, receiver, self._random)
            for delay in delays:
                self.at(self.now + delay, lambda r=receiver: self._deliver(sender, r, message))  # type: ignore[misc] # mypy infers no type for a lambda with a default.

    def _deliver(self, sender: Address, receiver: Address, message: Message) -> None:
        node = self.nodes.get(receiver)
        if node is None:
            return
        if self._log:
            self._log(self.now, sender, receiver, message)
        node.on_message(sender, message, self.now)
        joint_steps = self.network.joint_steps
        if joint_steps and self._random.random() < joint_steps:
            self.at(self.now + self.network.delay_max_s, lambda: self._perform_if_up(receiver))
        else:
            self.perform(receiver)

    def _perform_if_up(self, address: Address) -> None:
        if address in self.nodes:
            self.perform(address)

    def _set_timer(self, address: Address, name: str, at: float) -> None:
        at = max(at, self.now)
        self._timers[address, name] = at
        self.at(at, lambda: self._expire(address, name, at))

    def _expire(self, address: Address, name: str, at: float) -> None:
        if self._timers.get((address, name)) == at:
            del self._timers[address, name]
            self.nodes[address].on_timer(name, self.now)
            self.perform(address)
