"""Dissemination (S-Paxos): payloads, who holds them, and which are stable.

Rules (S-Paxos, SRDS 2012; where the release falls short, HT-Paxos; design page "S-Paxos"):

- A coordinator numbers its batches from 1. A replica acknowledges, to every replica, the highest
  sequence per origin up to which it holds all: one vector, cumulative, harmless to lose or repeat.
- A batch is stable when f+1 replicas hold it: one of them survives any f crashes. Only stable
  batches may be ordered.
- A replica that learns, by an ack or a decision, of a batch that it lacks asks a holder for it. It
  does not while what comes before it still comes in by itself, nor again before the patience with
  the last question about that origin is over.
- A payload goes when it is executed here and every replica holds it or, where one of them is down
  or lags, when those executed take more than `kept_bytes_max`: the laggard takes a snapshot.
- A replica that comes back without its memory (`epoch`) holds nothing any more.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from actors.core.batch_ids import Sequences
from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import INCARNATIONS_MAX, Address, BatchId, ReplicaId, host_of
from actors.core.journal import Journal, Stored
from actors.core.messages import Ack, Fetch, Held, Payload
from actors.core.patience import ANSWER_BYTES, Patience
from actors.core.recovery import Epochs

FETCH = "fetch"
ACK = "ack"
FETCH_BATCHES_MAX = 64

KEPT_BYTES = 256
"""About what an executed payload takes in memory beside its requests."""


def highest_stable(held: Sequence[int], holders: int) -> int:
    """Return up to which sequence at least `holders` replicas hold all, given what each holds."""
    return sorted(held, reverse=True)[holders - 1]


class Wanted:
    """What is known of the batches of one origin that are lacking."""

    __slots__ = ("first", "goal", "patience", "under_way")

    def __init__(self) -> None:
        self.first = 0
        """The first of them at the last look."""
        self.goal = 0
        """The last that was known of then."""
        self.under_way: set[int] = set()
        """What was asked for last, as far as it has not come."""
        self.patience = Patience()


class Dissemination:
    """What one replica knows of payloads. Vectors are indexed by origin and grow as origins do."""

    def __init__(
        self, me: ReplicaId, config: Config, journal: Journal, epochs: Epochs, out: Outbox
    ) -> None:
        replicas = config.replicas
        self.stable = [0] * replicas
        """Per origin, the highest sequence up to which all batches are stable."""
        self.executed = [Sequences() for _ in range(replicas)]
        """Per origin, the batches that are executed here."""
        self.fetched = 0
        """Payloads that had to be asked for."""
        self._me = me
        self._replicas = replicas
        self._clients = config.clients
        self._holders = config.stable_holders
        self._kept_bytes_max = config.kept_bytes_max
        self._journal = journal
        self._epochs = epochs
        self._out = out
        self._coordinator = Address("coordinator", me)
        self._coordinator_origin = me  # Of its present life.
        self._others = tuple(Address("replica", i) for i in range(replicas) if i != me)
        self._fetch_delay_s = config.fetch_delay_ms / 1e3
        self._ack_delay_s = config.ack_delay_ms / 1e3
        self._payloads: list[dict[int, bytes]] = [{} for _ in range(replicas)]
        self._held: list[list[int]] = [[0] * replicas for _ in range(replicas)]  # [holder][origin]
        self._kept: deque[BatchId] = deque()  # Executed payloads, in order of execution.
        self._kept_bytes = 0
        # Per origin, how many replicas hold more than what is stable. Most acks make none stable:
        # with many replicas, to look at what each of them holds for each ack would take long.
        self._beyond = [0] * replicas
        self._missing: set[BatchId] = set()  # Decided, but not held.
        self._ack_since: float | None = None  # Since when an ack waits to be sent.
        self._ack_timer_set = False
        self._fetch_timer_set = False
        self._wanted: dict[int, Wanted] = {}  # By origin.
        fitting = ANSWER_BYTES // config.dissemination_batch_bytes_max
        self._fetch_max = min(max(1, fitting), FETCH_BATCHES_MAX)
        self._tell_coordinator = False

    # --- What the protocol above asks ---

    def find(self, batch: BatchId) -> bytes | None:
        """Return the payload of a batch, if it is held here."""
        self.know_origin(batch.origin)
        return self._payloads[batch.origin].get(batch.sequence)

    def is_executed(self, batch: BatchId) -> bool:
        """Say whether a batch is executed here: its payload may be gone then."""
        self.know_origin(batch.origin)
        return batch.sequence in self.executed[batch.origin]

    def holdings(self) -> list[int]:
        """Return, of each origin, up to which sequence all batches are held or executed here."""
        return list(self._held[self._me])

    @property
    def stored_batches(self) -> int:
        """Payloads held here."""
        return sum(map(len, self._payloads))

    def unexecuted(self) -> Iterator[Stored]:
        """Yield the payloads that a checkpoint must not lose."""
        for origin, payloads in enumerate(self._payloads):
            for sequence, requests in payloads.items():
                if sequence not in self.executed[origin]:
                    yield Stored(origin, sequence, requests)

    def know_origin(self, origin: int) -> None:
        """Make room for an origin; raises RemoteProtocolError where none can have that number."""
        if origin < len(self.stable):
            return
        if origin >= self._replicas * INCARNATIONS_MAX:
            raise RemoteProtocolError(f"no coordinator can be origin {origin}")
        more = range(len(self.stable), origin + 1)
        self.stable += [0 for _ in more]
        self._beyond += [0 for _ in more]
        self.executed += [Sequences() for _ in more]
        self._payloads += [{} for _ in more]
        for held in self._held:
            held += [0 for _ in more]

    # --- Payloads ---

    def on_payload(self, sender: Address, message: Payload, now: float) -> None:
        """Store a payload and note that it must be acknowledged."""
        origin, sequence = message.origin, message.sequence
        if origin < 0 or sequence < 1:
            raise RemoteProtocolError(f"no batch can be ({origin}, {sequence})")
        host = host_of(origin, self._replicas)
        if sender.role == "fleet" or (sender.role == "coordinator" and sender.number != host):
            raise RemoteProtocolError(f"{sender} sends a payload of origin {origin}")
        self.know_origin(origin)
        Columns.check(message.requests, self._clients)
        if sender == self._coordinator and origin > self._coordinator_origin:
            self._coordinator_origin = origin
            self._tell_coordinator = True
        self._wait_with_ack(now)  # A repeated payload asks for a repeated ack.
        if (
            sequence <= self._held[self._me][origin]
            or sequence in self._payloads[origin]
            or sequence in self.executed[origin]
        ):
            return
        self._journal.payload(origin, sequence, message.requests)
        self.store(origin, sequence, message.requests)
        if sequence > self._held[self._me][origin]:
            self._set_fetch(now)
        if self._wanted and sender.role == "replica":
            self._fetch_more(sender, origin, sequence)

    def store(self, origin: int, sequence: int, requests: bytes) -> None:
        """Hold a payload from now on."""
        self.know_origin(origin)
        self._payloads[origin][sequence] = requests
        self._missing.discard(BatchId(origin, sequence))
        self._advance(origin)

    def _advance(self, origin: int) -> None:
        held, payloads, executed = (
            self._held[self._me],
            self._payloads[origin],
            self.executed[origin],
        )
        while (following := held[origin] + 1) in payloads or following in executed:
            held[origin] = following
        self._restabilise(origin)

    def require(self, batch: BatchId, now: float) -> None:
        """Note that a decided batch is not held here: it will be fetched."""
        self._missing.add(batch)
        self._set_fetch(now)

    def skip(self, origin: int, executed: Sequences) -> None:
        """Note which batches were executed elsewhere and are in a snapshot."""
        self.know_origin(origin)
        self.executed[origin].update(executed)
        payloads = self._payloads[origin]
        for sequence in [s for s in payloads if s in executed]:
            del payloads[sequence]
        self._missing = {
            batch
            for batch in self._missing
            if batch.origin != origin or batch.sequence not in executed
        }
        self._advance(origin)

    def forget_kept(self) -> None:
        """Before a snapshot is taken over: keep no payload of what was executed."""
        for batch in self._kept:
            self._payloads[batch.origin].pop(batch.sequence, None)
        self._kept.clear()
        self._kept_bytes = 0

    # --- Acknowledgements ---

    def on_ack(self, sender: ReplicaId, message: Ack, now: float) -> None:
        """Take over what another replica holds."""
        if len(message.held) < self._replicas:
            raise RemoteProtocolError(f"an ack of {len(message.held)} origins")
        self.know_origin(len(message.held) - 1)
        known = self._held[sender]
        mine = self._held[self._me]
        for origin, sequence in enumerate(message.held):
            before = known[origin]
            if sequence > before:
                known[origin] = sequence
                if before <= self.stable[origin] < sequence:
                    self._beyond[origin] += 1
                    if self._beyond[origin] >= self._holders:
                        self._restabilise(origin)
                if sequence > mine[origin]:
                    self._set_fetch(now)

    def forget_holder(self, replica: ReplicaId) -> None:
        """Note that a replica has come back without its memory."""
        self._held[replica] = [0] * len(self.stable)
        for origin in range(len(self.stable)):
            self._restabilise(origin)

    def _restabilise(self, origin: int) -> None:
        held = [of_holder[origin] for of_holder in self._held]
        stable = highest_stable(held, self._holders)
        self._beyond[origin] = sum(sequence > stable for sequence in held)
        if stable != self.stable[origin]:
            self.stable[origin] = stable
            self._tell_coordinator |= origin == self._coordinator_origin

    def _wait_with_ack(self, now: float) -> None:
        if self._ack_since is None:
            self._ack_since = now

    def flush(self, now: float, *, ride: bool) -> None:
        """Send what is due, once a drain.

        With `ride`, no ack waits: something else goes to all, or nothing will for a while.
        """
        if self._tell_coordinator:
            self._report()
        if self._ack_since is None or not self._others:
            return
        due_at = self._ack_since + self._ack_delay_s
        if ride or now >= due_at:
            self._acknowledge()
        elif not self._ack_timer_set:
            self._ack_timer_set = True
            self._out.set_timer(ACK, due_at)

    def _acknowledge(self) -> None:
        """Tell every other replica what is held here."""
        self._ack_since = None
        self._out.broadcast(self._others, Ack(list(self._held[self._me]), self._epochs.vector()))

    def _report(self) -> None:
        """Tell this host's coordinator which replicas hold its batches."""
        self._tell_coordinator = False
        held = [of_holder[self._coordinator_origin] for of_holder in self._held]
        self._out.send(self._coordinator, Held(self._coordinator_origin, held))

    def on_heartbeat(self) -> None:
        """Repeat what may have been lost, drop what nobody needs."""
        if any(self._held[self._me]):
            self._acknowledge()
        if self._held[self._me][self._coordinator_origin]:
            self._report()
        self._prune()

    def on_ack_timer(self) -> None:
        """Let the next `flush` send what waits."""
        self._ack_timer_set = False

    # --- Fetching ---

    def on_fetch(self, sender: ReplicaId, message: Fetch) -> bool:
        """Send the payloads asked for, as far as they are held here.

        Return whether one of them is executed here and gone: a snapshot is needed in its place.
        """
        if message.origin < 0:
            raise RemoteProtocolError(f"no origin {message.origin}")
        self.know_origin(message.origin)
        is_gone = False
        for sequence in message.sequences[:FETCH_BATCHES_MAX]:
            requests = self._payloads[message.origin].get(sequence)
            if requests is not None:
                payload = Payload(message.origin, sequence, requests)
                self._out.send(Address("replica", sender), payload)
            elif sequence in self.executed[message.origin]:
                is_gone = True
        return is_gone

    def on_fetch_timer(self, now: float) -> None:
        """Ask for what was lacking one delay ago and still is, where nothing before it has come."""
        self._fetch_timer_set = False
        lacking = self._lacking()
        self._wanted = {origin: self._wanted.get(origin) or Wanted() for origin in lacking}
        for origin, sequences in lacking.items():
            wanted = self._wanted[origin]
            wanted.goal = self._known(origin)
            if wanted.first != sequences[0]:
                wanted.first = sequences[0]
                wanted.patience.renew()
            elif wanted.patience.look():
                turn = wanted.patience.asked
                self._fetch(self._holder(origin, sequences[0], turn), origin, sequences)
                wanted.patience.ask()
        if lacking:
            self._set_fetch(now)

    def _fetch_more(self, sender: Address, origin: int, sequence: int) -> None:
        """Ask who has sent what it was asked for, for what else was lacking at the last look.

        Not where it was the coordinator that has sent it: then all of it is on its way.
        """
        wanted = self._wanted.get(origin)
        if wanted is None or sequence not in wanted.under_way:
            return
        wanted.under_way.remove(sequence)
        if not wanted.under_way:
            wanted.patience.renew()
            if sequences := self._gaps(origin, wanted.goal):
                self._fetch(sender, origin, sequences)
                wanted.patience.ask(between_looks=True)

    def _lacking(self) -> dict[int, list[int]]:
        """Return what is lacking, in order, by origin; never nothing of one."""
        lacking = {
            origin: set(gaps)
            for origin in range(len(self.stable))
            if (gaps := self._gaps(origin, self._known(origin)))
        }
        for batch in self._missing:
            lacking.setdefault(batch.origin, set()).add(batch.sequence)
        return {origin: sorted(sequences) for origin, sequences in lacking.items()}

    def _known(self, origin: int) -> int:
        """Return the highest sequence of an origin that is known of."""
        acknowledged = max(of_holder[origin] for of_holder in self._held)
        return max(acknowledged, max(self._payloads[origin], default=0))

    def _gaps(self, origin: int, known: int) -> list[int]:
        """Return the first of what is lacking up to `known`."""
        held, payloads = self._held[self._me][origin], self._payloads[origin]
        executed = self.executed[origin]
        last = min(known, held + FETCH_BATCHES_MAX)
        return [s for s in range(held + 1, last + 1) if s not in payloads and s not in executed]

    def _holder(self, origin: int, sequence: int, turn: int) -> Address:
        """Return who may be asked, each turn another one: one of them may be gone for good."""
        holders = [
            other for other in self._others if self._held[other.number][origin] >= sequence
        ] or self._others
        return holders[(turn + origin) % len(holders)]

    def _fetch(self, holder: Address, origin: int, sequences: list[int]) -> None:
        """Ask for as many of the batches as fit an answer."""
        sequences = sequences[: self._fetch_max]
        self._wanted[origin].under_way = set(sequences)
        self.fetched += len(sequences)
        self._out.send(holder, Fetch(origin, sequences))

    def _set_fetch(self, now: float) -> None:
        if not self._fetch_timer_set and self._others:
            self._fetch_timer_set = True
            self._out.set_timer(FETCH, now + self._fetch_delay_s)

    # --- Pruning ---

    def executed_now(self, batches: Iterable[BatchId]) -> None:
        """Note that batches were executed; their payloads go when nobody needs them any more."""
        for batch in batches:
            self.executed[batch.origin].add(batch.sequence)
            self._kept.append(batch)
            self._kept_bytes += len(self._payloads[batch.origin][batch.sequence]) + KEPT_BYTES
        self._prune()

    def _prune(self) -> None:
        """Drop executed payloads that every replica holds, or that take too much."""
        while self._kept and (
            self._kept_bytes > self._kept_bytes_max or self._is_everywhere(self._kept[0])
        ):
            batch = self._kept.popleft()
            payload = self._payloads[batch.origin].pop(batch.sequence)
            self._kept_bytes -= len(payload) + KEPT_BYTES

    def _is_everywhere(self, batch: BatchId) -> bool:
        return all(of_holder[batch.origin] >= batch.sequence for of_holder in self._held)
