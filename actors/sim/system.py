"""A whole replicated system with its clients in a simulated world, and its faults."""

from collections.abc import Callable
from typing import cast

import numpy as np

from actors.core.client import Clients
from actors.core.config import LoadConfig
from actors.core.effects import Node
from actors.core.errors import RestartError
from actors.core.ids import Address, ReplicaId, Role, leader_of
from actors.core.registry import PROTOCOLS, ReplicaNode
from actors.core.service import Service, Workload
from actors.core.verdict import Evidence, verdict
from actors.services import registry as services
from actors.sim.history import Recorder
from actors.sim.network import Network
from actors.sim.trace import Log
from actors.sim.world import World

SETTLING_STEP_S = 0.01


class System:
    """Replicas, coordinators and fleets of one configuration, in virtual time.

    `service` builds a host's copy of the service, `workload` a fleet's commands: those of the
    configuration unless given. With `recorded` all that matters is kept in `recorder`. With
    `encoded` all messages are encoded and decoded on their way.
    """

    def __init__(
        self,
        config: LoadConfig,
        network: Network | None = None,
        log: Log | None = None,
        *,
        service: Callable[[ReplicaId], Service] | None = None,
        workload: Callable[[LoadConfig], Workload] | None = None,
        recorded: bool = False,
        encoded: bool = False,
    ) -> None:
        kind = services.find(config.service)
        self.config = config
        self.world = World(config.seed, network, log, config.frame_bytes_max if encoded else None)
        self.clients: list[Clients] = []
        """The fleets, also those that were killed."""
        self._protocol = PROTOCOLS[config.protocol]
        self.recorder = Recorder(config, lambda: self.world.now)
        make_clients: Callable[[int, LoadConfig, Workload, Role], Clients] = Clients
        if recorded:
            service, workload = self.recorder.service, self.recorder.workload
            make_clients = self.recorder.clients
        self._service = service or (lambda _: kind.service())
        self._recorded = recorded
        for host in range(config.replicas):
            for address in self.nodes_of(host):
                self._add(address)
        for fleet in range(config.fleets):
            commands = (workload or kind.workload)(config)
            clients = make_clients(fleet, config, commands, self._protocol.clients_talk_to)
            self.clients.append(clients)
            self.world.add(Address("fleet", fleet), clients)

    def _add(self, address: Address) -> None:
        """Start a node of a host, for the first time or again."""
        host, records = address.number, self.world.records(address)
        if address.role == "replica":
            replica = self._protocol.replica(host, self.config, self._service(host), records)
            watch = self.recorder.watch(host, replica) if self._recorded else None
            self.world.add(address, replica, watch)
        else:
            assert self._protocol.coordinator is not None
            self.world.add(address, self._protocol.coordinator(host, self.config, records))

    # --- Who is there ---

    def nodes_of(self, host: ReplicaId) -> tuple[Address, ...]:
        """Return the addresses of a host: its replica's and, if there is one, its coordinator's."""
        replica, coordinator = Address("replica", host), Address("coordinator", host)
        return (replica, coordinator) if self._protocol.coordinator else (replica,)

    @property
    def replicas(self) -> dict[ReplicaId, ReplicaNode]:
        """The replicas that are up, by host."""
        return {
            address.number: cast(ReplicaNode, node)
            for address, node in self.world.nodes.items()
            if address.role == "replica"
        }

    @property
    def leader(self) -> ReplicaId:
        """Who leads, or is about to: in the highest view that a replica is in that is up."""
        views = [replica.ordering.view for replica in self.replicas.values()]
        return leader_of(max(views, default=0), self.config.replicas)

    @property
    def completed(self) -> int:
        """Requests answered so far."""
        return int(sum(clients.counts()["completed"] for clients in self.clients))

    # --- Crashes and returns ---

    def crash(self, who: ReplicaId | Address) -> None:
        """Crash a host or a node, as far as it is up: its memory is lost."""
        for address in self._addresses(who):
            self.world.crash(address)

    def crash_all(self) -> None:
        """Crash all hosts at once."""
        for host in range(self.config.replicas):
            self.crash(host)

    def restart(self, who: ReplicaId | Address) -> None:
        """Start again what is down of a host, or a node, from the records that survived.

        Raises RestartError where that is not allowed or not possible.
        """
        for address in self._addresses(who):
            if address not in self.world.nodes:
                self._check_restart(address)
                self._add(address)

    def may_return(self, who: ReplicaId | Address) -> bool:
        """Say whether a host or a node may start again once it is down."""
        return self.config.crash_model != "crash_stop" and not any(
            map(self.world.has_full_disk, self._addresses(who))
        )

    def _check_restart(self, address: Address) -> None:
        if address.role == "fleet":
            raise RestartError(
                "a fleet cannot be restarted: its clients' numbers would start again"
            )
        if self.config.crash_model == "crash_stop":
            raise RestartError(
                f"{address} must not start again: under crash_stop nothing of it is stored; "
                "use crash_model epoch or full"
            )
        if self.world.has_full_disk(address):
            raise RestartError(f"{address} cannot start again: its disk is full")

    def pause(self, who: ReplicaId | Address) -> None:
        """Pause a host or a node: what happens to it waits, its timers among it."""
        for address in self._addresses(who):
            self.world.pause(address)

    def resume(self, who: ReplicaId | Address) -> None:
        """Let a paused host or node go on."""
        for address in self._addresses(who):
            self.world.resume(address)

    def suspect(self, host: ReplicaId) -> None:
        """Have a replica that is up promote itself, as if the leader had been silent."""
        address = Address("replica", host)
        if address in self.world.nodes:
            self.world.note("suspect", address)
            self.world.step(address, _promote)

    def is_back(self, who: ReplicaId | Address) -> bool:
        """Say whether a host or a node is up and takes part, with no recovery under way."""
        return all(
            address in self.world.nodes and not _is_recovering(self.world.nodes[address])
            for address in self._addresses(who)
        )

    # --- Slowness ---

    def slow_down(self, who: ReplicaId | Address, event_s: float) -> None:
        """Keep a host's nodes, or a node, busy for so long with each event; 0 ends it."""
        for address in self._addresses(who):
            self.world.slow_down(address, event_s)

    def set_clock(self, who: ReplicaId | Address, rate: float, ahead_s: float = 0.0) -> None:
        """Have the clock of a host or a node go on at `rate`, `ahead_s` later than it shows."""
        for address in self._addresses(who):
            self.world.set_clock(address, rate, ahead_s)

    # --- The network ---

    def cut(
        self, host: ReplicaId, other: ReplicaId | None = None, *, one_way: bool = False
    ) -> None:
        """Cut a host off from another or from all; `one_way` cuts only what the first sends."""
        self.world.note("cut", None, f"{_named(host, other)}{' one-way' if one_way else ''}")
        self.world.network.partition(
            self.nodes_of(host), self._addresses_beside(host, other), one_way=one_way
        )

    def slow(self, host: ReplicaId, other: ReplicaId | None, by_s: float) -> None:
        """Have what a host sends to another, or to all others, take longer."""
        self.world.note("slow", None, f"{_named(host, other)} by {by_s:g} s")
        self.world.network.slow(self.nodes_of(host), self._addresses_beside(host, other), by_s)

    def reconnect(self) -> None:
        """End all cuts and slowness of the network."""
        self.world.note("heal")
        self.world.network.reconnect()

    def _addresses(self, who: ReplicaId | Address) -> tuple[Address, ...]:
        return (who,) if isinstance(who, Address) else self.nodes_of(who)

    def _addresses_beside(self, host: ReplicaId, other: ReplicaId | None) -> list[Address]:
        others = [i for i in range(self.config.replicas) if i != host] if other is None else [other]
        return [address for each in others for address in self.nodes_of(each)]

    # --- Running and judging ---

    def run_until(self, completed: int, seconds: float) -> bool:
        """Let up to `seconds` pass until that many requests are answered; say whether they were."""
        return self.world.run(seconds, lambda: self.completed >= completed)

    def settle(self, seconds: float) -> bool:
        """Stop the clients and wait until all is answered and executed everywhere."""
        for clients in self.clients:
            clients.stop()
        end = self.world.now + seconds
        while not self._is_settled() and self.world.now < end:
            self.world.run(SETTLING_STEP_S)
        return self._is_settled()

    def _is_settled(self) -> bool:
        """Say whether nobody waits, no batch is unstable, and all have executed as much.

        All: those that take part.
        """
        fleets = [node for node in self.world.nodes.values() if isinstance(node, Clients)]
        if any(clients.outstanding for clients in fleets):
            return False
        if any(self.unstable_batches().values()):
            return False
        executed = {
            replica.executor.batches
            for replica in self.replicas.values()
            if not replica.is_recovering
        }
        return len(executed) == 1

    def unstable_batches(self) -> dict[Address, int]:
        """Return how many batches each coordinator keeps sending, where its replica can report."""
        return {
            address: int(node.gauges()["unstable_batches"])
            for address, node in self.world.nodes.items()
            if address.role == "coordinator" and address.number in self.replicas
        }

    def verdict(self) -> str:
        """Return "ok", or what broke."""
        acknowledged = np.concatenate([clients.acknowledged() for clients in self.clients])
        evidence = [Evidence.of(host, r.executor) for host, r in self.replicas.items()]
        return verdict(evidence, acknowledged)


def _promote(node: Node, now: float) -> None:
    replica = cast(ReplicaNode, node)
    if not replica.is_recovering:
        replica.suspect_leader(now)


def _is_recovering(node: Node) -> bool:
    return bool(getattr(node, "is_recovering", False))  # Only replicas recover.


def _named(host: ReplicaId, other: ReplicaId | None) -> str:
    return f"host-{host} {'all' if other is None else f'host-{other}'}"
