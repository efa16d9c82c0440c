"""S-Paxos, the replica: stores and acknowledges payloads, orders ids, executes.

Layers: dissemination -> ordering of ids -> executor -> this host's coordinator, which replies. The
leader proposes stable ids only, of each origin in sequence, many in one value. Execution is in
decided order and waits for a missing payload; ordering waits for none. An id may be ordered twice
across views: the second time it is ignored, also after its payload is gone.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from actors.core.batch_ids import ID_BYTES, Sequences, decode_ids, encode_ids
from actors.core.config import Config
from actors.core.dissemination import ACK, FETCH, Dissemination
from actors.core.effects import Effect, Outbox
from actors.core.election import HEARTBEAT
from actors.core.errors import RemoteProtocolError
from actors.core.executor import Executor
from actors.core.ids import Address, BatchId, Instance, ReplicaId, is_member
from actors.core.messages import Ack, Executed, Fetch, Message, Payload
from actors.core.ordering import Ordering
from actors.core.service import Service


class SPaxosReplica:
    """A replica of S-Paxos."""

    def __init__(
        self, me: ReplicaId, config: Config, service: Service, records: Sequence[bytes] = ()
    ) -> None:
        self.executor = Executor(service, config.clients)
        self._me = me
        self._replicas = config.replicas
        self._out = Outbox()
        self.ordering = Ordering(me, config, self._out, announce_at_once=True)
        self._dissemination = Dissemination(me, config, self._out)
        self._ordered = [Sequences() for _ in range(config.replicas)]
        self._executed = [Sequences() for _ in range(config.replicas)]
        self._claimed: list[Sequences] | None = None  # As leader: ordered or proposed.
        self._queue: deque[tuple[Instance, BatchId | None]] = deque()  # None ends an instance.
        self._ids_max = max(1, config.batch_bytes_max // ID_BYTES)
        self._backlog_max = config.execution_backlog_max
        self._broadcasts = 0
        self._now = 0.0

    @property
    def is_recovering(self) -> bool:
        """Whether it has started again and takes no part yet."""
        return False

    def suspect_leader(self, now: float) -> None:
        """Start this replica's own next view, as if the leader had been silent for too long."""
        self._now = now
        self.ordering.suspect_leader(now)

    def start(self, now: float) -> None:
        """Begin."""
        self._now = now
        self.ordering.start(now)

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of a replica or of a coordinator."""
        self._now = now
        if not is_member(sender, self._replicas):
            raise RemoteProtocolError(f"{sender} has no part in this system")
        if type(message) is Payload:
            self._dissemination.on_payload(sender, message, now)
        elif self.ordering.handles(message):
            self.ordering.on_message(sender, message, now)
        elif sender.role == "replica" and type(message) is Ack:
            self._dissemination.on_ack(sender.number, message, now)
        elif sender.role == "replica" and type(message) is Fetch:
            self._dissemination.on_fetch(sender.number, message)
        else:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to a replica")

    def on_timer(self, name: str, now: float) -> None:
        """Take a timer."""
        self._now = now
        if name == FETCH:
            self._dissemination.on_fetch_timer(now)
        elif name == ACK:
            self._dissemination.on_ack_timer()
        else:
            self.ordering.on_timer(name, now)
            if name == HEARTBEAT:
                self._dissemination.on_heartbeat()

    def drain(self) -> Sequence[Effect]:
        """Propose and acknowledge or, where nobody waits for that, execute."""
        self._order()  # Before a new leader looks for what is ordered.
        self._propose()
        while self._order():
            self._propose()
        self.ordering.announce()
        ride = self._out.broadcasts > self._broadcasts or self.ordering.is_idle
        self._dissemination.flush(self._now, ride=ride)
        self._broadcasts = self._out.broadcasts
        if not self._out:
            self._execute()
            self._propose()  # A full backlog may have held it back.
        return self._out.drain()

    # --- Proposing ---

    def _propose(self) -> None:
        if not self.ordering.leads:
            self._claimed = None
            return
        if self._claimed is None:
            self._claimed = self._claim_known()
        while self.ordering.has_room and len(self._queue) < self._backlog_max:
            batches = self._take_proposable(self._claimed)
            if not batches:
                return
            self.ordering.propose(encode_ids(batches), self._now)

    def _claim_known(self) -> list[Sequences]:
        """As a new leader: what is ordered, or proposed anew from the log that was learnt."""
        claimed = [ordered.copy() for ordered in self._ordered]
        for value in self.ordering.proposed_values():
            for batch in decode_ids(value):
                claimed[batch.origin].add(batch.sequence)
        return claimed

    def _take_proposable(self, claimed: list[Sequences]) -> list[BatchId]:
        batches: list[BatchId] = []
        for batch in self._stable_unclaimed(claimed):
            if len(batches) == self._ids_max:
                break
            batches.append(batch)
        for batch in batches:
            claimed[batch.origin].add(batch.sequence)
        return batches

    def _stable_unclaimed(self, claimed: list[Sequences]) -> Iterator[BatchId]:
        for origin, stable in enumerate(self._dissemination.stable):
            for sequence in claimed[origin].missing(stable):
                yield BatchId(origin, sequence)

    # --- Executing ---

    def _order(self) -> bool:
        """Queue what is newly decided; return whether anything was."""
        decided = False
        for instance, value in self.ordering.take_decided():
            decided = True
            for batch in decode_ids(value):
                if self._ordered[batch.origin].add(batch.sequence):
                    self._queue.append((instance, batch))
                    if self._dissemination.find(batch) is None:
                        self._dissemination.require(batch, self._now)
            self._queue.append((instance, None))
        return decided

    def _execute(self) -> None:
        """Execute queued batches in order, up to the first whose payload is missing."""
        origins: set[ReplicaId] = set()
        while self._queue:
            instance, batch = self._queue[0]
            if batch is None:
                self.ordering.executed = instance + 1
            else:
                requests = self._dissemination.find(batch)
                if requests is None:
                    break
                self._execute_batch(batch, requests)
                origins.add(batch.origin)
            self._queue.popleft()
        for origin in origins:
            self._dissemination.prune(origin, self._executed[origin].upto)

    def _execute_batch(self, batch: BatchId, requests: bytes) -> None:
        replies = self.executor.execute(requests)
        self._executed[batch.origin].add(batch.sequence)
        if batch.origin == self._me:
            coordinator = Address("coordinator", self._me)
            for frame in replies.frames(0):
                self._out.send(coordinator, Executed(batch.sequence, frame))

    def gauges(self) -> dict[str, float]:
        """View, open instances, and what waits where."""
        return {
            **self.ordering.gauges(),
            "execution_backlog": len(self._queue),
            "stored_batches": self._dissemination.stored_batches,
        }

    def counts(self) -> dict[str, float]:
        """Instances decided, batches and requests executed."""
        return {**self.ordering.counts(), **self.executor.counts()}
