"""A cluster in virtual time: the hosts of one run, with their limits, in one process.

Everything but time, the network and Ray is what runs on Ray: the same hosts drive the same nodes,
on a clock that jumps, behind the same model of what a host can do. It is the counterpart of
`actors.cluster`.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from actors.core.client import Clients
from actors.core.config import LoadConfig
from actors.core.effects import Node
from actors.core.ids import Address
from actors.core.registry import PROTOCOLS, ReplicaNode
from actors.core.verdict import Evidence, verdict
from actors.host import BIN_S, Host
from actors.links import Links
from actors.measurements import Measurements
from actors.metering import Meter
from actors.model.budget import Budget, cells_needed
from actors.model.cells import PrivateCells
from actors.model.limited import Limited
from actors.services import registry as services
from actors.sim.clock import VirtualClock
from actors.sim.wires import Wires, WireTransport
from actors.transport.base import Receiver, Transport

DRAIN_S = 60.0
SETTLE_S = 10.0


class SimulatedCluster:
    """The hosts and fleets of one configuration, whose network must take some time."""

    def __init__(self, config: LoadConfig) -> None:
        assert config.network_delay_ms > 0, "in no time closed-loop clients would go on for ever"
        self._config = config
        self._clock = VirtualClock()
        self._wires = Wires(self._clock)
        self._protocol = PROTOCOLS[config.protocol]
        self._hosts: dict[Address, Host] = {}
        self._replicas: dict[int, ReplicaNode] = {}
        self._fleets: list[Clients] = []

    def run(self, load_s: float) -> Measurements:
        """Load the system for `load_s` seconds of its own time; raises SimulationError."""
        with _no_cycles_looked_for():
            return asyncio.run(self._run(load_s))

    async def _run(self, load_s: float) -> Measurements:
        """Do all at once: hosts only want an event loop around them."""
        for host in range(self._config.replicas):
            self._add_host(host)
        for fleet in range(self._config.fleets):
            self._add_fleet(fleet)
        for each in self._hosts.values():
            each.start()
            each.begin()
        self._clock.run(load_s)
        self._check_hosts()
        for clients in self._fleets:
            clients.stop()
        self._finish("requests stay unanswered", self._all_answered, load_s + DRAIN_S)
        self._finish("a replica lags behind", self._all_executed, load_s + DRAIN_S + SETTLE_S)
        measurements = self._measurements()
        for each in self._hosts.values():
            each.stop()
        return measurements

    def _finish(self, problem: str, is_over: Callable[[], bool], until_s: float) -> None:
        in_time = is_over() or self._clock.run(until_s, is_over)
        self._check_hosts()
        if not in_time:
            raise SimulationError(f"{problem} at {until_s:g} s of its time")

    def _check_hosts(self) -> None:
        """Raise SimulationError where a host has stopped: others may hide it by doing its work."""
        for address, host in self._hosts.items():
            if host.failed.done():
                error = host.failed.exception()
                raise SimulationError(f"{address} has stopped: {error!r}") from error

    def _all_answered(self) -> bool:
        return not any(clients.outstanding for clients in self._fleets)

    def _all_executed(self) -> bool:
        return len({replica.executor.batches for replica in self._replicas.values()}) == 1

    def _measurements(self) -> Measurements:
        evidence = [Evidence.of(host, each.executor) for host, each in self._replicas.items()]
        acknowledged = np.concatenate([clients.acknowledged() for clients in self._fleets])
        meters = [(address, host.table()) for address, host in self._hosts.items()]
        fleets = {Address("fleet", number): each for number, each in enumerate(self._fleets)}
        latencies = {fleet: clients.record.table() for fleet, clients in fleets.items()}
        services = {fleet: clients.service_record.table() for fleet, clients in fleets.items()}
        if not self._config.arrival_rate_rps:
            services = {}
        return Measurements(meters, latencies, services, verdict(evidence, acknowledged))

    # --- Who is there ---

    def _add_host(self, number: int) -> None:
        config, protocol = self._config, self._protocol
        service = services.find(config.service).service()
        replica = protocol.replica(number, config, service, ())
        self._replicas[number] = replica
        budget = Budget(config, PrivateCells(cells_needed(config)))
        executor = replica.executor
        self._add_limited(Address("replica", number), replica, budget, lambda: executor.requests)
        if protocol.coordinator is not None:
            coordinator = protocol.coordinator(number, config, ())
            self._add_limited(Address("coordinator", number), coordinator, budget, lambda: 0)

    def _add_limited(
        self, address: Address, node: Node, budget: Budget, executed: Callable[[], int]
    ) -> None:
        def connect(receiver: Receiver) -> Transport:
            return Limited(
                address,
                self._config,
                budget,
                self._clock,
                receiver,
                connect=partial(self._connect, address),
                executed=executed,
            )

        self._add(address, node, connect)

    def _add_fleet(self, number: int) -> None:
        config = self._config
        workload = services.find(config.service).workload(config)
        clients = Clients(number, config, workload, self._protocol.clients_talk_to)
        self._fleets.append(clients)
        address = Address("fleet", number)
        self._add(address, clients, partial(self._connect, address))

    def _add(self, address: Address, node: Node, connect: Callable[[Receiver], Transport]) -> None:
        meter = Meter(BIN_S, cpu_s=lambda: 0.0, rss_bytes=lambda: 0.0)
        self._hosts[address] = Host(address, node, connect, clock=self._clock, meter=meter)

    def _connect(self, address: Address, receiver: Receiver) -> Links:
        wire = WireTransport(address, self._wires, receiver)
        return Links(wire, self._config.queue_bytes_max, self._clock)


@contextmanager
def _no_cycles_looked_for() -> Iterator[None]:
    """Keep Python from looking for garbage in cycles: here is none, and much to look through."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class SimulationError(Exception):
    """A simulated run did not come to its end; the message says why in one line."""
