"""No replication at all: one host executes what clients ask for and answers, as soon as it can.

What is left of a replica when nothing is agreed upon: ingress -> executor -> ingress (replies). It
is what the cost of replication is measured against, with the same clients, frames and service.
There is no second host, so whatever happens to it is lost.
"""

from collections.abc import Sequence

from actors.core.config import Config
from actors.core.effects import Effect, Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.executor import Executor
from actors.core.ids import Address, ReplicaId
from actors.core.ingress import Ingress
from actors.core.journal import Journal
from actors.core.messages import Message, Requests
from actors.core.ordering import Above, Ordering
from actors.core.service import Service


class UnreplicatedServer(Above):
    """The only host there is."""

    def __init__(
        self, me: ReplicaId, config: Config, service: Service, records: Sequence[bytes] = ()
    ) -> None:
        assert config.replicas == 1, f"{config.replicas} servers that know nothing of each other"
        self.executor = Executor(service, config.clients)
        self._out = Outbox()
        # Alone it leads from the start, which is all that is ever asked of it here.
        journal = Journal(config, self._out, records)
        self.ordering = Ordering(me, config, journal, self._out, self, announce_at_once=False)
        self._ingress = Ingress(config, self._out)

    # Whatever happens, time plays no part in it.

    def suspect_leader(self, now: float) -> None:
        """Do nothing: nobody else could serve."""

    def start(self, now: float) -> None:
        """Do nothing: all begins with a request."""

    def on_message(self, sender: Address, message: Message, now: float) -> None:  # noqa: ARG002
        """Take a message of a fleet."""
        if type(message) is not Requests:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to a server")
        self._ingress.on_requests(sender, message)

    def on_timer(self, name: str, now: float) -> None:
        """Take no timer: none is set."""

    def drain(self) -> Sequence[Effect]:
        """Execute what has arrived, as one batch, and reply."""
        requests = self._ingress.admit()
        if requests is not None:
            self._ingress.answer(self.executor.execute(requests.encode()))
        return self._out.drain()

    def gauges(self) -> dict[str, float]:
        """Return who leads, and what waits."""
        return {
            "view": self.ordering.view,
            "leads": self.ordering.leads,
            "pending_requests": self._ingress.pending,
        }

    def counts(self) -> dict[str, float]:
        """Return what was admitted, executed and answered."""
        return {**self._ingress.counts(), **self.executor.counts()}
