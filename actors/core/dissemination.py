"""Dissemination (S-Paxos): payloads, who holds them, and which are stable.

Rules (S-Paxos, SRDS 2012; where the release falls short, HT-Paxos; design page "S-Paxos"):

- A coordinator numbers its batches from 1. A replica acknowledges, to every replica, the highest
  sequence per origin up to which it holds all: one vector, cumulative, harmless to lose or repeat.
- A batch is stable when f+1 replicas hold it: one of them survives any f crashes. Only stable
  batches may be ordered.
- A replica that learns, by an ack or a decision, of a batch that it lacks asks a holder for it.
- A payload goes when it is executed here and every replica holds it.
"""

from collections.abc import Sequence

from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, BatchId, ReplicaId
from actors.core.messages import Ack, Fetch, Held, Payload

FETCH = "fetch"
ACK = "ack"
FETCH_BATCHES_MAX = 64


def highest_stable(held: Sequence[int], holders: int) -> int:
    """Return up to which sequence at least `holders` replicas hold all, given what each holds."""
    return sorted(held, reverse=True)[holders - 1]


class Dissemination:
    """What one replica knows of payloads. Vectors are indexed by origin, 0 to n - 1."""

    def __init__(self, me: ReplicaId, config: Config, out: Outbox) -> None:
        replicas = config.replicas
        self.stable = [0] * replicas
        """Per origin, the highest sequence up to which all batches are stable."""
        self._me = me
        self._clients = config.clients
        self._holders = config.stable_holders
        self._out = out
        self._coordinator = Address("coordinator", me)
        self._others = tuple(Address("replica", i) for i in range(replicas) if i != me)
        self._fetch_delay_s = config.fetch_delay_ms / 1e3
        self._ack_delay_s = config.ack_delay_ms / 1e3
        self._payloads: list[dict[int, bytes]] = [{} for _ in range(replicas)]
        self._held: list[list[int]] = [[0] * replicas for _ in range(replicas)]  # [holder][origin]
        self._pruned = [0] * replicas
        self._missing: set[BatchId] = set()  # Decided, but not held.
        self._ack_since: float | None = None  # Since when an ack waits to be sent.
        self._ack_timer_set = False
        self._fetch_timer_set = False
        self._lacked: set[BatchId] = set()
        self._fetches = 0
        self._tell_coordinator = False

    # --- What the protocol above asks ---

    def find(self, batch: BatchId) -> bytes | None:
        """Return the payload of a batch, if it is held here."""
        return self._payloads[batch.origin].get(batch.sequence)

    @property
    def stored_batches(self) -> int:
        """Payloads held here."""
        return sum(map(len, self._payloads))

    # --- Payloads ---

    def on_payload(self, sender: Address, message: Payload, now: float) -> None:
        """Store a payload and note that it must be acknowledged."""
        origin, sequence = message.origin, message.sequence
        if sender.role == "fleet" or (sender.role == "coordinator" and sender.number != origin):
            raise RemoteProtocolError(f"{sender} sends a payload of origin {origin}")
        if not 0 <= origin < len(self.stable) or sequence < 1:
            raise RemoteProtocolError(f"no batch can be ({origin}, {sequence})")
        Columns.check(message.requests, self._clients)
        self._wait_with_ack(now)  # A repeated payload asks for a repeated ack.
        held = self._held[self._me]
        payloads = self._payloads[origin]
        if sequence <= held[origin] or sequence in payloads:
            return
        payloads[sequence] = message.requests
        self._missing.discard(BatchId(origin, sequence))
        while held[origin] + 1 in payloads:
            held[origin] += 1
        self._restabilise(origin)
        if sequence > held[origin]:
            self._set_fetch(now)

    def require(self, batch: BatchId, now: float) -> None:
        """Note that a decided batch is not held here: it will be fetched."""
        self._missing.add(batch)
        self._set_fetch(now)

    # --- Acknowledgements ---

    def on_ack(self, sender: ReplicaId, message: Ack, now: float) -> None:
        """Take over what another replica holds."""
        if len(message.held) != len(self.stable):
            raise RemoteProtocolError(f"an ack of {len(message.held)} origins")
        known = self._held[sender]
        mine = self._held[self._me]
        for origin, sequence in enumerate(message.held):
            if sequence > known[origin]:
                known[origin] = sequence
                self._restabilise(origin)
                if sequence > mine[origin]:
                    self._set_fetch(now)

    def _restabilise(self, origin: ReplicaId) -> None:
        held = [of_holder[origin] for of_holder in self._held]
        stable = highest_stable(held, self._holders)
        if stable > self.stable[origin]:
            self.stable[origin] = stable
            self._tell_coordinator |= origin == self._me

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
        self._out.broadcast(self._others, Ack(list(self._held[self._me])))

    def _report(self) -> None:
        """Tell this host's coordinator which replicas hold its batches."""
        self._tell_coordinator = False
        held = [of_holder[self._me] for of_holder in self._held]
        self._out.send(self._coordinator, Held(held))

    def on_heartbeat(self) -> None:
        """Repeat what may have been lost."""
        if any(self._held[self._me]):
            self._acknowledge()
        if self._held[self._me][self._me]:
            self._report()

    def on_ack_timer(self) -> None:
        """Let the next `flush` send what waits."""
        self._ack_timer_set = False

    # --- Fetching ---

    def on_fetch(self, sender: ReplicaId, message: Fetch) -> None:
        """Send the payloads asked for, as far as they are held here."""
        if not 0 <= message.origin < len(self.stable):
            raise RemoteProtocolError(f"no origin {message.origin}")
        for sequence in message.sequences[:FETCH_BATCHES_MAX]:
            requests = self._payloads[message.origin].get(sequence)
            if requests is not None:
                payload = Payload(message.origin, sequence, requests)
                self._out.send(Address("replica", sender), payload)

    def on_fetch_timer(self, now: float) -> None:
        """Ask for what was lacking one delay ago and still is."""
        self._fetch_timer_set = False
        self._fetches += 1  # Each time of another holder: one of them may be gone for good.
        lacking = self._lacking()
        for origin in {batch.origin for batch in lacking & self._lacked}:
            self._fetch(origin, lacking)
        self._lacked = lacking
        if lacking:
            self._set_fetch(now)

    def _lacking(self) -> set[BatchId]:
        lacking = set(self._missing)
        for origin, held in enumerate(self._held[self._me]):
            known = max(of_holder[origin] for of_holder in self._held)
            known = max([known, *self._payloads[origin]])
            payloads = self._payloads[origin]
            last = min(known, held + FETCH_BATCHES_MAX)
            gaps = (s for s in range(held + 1, last + 1) if s not in payloads)
            lacking.update(BatchId(origin, sequence) for sequence in gaps)
        return lacking

    def _fetch(self, origin: ReplicaId, lacking: set[BatchId]) -> None:
        sequences = sorted(batch.sequence for batch in lacking if batch.origin == origin)
        sequences = sequences[:FETCH_BATCHES_MAX]
        holders = [
            other for other in self._others if self._held[other.number][origin] >= sequences[0]
        ] or list(self._others)
        holder = holders[(self._fetches + origin) % len(holders)]
        self._out.send(holder, Fetch(origin, sequences))

    def _set_fetch(self, now: float) -> None:
        if not self._fetch_timer_set and self._others:
            self._fetch_timer_set = True
            self._out.set_timer(FETCH, now + self._fetch_delay_s)

    # --- Pruning ---

    def prune(self, origin: ReplicaId, executed: int) -> None:
        """Drop payloads of `origin` that are executed here and that every replica holds."""
        everywhere = min(of_holder[origin] for of_holder in self._held)
        payloads = self._payloads[origin]
        for sequence in range(self._pruned[origin] + 1, min(everywhere, executed) + 1):
            payloads.pop(sequence, None)
            self._pruned[origin] = sequence
