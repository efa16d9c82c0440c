"""What happened in a run, recorded around nodes that know nothing of it.

Every command is stamped with the client and the sequence that it belongs to, by a wrapper around
the workload; a wrapper around the service takes the stamp off again and keeps the order in which it
executes. So the record needs nothing of the protocol, and any service can be recorded. What clients
send and receive is kept as frames and taken apart only when a `History` is asked for.

Moments are counted in client frames: something at moment m happens after the first m frames of the
run. Unlike clocks, moments tell apart what happens at the same time, one because of the other.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple, Protocol, cast

import msgspec
import numpy as np

from actors.core.batch_ids import decode_ids
from actors.core.client import Clients
from actors.core.columns import HEADER_BYTES, ROW_BYTES, U32, VARIED, Cells, Columns, U32s
from actors.core.config import LoadConfig
from actors.core.effects import Effect, Send
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, BatchId, Instance, ReplicaId, Role
from actors.core.messages import Message, Propose, Replies, Requests
from actors.core.registry import PROTOCOLS, ReplicaNode
from actors.core.service import Service, Workload
from actors.services import registry as services
from actors.sim.process import Watch

Moment = int

_STAMP = struct.Struct("<II")
DRAWN_AHEAD = 16
_SNAPSHOT = msgspec.msgpack.Decoder(tuple[bytes, list[bytes]])


# --- The history --------------------------------------------------------------------------------


class Request(NamedTuple):
    """Name of a request."""

    client: int
    sequence: int

    def __str__(self) -> str:
        return f"request {self.sequence} of client {self.client}"


def stamped(request: Request, command: bytes) -> bytes:
    """Return a command that says which request it belongs to: client u32, sequence u32, command."""
    return _STAMP.pack(*request) + command


def request_of(command: bytes) -> Request:
    """Return the request that a stamped command belongs to; what is missing of a stamp is 0."""
    return Request._make(_STAMP.unpack_from(command.ljust(_STAMP.size, b"\0")))


def unstamped(command: bytes) -> bytes:
    """Return a stamped command without its stamp."""
    return command[_STAMP.size :]


class Sent(NamedTuple):
    """A client sends a request, for the first time or again; `command` is stamped."""

    moment: Moment
    at_s: float
    request: Request
    command: bytes


class Replied(NamedTuple):
    """A client receives a reply, awaited or not."""

    moment: Moment
    at_s: float
    request: Request
    reply: bytes


class Call(NamedTuple):
    """A request that was sent and, if it was ever answered, the first reply to it."""

    sent: Sent
    replied: Replied | None


@dataclass(frozen=True, eq=False)
class Order:
    """What one replica executed in one of its lives, which are counted from 0.

    A life that began from a snapshot has the order that the snapshot stands for at its beginning.
    """

    host: ReplicaId
    life: int
    commands: list[bytes]
    """Stamped, in order of execution."""
    moments: list[Moment]
    """When each was executed here, or taken over in a snapshot."""
    settled: bool = False
    """Whether the replica is up and had the time to execute all there was."""
    undone: Sequence[tuple[bytes, Moment]] = ()
    """What it executed after these, and when, that its crash may have undone."""

    @cached_property
    def requests(self) -> list[Request]:
        """The request that each command belongs to."""
        return [request_of(command) for command in self.commands]

    def __str__(self) -> str:
        return f"replica {self.host}" + (f" in life {self.life}" if self.life else "")


class Decision(NamedTuple):
    """A replica knows for the first time in its life what is decided in an instance."""

    at_s: float
    host: ReplicaId
    instance: Instance
    value: bytes


class Proposal(NamedTuple):
    """A leader proposes a batch that was not proposed before; `holders` hold it or executed it."""

    at_s: float
    leader: ReplicaId
    instance: Instance
    batch: BatchId
    holders: tuple[ReplicaId, ...]


@dataclass(frozen=True)
class History:
    """All that the checkers look at."""

    service: Callable[[], Service]
    """Makes the service that was replicated, as it was at first, without stamps."""
    stable_holders: int
    """How many replicas must hold a batch before it may be ordered."""
    events: Sequence[Sent | Replied]
    orders: Sequence[Order]
    decisions: Sequence[Decision] = ()
    proposals: Sequence[Proposal] = ()

    @cached_property
    def calls(self) -> dict[Request, Call]:
        """Every request that was sent, in order of the first time."""
        calls: dict[Request, Call] = {}
        for event in self.events:
            call = calls.get(event.request)
            if isinstance(event, Sent):
                if call is None:
                    calls[event.request] = Call(event, None)
            elif call is not None and call.replied is None:
                calls[event.request] = Call(call.sent, event)
        return calls

    @cached_property
    def distinct_orders(self) -> list[Order]:
        """The orders that are not the beginning of another, longest first: one, if all is well."""
        distinct: list[Order] = []
        for order in sorted(self.orders, key=lambda order: -len(order.commands)):
            length = len(order.commands)
            if not any(longer.commands[:length] == order.commands for longer in distinct):
                distinct.append(order)
        return distinct


# --- What records it ----------------------------------------------------------------------------


class IdentifiedWorkload:
    """A workload whose commands say which request they belong to.

    A simulation asks for few at a time: they are drawn ahead, which costs a tenth.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._drawn: dict[Request, bytes] = {}

    def commands(self, clients: U32s, sequences: U32s) -> Cells:
        """Return the stamped command of each (client, sequence)."""
        requests = map(Request, clients.tolist(), sequences.tolist())
        return Cells.of([self._drawn.get(each) or self._draw(each) for each in requests])

    def _draw(self, request: Request) -> bytes:
        """Draw a request's command and those that its client sends next."""
        sequences = np.arange(request.sequence, request.sequence + DRAWN_AHEAD, dtype=U32)
        clients = np.full(DRAWN_AHEAD, request.client, U32)
        commands = self._workload.commands(clients, sequences).values()
        for sequence, command in zip(sequences.tolist(), commands, strict=True):
            drawn = Request(request.client, sequence)
            self._drawn[drawn] = _STAMP.pack(*drawn) + command
        return self._drawn[request]


class IdentifiedService:
    """A service that takes stamped commands and records what it executes, and when."""

    def __init__(self, service: Service, moment: Callable[[], Moment]) -> None:
        self.order: list[bytes] = []
        """The stamped commands executed so far, also before the snapshot that was restored."""
        self.moments: list[Moment] = []
        self.synced: int | None = None
        """How many of them no crash of this life can undo; all unless said otherwise."""
        self._service = service
        self._moment = moment

    def observe(self, *, is_synced: bool) -> None:
        """Note whether a crash could undo what is executed now."""
        if is_synced:
            self.synced = len(self.order)
        elif self.synced is None:
            self.synced = 0

    def execute(self, commands: Cells) -> Cells:
        """Execute the commands without their stamps."""
        values = list(commands.values())
        self.order += values
        self.moments += [self._moment()] * len(values)
        return self._service.execute(Cells.of([unstamped(value) for value in values]))

    def snapshot(self) -> bytes:
        """Return the state, and the order that led to it."""
        return msgspec.msgpack.encode((self._service.snapshot(), self.order))

    def restore(self, snapshot: bytes) -> None:
        """Take over state and order; raises RemoteProtocolError where that is no snapshot."""
        try:
            state, order = _SNAPSHOT.decode(snapshot)
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"not a snapshot with its order: {error}") from error
        self._service.restore(state)
        known = len(self.order) if order[: len(self.order)] == self.order else 0
        self.moments = [*self.moments[:known], *[self._moment()] * (len(order) - known)]
        self.order = order


class ClientFrames:
    """The frames that clients sent and received, with the time of each, in order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._frames: list[tuple[float, Requests | Replies]] = []

    def add(self, frame: Requests | Replies) -> None:
        """Append a frame that is sent or received now."""
        self._frames.append((self._clock(), frame))

    def moment(self) -> Moment:
        """Return how many frames there are."""
        return len(self._frames)

    def events(self) -> Iterator[Sent | Replied]:
        """Take the frames apart."""
        for moment, (at_s, frame) in enumerate(self._frames):
            if isinstance(frame, Requests):
                for request, command in _rows(frame.requests):
                    yield Sent(moment, at_s, request, command)
            else:
                for request, reply in _rows(frame.replies):
                    yield Replied(moment, at_s, request, reply)


def _rows(frame: bytes) -> Iterator[tuple[Request, bytes]]:
    count, size = Columns.header(frame)
    if count == 1 and size != VARIED:  # Most frames of a simulation: no arrays for one row.
        yield request_of(frame[HEADER_BYTES:]), frame[HEADER_BYTES + ROW_BYTES :]
        return
    rows = Columns.decode(frame)
    requests = map(Request, rows.clients.tolist(), rows.sequences.tolist())
    yield from zip(requests, rows.cells.values(), strict=True)


class RecordedClients(Clients):
    """Clients whose frames are kept. The times are the record's own: a node's clock may be off."""

    def __init__(
        self,
        fleet: int,
        config: LoadConfig,
        workload: Workload,
        talk_to: Role,
        frames: ClientFrames,
    ) -> None:
        super().__init__(fleet, config, workload, talk_to)
        self._frames = frames

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of a host."""
        super().on_message(sender, message, now)
        if isinstance(message, Replies):
            self._frames.add(message)

    def drain(self) -> Sequence[Effect]:
        """Hand over what is to be sent."""
        effects = super().drain()
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Requests):
                self._frames.add(effect.message)
        return effects


class _Holder(Protocol):
    """A replica that stores payloads."""

    def holds(self, batch: BatchId) -> bool:
        """Say whether the payload of a batch is held here, or was executed."""


class _Life:
    """One life of a replica, and up to which instance its decisions are recorded."""

    def __init__(
        self, host: ReplicaId, replica: ReplicaNode, service: IdentifiedService | None
    ) -> None:
        self.host = host
        self.replica = replica
        self.service = service
        self.takes_part = False
        self.is_synced = True
        self.recorded: Instance = 0
        self.log = replica.ordering.log

    def take_decided(self, at_s: float) -> Iterator[Decision]:
        """Yield what is newly decided, in order; what a snapshot skips is in no log."""
        for instance in range(max(self.recorded, self.log.start), self.log.undecided):
            entry = self.log.find(instance)
            assert entry is not None, instance
            yield Decision(at_s, self.host, instance, entry.value)
        self.recorded = self.log.undecided

    def decided_out_of_order(self, at_s: float) -> Iterator[Decision]:
        """Yield what is decided beyond the first instance that is not."""
        for instance, entry in self.log.entries_from(self.recorded):
            if entry.decided:
                yield Decision(at_s, self.host, instance, entry.value)


class Recorder:
    """Makes the parts of a system that leave a record, looks at its replicas, keeps the history.

    `clock` tells the time of the world, in seconds.
    """

    def __init__(self, config: LoadConfig, clock: Callable[[], float]) -> None:
        self._stable_holders = config.stable_holders
        self._kind = services.find(config.service)
        self._clock = clock
        self._frames = ClientFrames(clock)
        self._services: list[list[IdentifiedService]] = [[] for _ in range(config.replicas)]
        self._lives: list[_Life] = []
        self._life_of: dict[ReplicaId, _Life] = {}
        self._decisions: list[Decision] = []
        # Only where coordinators disseminate payloads do values name batches.
        self._names_batches = PROTOCOLS[config.protocol].coordinator is not None
        # Of each host, the last life that has taken part, and those since.
        self._holders: defaultdict[ReplicaId, list[_Holder]] = defaultdict(list)
        self._proposed: set[BatchId] = set()
        self._proposals: list[Proposal] = []

    def service(self, host: ReplicaId) -> IdentifiedService:
        """Make the service of a replica that begins a life."""
        service = IdentifiedService(self._kind.service(), self._frames.moment)
        self._services[host].append(service)
        return service

    def workload(self, config: LoadConfig) -> IdentifiedWorkload:
        """Make the workload of a fleet."""
        return IdentifiedWorkload(self._kind.workload(config))

    def clients(
        self, fleet: int, config: LoadConfig, workload: Workload, talk_to: Role
    ) -> RecordedClients:
        """Make the clients of a fleet."""
        return RecordedClients(fleet, config, workload, talk_to, self._frames)

    def watch(self, host: ReplicaId, replica: ReplicaNode) -> Watch:
        """Record a life that begins, of the service made last; return what is told each drain."""
        service = self._services[host][-1] if self._services[host] else None
        life = self._life_of[host] = _Life(host, replica, service)
        self._lives.append(life)
        self._holders[host].append(cast(_Holder, replica))
        return partial(self._observe, life)

    def _observe(self, life: _Life, effects: Sequence[Effect], is_synced: bool) -> None:
        """Look at a replica after a drain.

        Unless all that it has stored `is_synced`, what it decides and executes may be forgotten in
        a crash, and nobody has heard of it: that counts once it is synced.
        """
        if not life.takes_part and not life.replica.is_recovering:
            life.takes_part = True  # Until now, what its former lives held counted.
            self._holders[life.host] = [cast(_Holder, life.replica)]
        if effects and self._names_batches:
            for effect in effects:
                if isinstance(effect, Send) and isinstance(effect.message, Propose):
                    self._note_proposal(life.host, effect.message)
        life.is_synced = is_synced
        if life.service is not None:
            life.service.observe(is_synced=is_synced)
        if is_synced and life.log.undecided > life.recorded:
            self._decisions.extend(life.take_decided(self._clock()))

    def _note_proposal(self, leader: ReplicaId, message: Propose) -> None:
        for batch in decode_ids(message.value):
            if batch not in self._proposed:
                self._proposed.add(batch)
                holders = tuple(h for h in self._life_of if self._holds(h, batch))
                proposal = Proposal(self._clock(), leader, message.instance, batch, holders)
                self._proposals.append(proposal)

    def _holds(self, host: ReplicaId, batch: BatchId) -> bool:
        """Say whether a replica holds a batch or, until it takes part again, a former life did."""
        return any(holder.holds(batch) for holder in self._holders[host])

    def history(self, settled: Collection[ReplicaId] = ()) -> History:
        """Return what has happened so far.

        `settled` names replicas that are up and had the time, after the last fault, to learn and
        execute all that was ever acknowledged.
        """
        return History(
            self._kind.service,
            self._stable_holders,
            list(self._frames.events()),
            list(self._orders(settled)),
            [*self._decisions, *self._decided_out_of_order()],
            list(self._proposals),
        )

    def _orders(self, settled: Collection[ReplicaId]) -> Iterator[Order]:
        for host, lives in enumerate(self._services):
            for life, service in enumerate(lives):
                is_settled = host in settled and service is lives[-1]
                synced = None if is_settled else service.synced
                order, moments = service.order[:synced], service.moments[:synced]
                undone = list(zip(service.order, service.moments, strict=True))[len(order) :]
                yield Order(host, life, order, moments, is_settled, undone)

    def _decided_out_of_order(self) -> Iterator[Decision]:
        """Yield decisions that a replica, up or not, knows beyond one that it does not know."""
        for life in self._lives:
            if life.is_synced or life is self._life_of[life.host]:
                yield from life.decided_out_of_order(self._clock())
