"""S-Paxos, the coordinator of a host: what clients talk to.

It batches requests, disseminates each batch to every replica, sends it again until it is stable,
and replies once its host's replica has executed. A batch leaves as soon as fewer than
`dissemination_window` of its batches are unstable: an idle coordinator waits for nothing.
"""

from collections.abc import Sequence

from actors.core.batcher import Batcher
from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.dissemination import highest_stable
from actors.core.effects import Effect, Outbox
from actors.core.errors import RemoteProtocolError, RestartError
from actors.core.ids import INCARNATIONS_MAX, Address, ReplicaId, origin_of
from actors.core.ingress import Ingress
from actors.core.journal import Journal
from actors.core.messages import Executed, Held, Message, Payload, Requests

BATCH = "batch"
RETRANSMIT = "retransmit"


class Coordinator:
    """The client-facing half of an S-Paxos host."""

    def __init__(self, me: ReplicaId, config: Config, records: Sequence[bytes] = ()) -> None:
        self._me = me
        self._out = Outbox()
        self._journal = Journal(config, self._out, records)
        self._origin = origin_of(me, self._journal.epoch, config.replicas)
        if self._journal.epoch > INCARNATIONS_MAX:
            raise RestartError(f"a coordinator may start {INCARNATIONS_MAX} times at most")
        self._ingress = Ingress(config, self._out)
        self._batcher = Batcher(
            config.dissemination_batch_bytes_max, config.dissemination_batch_delay_ms / 1e3
        )
        self._clients = config.clients
        self._replicas = tuple(Address("replica", i) for i in range(config.replicas))
        self._holders = config.stable_holders
        self._window = config.dissemination_window
        self._retransmit_s = config.retransmit_timeout_ms / 1e3
        self._sequence = 0
        self._stable = 0
        self._held = [0] * config.replicas
        self._unstable: dict[int, tuple[float, Payload]] = {}  # When it was last sent, and what.
        self._batch_timer_at: float | None = None
        self._retransmit_set = False
        self._now = 0.0

    def start(self, now: float) -> None:
        """Begin."""
        self._now = now
        self._journal.start()

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of a fleet or of this host's replica."""
        self._now = now
        if type(message) is Requests:
            self._ingress.on_requests(sender, message)
        elif sender != self._replicas[self._me]:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to a coordinator")
        elif type(message) is Executed:
            Columns.check(message.replies, self._clients)
            self._ingress.answer(Columns.decode(message.replies))
        elif type(message) is Held:
            self._on_held(message)
        else:
            raise RemoteProtocolError(f"{type(message).__name__} is not for a coordinator")

    def on_timer(self, name: str, now: float) -> None:
        """Take a timer."""
        self._now = now
        if name == BATCH:
            self._batch_timer_at = None
        elif name == RETRANSMIT:
            self._retransmit()

    def drain(self) -> Sequence[Effect]:
        """Take in requests and send batches as far as is possible now."""
        requests = self._ingress.admit()
        if requests is not None:
            self._batcher.add(requests, self._now)
        while len(self._unstable) < self._window and self._batcher.is_due(self._now):
            self._disseminate(self._batcher.take())
        due_at = self._batcher.due_at
        if due_at is not None and due_at > self._now and due_at != self._batch_timer_at:
            self._batch_timer_at = due_at
            self._out.set_timer(BATCH, due_at)
        return self._out.drain()

    def _disseminate(self, requests: Columns) -> None:
        self._sequence += 1
        payload = Payload(self._origin, self._sequence, requests.encode())
        self._unstable[self._sequence] = (self._now, payload)
        self._out.broadcast(self._replicas, payload)
        self._set_retransmit()

    def _on_held(self, message: Held) -> None:
        if len(message.held) != len(self._held):
            raise RemoteProtocolError(f"a vector of {len(message.held)} replicas")
        if message.origin != self._origin:
            return  # Of a life that is over.
        self._held = message.held
        stable = min(highest_stable(message.held, self._holders), self._sequence)
        for sequence in range(self._stable + 1, stable + 1):
            del self._unstable[sequence]
        self._stable = max(self._stable, stable)

    def _retransmit(self) -> None:
        """Send unstable batches again to the replicas that lack them.

        To this host's own in any case, which costs nothing: it may have come back, and know neither
        of the batches nor that they are this coordinator's.
        """
        self._retransmit_set = False
        for sequence, (sent_at, payload) in self._unstable.items():
            if self._now >= sent_at + self._retransmit_s:  # As the timer was set: floats round.
                lacking = [
                    r
                    for r in self._replicas
                    if r.number == self._me or self._held[r.number] < sequence
                ]
                self._out.broadcast(lacking, payload)
                self._unstable[sequence] = (self._now, payload)
        if self._unstable:
            self._set_retransmit()

    def _set_retransmit(self) -> None:
        if not self._retransmit_set:
            self._retransmit_set = True
            self._out.set_timer(RETRANSMIT, self._now + self._retransmit_s)

    def gauges(self) -> dict[str, float]:
        """Return what waits where."""
        return {
            "pending_requests": self._ingress.pending,
            "batcher_requests": self._batcher.requests,
            "unstable_batches": len(self._unstable),
        }

    def counts(self) -> dict[str, float]:
        """Return what was admitted, batched and answered."""
        return {**self._ingress.counts(), **self._batcher.counts()}
