"""Nodes wired together by hand: what they send waits on the wire until a test lets it arrive."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from actors.core.columns import U32, Cells, Columns
from actors.core.config import Config
from actors.core.effects import Effect, Node, Outbox, Rewrite, Send, SetTimer, Store, Throttle
from actors.core.executor import Executor
from actors.core.ids import Address, Instance, ReplicaId
from actors.core.journal import Journal
from actors.core.messages import Message, Replies
from actors.core.ordering import Above, Ordering
from actors.core.snapshots import Taken

PASSES_MAX = 100


def replica(number: int) -> Address:
    return Address("replica", number)


def coordinator(number: int) -> Address:
    return Address("coordinator", number)


FLEET = Address("fleet", 0)


def columns(*rows: tuple[int, int, bytes]) -> Columns:
    """Make columns from rows of (client, sequence, cell)."""
    return Columns(
        np.array([client for client, _, _ in rows], U32),
        np.array([sequence for _, sequence, _ in rows], U32),
        Cells.of([cell for _, _, cell in rows]),
    )


def rows(columns: Columns | bytes) -> list[tuple[int, int, bytes]]:
    """Take columns, or an encoded buffer of them, apart into rows of (client, sequence, cell)."""
    if isinstance(columns, bytes):
        columns = Columns.decode(columns)
    return list(
        zip(
            columns.clients.tolist(),
            columns.sequences.tolist(),
            columns.cells.values(),
            strict=True,
        )
    )


def requests(*rows: tuple[int, int]) -> bytes:
    """Encode requests from rows of (client, sequence); the payload tells them apart."""
    return columns(*((c, s, b"%4d:%4d" % (c, s)) for c, s in rows)).encode()


def replied(messages: Sequence[Message]) -> list[tuple[int, int]]:
    """Return the (client, sequence) of every reply in messages to clients."""
    return [
        (client, sequence)
        for message in messages
        if isinstance(message, Replies)
        for client, sequence, _ in rows(message.replies)
    ]


class Echo:
    """A service that replies with the command, and remembers the order."""

    def __init__(self) -> None:
        self.executed: list[bytes] = []

    def execute(self, commands: Cells) -> Cells:
        self.executed.extend(commands.values())
        return Cells.of(list(commands.values()))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.executed)

    def restore(self, snapshot: bytes) -> None:
        self.executed = msgspec.msgpack.decode(snapshot, type=list[bytes])


class OrderingNode(Above):
    """The ordering layer alone as a node; `ordered` is what came out of it."""

    def __init__(self, me: ReplicaId, config: Config, *, announce_at_once: bool = True) -> None:
        self._out = Outbox()
        self.now = 0.0
        self.executor = Executor(Echo(), config.clients)
        journal = Journal(config, self._out, ())
        self.ordering = Ordering(
            me, config, journal, self._out, self, announce_at_once=announce_at_once
        )
        self.ordered: list[tuple[Instance, bytes]] = []

    def start(self, now: float) -> None:
        self.ordering.start(now)

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        self.now = now
        self.ordering.on_message(sender, message, now)

    def on_timer(self, name: str, now: float) -> None:
        self.now = now
        assert self.ordering.on_timer(name, now), name

    def drain(self) -> Sequence[Effect]:
        for instance, value in self.ordering.take_decided():
            self.ordered.append((instance, value))
            self.ordering.executed = instance + 1
        self.ordering.conclude(self.now)
        return self._out.drain()

    def snapshot(self) -> Taken:
        state = msgspec.msgpack.encode(self.ordered)
        return Taken(self.ordering.executed, len(self.ordered), state)

    def install(self, taken: Taken) -> None:
        self.ordered = msgspec.msgpack.decode(taken.state, type=list[tuple[int, bytes]])

    def gauges(self) -> dict[str, float]:
        return self.ordering.gauges()

    def counts(self) -> dict[str, float]:
        return self.ordering.counts()


class Envelope(NamedTuple):
    """A message on its way."""

    sender: Address
    receiver: Address
    message: Message


class Wired:
    """Nodes, the messages between them that have not arrived, and their timers."""

    def __init__(self, nodes: Mapping[Address, Node]) -> None:
        self.now = 0.0
        self.nodes = dict(nodes)
        self.wire: list[Envelope] = []
        self.timers: dict[tuple[Address, str], float] = {}
        self.throttled: dict[Address, bool] = {}
        self.stored: defaultdict[Address, list[Store]] = defaultdict(list)
        for address, node in self.nodes.items():
            node.start(self.now)
            self.drain(address)

    def drain(self, address: Address) -> None:
        """Let a node finish its work; what it sends goes on the wire."""
        while effects := self.nodes[address].drain():
            for effect in effects:
                self._perform(address, effect)

    def _perform(self, address: Address, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.wire += [Envelope(address, to, effect.message) for to in effect.to]
        elif isinstance(effect, SetTimer):
            self.timers[address, effect.name] = effect.at
        elif isinstance(effect, Throttle):
            self.throttled[address] = effect.on
        elif isinstance(effect, Store):
            self.stored[address].append(effect)
        else:
            assert isinstance(effect, Rewrite)
            self.stored[address] = [Store(record) for record in effect.records]

    def give(self, sender: Address, receiver: Address, *messages: Message) -> None:
        """Have messages arrive in one step, as if `sender` had sent them."""
        for message in messages:
            self.nodes[receiver].on_message(sender, message, self.now)
        self.drain(receiver)

    def on_wire(
        self,
        *types: type,
        sender: Address | None = None,
        to: Address | None = None,
    ) -> list[Envelope]:
        """Return the messages under way: all, or those of some types, of one sender, to one."""
        return [
            envelope
            for envelope in self.wire
            if (not types or type(envelope.message) in types)
            and sender in (None, envelope.sender)
            and to in (None, envelope.receiver)
        ]

    def lose(
        self, *types: type, sender: Address | None = None, to: Address | None = None
    ) -> list[Envelope]:
        """Take messages off the wire; return them, so that a test may deliver them late."""
        lost = self.on_wire(*types, sender=sender, to=to)
        self.wire = [envelope for envelope in self.wire if envelope not in lost]
        return lost

    def arrive(self, envelopes: Sequence[Envelope]) -> None:
        """Let messages arrive that are no longer on the wire."""
        for sender, receiver, message in envelopes:
            if receiver in self.nodes:
                self.give(sender, receiver, message)

    def deliver(
        self, *types: type, sender: Address | None = None, to: Address | None = None
    ) -> None:
        """Let what is on the wire now arrive: all, or some of it."""
        self.arrive(self.lose(*types, sender=sender, to=to))

    def settle(self, without: Callable[[Envelope], bool] = lambda _: False) -> None:
        """Let everything arrive, with all that follows; what `without` holds for is lost."""
        for _ in range(PASSES_MAX):
            passing = [envelope for envelope in self.wire if not without(envelope)]
            self.wire = []
            if not passing:
                return
            self.arrive(passing)
        raise AssertionError(f"the wire never falls silent: {self.wire[:10]}")

    def settle_for_clients(self) -> list[Message]:
        """Let everything arrive; return what was sent to clients on the way, which they ignore."""
        sent: list[Message] = []

        def is_for_clients(envelope: Envelope) -> bool:
            if envelope.receiver.role == "fleet":
                sent.append(envelope.message)
                return True
            return False

        self.settle(without=is_for_clients)
        return sent

    def crash(self, address: Address) -> None:
        """Take a node out for good; what it has sent is still under way."""
        del self.nodes[address]
        self.timers = {key: at for key, at in self.timers.items() if key[0] != address}

    def expire(self, address: Address, name: str) -> None:
        """Let a timer expire that is set: time jumps there, unless it is later already."""
        self.now = max(self.now, self.timers.pop((address, name)))
        self.nodes[address].on_timer(name, self.now)
        self.drain(address)


class OrderingCluster(Wired):
    """The ordering layers of n replicas."""

    def __init__(self, config: Config, *, announce_at_once: bool = True) -> None:
        self.replicas = [
            OrderingNode(i, config, announce_at_once=announce_at_once)
            for i in range(config.replicas)
        ]
        super().__init__({replica(i): node for i, node in enumerate(self.replicas)})

    def propose(self, leader: ReplicaId, *values: bytes) -> None:
        for value in values:
            self.replicas[leader].ordering.propose(value, self.now)
        self.drain(replica(leader))

    def promote(self, candidate: ReplicaId) -> None:
        self.replicas[candidate].ordering.suspect_leader(self.now)
        self.drain(replica(candidate))

    def ordered(self, number: ReplicaId) -> list[bytes]:
        """Return the values that a replica knows to be decided, in order."""
        return [value for _, value in self.replicas[number].ordered]
