"""A whole system of hosted nodes in one event loop, over real TCP on the loopback interface."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

import numpy as np

from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.core.registry import PROTOCOLS
from actors.core.verdict import verdict
from actors.hosted import Hosted
from actors.replica import Replica
from actors.transport.base import Endpoint
from actors.wiring import wiring

LOOPBACK = "127.0.0.1"
SECRET = b"correct horse"
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""


class System:
    """What `Cluster` makes on Ray, without Ray: wired and started from `async with` on.

    Hosts with limits share their budgets in a folder.
    """

    def __init__(self, config: LoadConfig, budgets: str | None = None) -> None:
        self._budgets = budgets
        protocol = PROTOCOLS[config.protocol]
        self._talk_to = protocol.clients_talk_to
        self.replicas = [Replica(host, config, SECRET) for host in range(config.replicas)]
        self.coordinators = [
            Coordinator(host, config, SECRET)
            for host in range(config.replicas if protocol.coordinator else 0)
        ]
        self.fleets = [ClientFleet(fleet, config, SECRET) for fleet in range(config.fleets)]
        self.nodes: dict[Address, Hosted] = {
            Address(role, number): node
            for role, nodes in (
                ("replica", self.replicas),
                ("coordinator", self.coordinators),
                ("fleet", self.fleets),
            )
            for number, node in enumerate(nodes)
        }
        self.endpoints: dict[Address, Endpoint] = {}

    async def __aenter__(self) -> Self:
        for address, node in self.nodes.items():
            self.endpoints[address] = await node.listen(LOOPBACK, self._budgets)
        await asyncio.gather(
            *(
                self.nodes[address].connect(
                    {peer: self.endpoints[peer] for peer in peers.dials}, peers.expects, PATIENCE_S
                )
                for address, peers in wiring(self.nodes, self._talk_to).items()
            )
        )
        for address, node in self.nodes.items():
            if address.role != "fleet":
                await node.start()
                await node.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for node in self.nodes.values():
            await node.stop()

    async def run(self, load_s: float, *meanwhile: Coroutine[Any, Any, None]) -> None:
        """Load the system and have other things happen; everything must be answered then."""
        runs = [fleet.run(load_s) for fleet in self.fleets]
        answered = await asyncio.gather(*runs, *meanwhile)
        assert all(answered[: len(runs)])

    async def settle(self, replicas: Iterable[Replica]) -> None:
        """Wait until each of the replicas has executed what the first of them has."""
        batches = [await replica.executed_batches() for replica in replicas]
        for replica in replicas:
            assert await replica.wait_executed(max(batches), PATIENCE_S)

    async def acknowledged(self) -> np.ndarray:
        return np.concatenate([await fleet.acknowledged() for fleet in self.fleets])

    async def verdict(self, replicas: Iterable[Replica]) -> str:
        return verdict(
            [await replica.evidence() for replica in replicas], await self.acknowledged()
        )

    def counts(self, address: Address) -> dict[str, float]:
        """Return what the transport of one address has counted so far."""
        return self.nodes[address]._host.transport.counts()
