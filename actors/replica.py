"""The replica as an actor."""

from actors.core.config import Config
from actors.core.ids import Address, ReplicaId
from actors.core.registry import PROTOCOLS
from actors.core.verdict import Evidence
from actors.hosted import Hosted
from actors.services import registry as services


class Replica(Hosted):
    """A replica of the configured protocol and service."""

    def __init__(self, host: ReplicaId, config: Config, secret: bytes) -> None:
        service = services.find(config.service).service()
        self._node = PROTOCOLS[config.protocol].replica(host, config, service, ())
        self._number = host
        super().__init__(Address("replica", host), self._node, config, secret)

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
