"""JPaxos: clients talk to the leader, which batches their requests into the values it proposes.

Layers: ingress -> batcher -> ordering -> executor -> ingress (replies). Every replica executes; the
replica that a client asked replies, which is the leader: others redirect. Plain Multi-Paxos is this
with one request per instance.
"""

from collections.abc import Sequence

from actors.core.batcher import Batcher
from actors.core.config import Config
from actors.core.effects import Effect, Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.executor import Executor
from actors.core.ids import Address, ReplicaId
from actors.core.ingress import Ingress
from actors.core.journal import Journal
from actors.core.messages import Message, Requests
from actors.core.ordering import Above, Ordering
from actors.core.paxos import NO_OP
from actors.core.service import Service
from actors.core.snapshots import Taken

BATCH = "batch"


class JPaxosReplica(Above):
    """A replica of JPaxos, or of plain Multi-Paxos with `requests_per_instance_max` 1."""

    def __init__(
        self,
        me: ReplicaId,
        config: Config,
        service: Service,
        records: Sequence[bytes] = (),
        *,
        requests_per_instance_max: int = 0,
    ) -> None:
        self.executor = Executor(service, config.clients)
        self._me = me
        self._out = Outbox()
        journal = Journal(config, self._out, records)
        self.ordering = Ordering(me, config, journal, self._out, self, announce_at_once=False)
        self._ingress = Ingress(config, self._out)
        self._batcher = Batcher(
            config.batch_bytes_max, config.batch_delay_ms / 1e3, requests_per_instance_max
        )
        self._served_view = 0  # The view in which requests were last taken in.
        self._batch_timer_at: float | None = None
        self._now = 0.0
        self.ordering.restore(journal.former)

    def suspect_leader(self, now: float) -> None:
        """Start this replica's own next view, as if the leader had been silent for too long."""
        self._now = now
        self.ordering.suspect_leader(now)

    def start(self, now: float) -> None:
        """Begin."""
        self._now = now
        self.ordering.start(now)

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of a replica or of a fleet."""
        self._now = now
        if self.ordering.handles(message):
            self.ordering.on_message(sender, message, now)
        elif type(message) is Requests:
            self._ingress.on_requests(sender, message)
        else:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to a replica")

    def on_timer(self, name: str, now: float) -> None:
        """Take a timer."""
        self._now = now
        if name == BATCH:
            self._batch_timer_at = None
        else:
            self.ordering.on_timer(name, now)

    def drain(self) -> Sequence[Effect]:
        """Take in and propose or, where nobody waits for that, execute and reply."""
        self._take_in()
        self._propose()
        self.ordering.conclude(self._now)
        if not self._out:
            self._execute()
        return self._out.drain()

    def _take_in(self) -> None:
        view, leader = self.ordering.view, self.ordering.leader
        if view != self._served_view:
            # What was proposed in another view may or may not be ordered: clients ask again.
            self._served_view = view
            self._batcher.clear()
            self._ingress.redirect(leader)
        elif leader != self._me:
            self._ingress.redirect(leader)
        elif (requests := self._ingress.admit()) is not None:
            self._batcher.add(requests, self._now)

    def _propose(self) -> None:
        while self.ordering.has_room and self._batcher.is_due(self._now):
            self.ordering.propose(self._batcher.take().encode(), self._now)
        due_at = self._batcher.due_at
        if due_at is not None and due_at > self._now and due_at != self._batch_timer_at:
            self._batch_timer_at = due_at
            self._out.set_timer(BATCH, due_at)

    def _execute(self) -> None:
        for instance, value in self.ordering.take_decided():
            if value != NO_OP:
                self._ingress.answer(self.executor.execute(value))
            self.ordering.executed = instance + 1

    def install(self, taken: Taken) -> None:
        """Go on from a snapshot; clients get the replies that it has passed over."""
        super().install(taken)
        self._ingress.answer(self.executor.last_replies())

    def gauges(self) -> dict[str, float]:
        """View, open instances, and what waits where."""
        return {
            **self.ordering.gauges(),
            "pending_requests": self._ingress.pending,
            "batcher_requests": self._batcher.requests,
        }

    def counts(self) -> dict[str, float]:
        """Return what was admitted, batched, decided, executed and answered."""
        return {
            **self._ingress.counts(),
            **self._batcher.counts(),
            **self.ordering.counts(),
            **self.executor.counts(),
        }
