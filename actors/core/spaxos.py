"""S-Paxos, the replica: stores and acknowledges payloads, orders ids, executes.

Layers: dissemination -> ordering of ids -> executor -> this host's coordinator, which replies. The
leader proposes stable ids only, of each origin in sequence, many in one value. Execution is in
decided order and waits for a missing payload; ordering waits for none. An id may be ordered twice
across views: the second time it is ignored, also after its payload is gone.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

import msgspec

from actors.core.batch_ids import ID_BYTES, Sequences, decode_ids, encode_ids
from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.dissemination import ACK, FETCH, Dissemination
from actors.core.effects import Effect, Outbox
from actors.core.election import HEARTBEAT
from actors.core.errors import RemoteProtocolError
from actors.core.executor import Executor
from actors.core.ids import Address, BatchId, Instance, ReplicaId, host_of, is_member
from actors.core.journal import AnyRecord, Journal, Stored
from actors.core.messages import Ack, Executed, Fetch, Message, Payload
from actors.core.ordering import Above, Ordering
from actors.core.service import Service
from actors.core.snapshots import Taken


class SPaxosReplica(Above):
    """A replica of S-Paxos."""

    def __init__(
        self, me: ReplicaId, config: Config, service: Service, records: Sequence[bytes] = ()
    ) -> None:
        self.executor = Executor(service, config.clients)
        self._me = me
        self._replicas = config.replicas
        self._out = Outbox()
        journal = Journal(config, self._out, records)
        self.ordering = Ordering(me, config, journal, self._out, self, announce_at_once=True)
        self._dissemination = Dissemination(me, config, journal, self.ordering.epochs, self._out)
        self._ordered: defaultdict[int, Sequences] = defaultdict(Sequences)  # By origin.
        self._repeated = 0  # Ids that were ordered again.
        self._claimed: defaultdict[int, Sequences] | None = None  # As leader: ordered or proposed.
        self._queue: deque[tuple[Instance, BatchId | None]] = deque()  # None ends an instance.
        self._first_origin = 0  # Whose batches are looked at first, as leader.
        self._ids_max = max(1, config.batch_bytes_max // ID_BYTES)
        self._backlog_max = config.execution_backlog_max
        self._broadcasts = 0
        self._now = 0.0
        self.ordering.restore(journal.former)
        for record in journal.former:
            if isinstance(record, Stored) and not self.holds(
                BatchId(record.origin, record.sequence)
            ):
                self._dissemination.store(record.origin, record.sequence, record.requests)

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
        elif type(message) is Ack and sender.role == "replica":
            is_current = self.ordering.epochs.learn_all(sender.number, message.epochs)
            self._forget_restarted()
            if is_current:
                self._dissemination.on_ack(sender.number, message, now)
        elif type(message) is Fetch and sender.role == "replica":
            if self._dissemination.on_fetch(sender.number, message):
                self.ordering.point_to_snapshot(sender.number)
        elif self.ordering.handles(message):
            self.ordering.on_message(sender, message, now)
        else:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to a replica")

    def _forget_restarted(self) -> None:
        for replica in self.ordering.epochs.take_restarted():
            self._dissemination.forget_holder(replica)

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
        self._forget_restarted()
        self._order()  # Before a new leader looks for what is ordered.
        self._propose()
        while self.ordering.has_decided:  # A majority of one decides at once.
            self._order()
            self._propose()
        self.ordering.conclude(self._now)
        ride = self._out.broadcasts > self._broadcasts or self.ordering.is_idle
        self._dissemination.flush(self._now, ride=ride)
        self._broadcasts = self._out.broadcasts
        if self._queue and not self._out:
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

    def _claim_known(self) -> "defaultdict[int, Sequences]":
        """As a new leader: what is ordered, or proposed anew from the log that was learnt."""
        claimed = defaultdict(
            Sequences, {origin: ordered.copy() for origin, ordered in self._ordered.items()}
        )
        for value in self.ordering.proposed_values():
            for batch in decode_ids(value):
                claimed[batch.origin].add(batch.sequence)
        return claimed

    def _take_proposable(self, claimed: defaultdict[int, Sequences]) -> list[BatchId]:
        batches: list[BatchId] = []
        for batch in self._stable_unclaimed(claimed):
            if len(batches) == self._ids_max:
                break
            batches.append(batch)
        for batch in batches:
            claimed[batch.origin].add(batch.sequence)
        if batches:
            self._first_origin = (batches[-1].origin + 1) % len(self._dissemination.stable)
        return batches

    def _stable_unclaimed(self, claimed: defaultdict[int, Sequences]) -> Iterator[BatchId]:
        """Yield them origin by origin, after the one that was last: none is to wait for ever."""
        stable = self._dissemination.stable
        for origin in (*range(self._first_origin, len(stable)), *range(self._first_origin)):
            for sequence in claimed[origin].missing(stable[origin]):
                yield BatchId(origin, sequence)

    # --- Executing ---

    def _order(self) -> None:
        """Queue what is newly decided."""
        for instance, value in self.ordering.take_decided():
            for batch in decode_ids(value):
                if not self._ordered[batch.origin].add(batch.sequence):
                    self._repeated += 1
                    continue
                self._queue.append((instance, batch))
                if self._dissemination.find(batch) is None:
                    self._dissemination.require(batch, self._now)
            self._queue.append((instance, None))

    def _execute(self) -> None:
        """Execute queued batches in order, up to the first whose payload is missing."""
        executed: list[BatchId] = []
        while self._queue:
            instance, batch = self._queue[0]
            if batch is None:
                self.ordering.executed = instance + 1
            else:
                requests = self._dissemination.find(batch)
                if requests is None:
                    break
                self._execute_batch(batch, requests)
                executed.append(batch)
            self._queue.popleft()
        if executed:
            self._dissemination.executed_now(executed)

    def _execute_batch(self, batch: BatchId, requests: bytes) -> None:
        replies = self.executor.execute(requests)
        if host_of(batch.origin, self._replicas) == self._me:
            self._reply(replies)

    def _reply(self, replies: Columns) -> None:
        coordinator = Address("coordinator", self._me)
        for frame in replies.frames(0):
            self._out.send(coordinator, Executed(frame))

    # --- What ordering asks ---

    def snapshot(self) -> Taken:
        """Return what is executed now, perhaps amid an instance: what of it, is told by its ids."""
        executed = [sequences.parts() for sequences in self._dissemination.executed]
        state = msgspec.msgpack.encode((self.executor.snapshot(), executed))
        return Taken(self.ordering.executed, self.executor.batches, state)

    def install(self, taken: Taken) -> None:
        """Go on from a snapshot; this host's clients get the replies that it has passed over."""
        try:
            state, executed = msgspec.msgpack.decode(
                taken.state, type=tuple[bytes, list[tuple[int, list[int]]]]
            )
        except msgspec.DecodeError as error:
            raise RemoteProtocolError(f"not a snapshot: {error}") from error
        self._dissemination.know_origin(len(executed) - 1)
        self.executor.restore(state)
        self._dissemination.forget_kept()
        for origin, (upto, beyond) in enumerate(executed):
            sequences = Sequences.of(upto, beyond)
            self._dissemination.skip(origin, sequences)
            self._ordered[origin].update(sequences)
        self._queue = deque(
            (instance, batch)
            for instance, batch in self._queue
            if instance >= taken.instance
            and (batch is None or not self._dissemination.is_executed(batch))
        )
        self._reply(self.executor.last_replies())

    def holds(self, batch: BatchId) -> bool:
        """Say whether the payload of a batch is held or executed here."""
        return self._dissemination.find(batch) is not None or self._dissemination.is_executed(batch)

    def holdings(self) -> list[int]:
        """Return up to which batch of each origin all are held here."""
        return self._dissemination.holdings()

    def holds_all(self, held: list[int]) -> bool:
        """Say whether all batches up to these are held here."""
        holdings = self.holdings()
        holdings += [0] * (len(held) - len(holdings))
        return all(mine >= theirs for mine, theirs in zip(holdings, held, strict=False))

    def unexecuted_records(self) -> Iterator[AnyRecord]:
        """Return the payloads that a checkpoint must not lose."""
        return self._dissemination.unexecuted()

    def gauges(self) -> dict[str, float]:
        """View, open instances, and what waits where."""
        return {
            **self.ordering.gauges(),
            "execution_backlog": len(self._queue),
            "stored_batches": self._dissemination.stored_batches,
        }

    def counts(self) -> dict[str, float]:
        """Instances decided, batches and requests executed."""
        return {
            **self.ordering.counts(),
            **self.executor.counts(),
            "payloads_fetched": self._dissemination.fetched,
            "ids_repeated": self._repeated,
        }
