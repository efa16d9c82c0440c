"""The replica as an actor."""

import logging

from actors.core.config import Config
from actors.core.ids import Address, ReplicaId, View
from actors.core.registry import PROTOCOLS
from actors.core.verdict import Evidence
from actors.hosted import Hosted, restored
from actors.services import registry as services

_log = logging.getLogger(__name__)


class Replica(Hosted):
    """A replica of the configured protocol and service; it stores in `folder`, if in any."""

    def __init__(
        self,
        host: ReplicaId,
        config: Config,
        secret: bytes,
        folder: str | None = None,
        *,
        run_id: str = "",
    ) -> None:
        service = services.find(config.service).service()
        build = PROTOCOLS[config.protocol].replica
        self._node, journal = restored(
            folder, lambda records: build(host, config, service, records)
        )
        self._number = host
        super().__init__(
            Address("replica", host), self._node, config, secret, journal, run_id=run_id
        )

    def _executed_requests(self) -> int:
        return self._node.executor.requests

    async def suspect_leader(self) -> None:
        """Start this replica's own next view, unless it takes no part yet."""
        if not self._node.is_recovering:
            _log.info("%s suspects the leader, as asked", self._me)
            self._host.step(self._node.suspect_leader)

    async def wait_recovered(self, timeout_s: float) -> bool:
        """Wait until this replica takes part; return whether it did in time."""
        return await self._host.until(lambda: not self._node.is_recovering, timeout_s)

    async def wait_leading(self, above: View, timeout_s: float) -> View | None:
        """Wait until this replica leads in a view above one; return that view, None if too late.

        None, too, if it leads no more by the time that this is noticed.
        """
        ordering = self._node.ordering
        await self._host.until(lambda: ordering.leads and ordering.view > above, timeout_s)
        return ordering.view if ordering.leads and ordering.view > above else None

    async def executed_batches(self) -> int:
        """Return how many batches are executed here."""
        return self._node.executor.batches

    async def wait_executed(self, batches: int, timeout_s: float) -> bool:
        """Wait until that many batches are executed here; return whether they were in time."""
        executor = self._node.executor
        return await self._host.until(lambda: executor.batches >= batches, timeout_s)

    async def evidence(self) -> Evidence:
        """Return what the safety verdict needs to know of this replica."""
        return Evidence.of(self._number, self._node.executor)
