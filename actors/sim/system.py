"""A whole replicated system with its clients in a simulated world, and what must hold of it."""

from collections.abc import Callable

import numpy as np

from actors.core.client import Clients
from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId
from actors.core.messages import Message
from actors.core.registry import PROTOCOLS, ReplicaNode
from actors.core.verdict import Evidence, verdict
from actors.services import registry as services
from actors.sim.network import Network
from actors.sim.world import World


class System:
    """Replicas, coordinators and fleets of one configuration, in virtual time."""

    def __init__(
        self,
        config: LoadConfig,
        network: Network | None = None,
        log: Callable[[float, Address, Address, Message], None] | None = None,
    ) -> None:
        self.config = config
        self.world = World(config.seed, network, log, config.frame_bytes_max)
        self.replicas: dict[ReplicaId, ReplicaNode] = {}
        self.clients: list[Clients] = []
        protocol = PROTOCOLS[config.protocol]
        service = services.find(config.service)
        for host in range(config.replicas):
            self.replicas[host] = protocol.replica(host, config, service.service(), ())
            self.world.add(Address("replica", host), self.replicas[host])
            if protocol.coordinator:
                self.world.add(Address("coordinator", host), protocol.coordinator(host, config, ()))
        for fleet in range(config.fleets):
            clients = Clients(fleet, config, service.workload(config), protocol.clients_talk_to)
            self.clients.append(clients)
            self.world.add(Address("fleet", fleet), clients)

    @property
    def completed(self) -> int:
        """Requests answered so far."""
        return int(sum(clients.counts()["completed"] for clients in self.clients))

    def crash(self, host: ReplicaId) -> None:
        """Take a host out for good: its replica and its coordinator."""
        del self.replicas[host]
        self.world.crash(Address("replica", host))
        if Address("coordinator", host) in self.world.nodes:
            self.world.crash(Address("coordinator", host))

    def run_until(self, completed: int, seconds: float) -> bool:
        """Let up to `seconds` pass until that many requests are answered; say whether they were."""
        return self.world.run(seconds, lambda: self.completed >= completed)

    def settle(self, seconds: float) -> bool:
        """Stop the clients and wait until all is answered and executed everywhere."""
        for clients in self.clients:
            clients.stop()
        return self.world.run(seconds, self._is_settled)

    def _is_settled(self) -> bool:
        if any(clients.outstanding for clients in self.clients):
            return False
        executed = {replica.executor.batches for replica in self.replicas.values()}
        return len(executed) == 1

    def verdict(self) -> str:
        """Return "ok", or what broke."""
        acknowledged = np.concatenate([clients.acknowledged() for clients in self.clients])
        evidence = [Evidence.of(host, r.executor) for host, r in self.replicas.items()]
        return verdict(evidence, acknowledged)
