"""Nasty mixes: a whole system under faults, all of it drawn from one seed, and what must hold.

During the faults messages are lost, repeated and reordered, hosts are cut off, suspected without
cause, and crash. Afterwards the network is sound, and within a minute every client must get on,
everything must settle, and the verdict must be good.
"""

import random
from collections.abc import Callable, Iterator

import numpy as np

from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId
from actors.sim.network import Network
from actors.sim.system import System
from actors.sim.world import World

PATIENCE_S = 60.0
STEP_S = 0.05


def config_of(seed: int, rng: random.Random) -> LoadConfig:
    """Draw a configuration: suspicions come about easily, batches and windows are small."""
    suspect_timeout_ms = rng.choice((20, 30, 50, 300))
    return LoadConfig(
        seed=seed,
        protocol=rng.choice(("jpaxos", "spaxos", "spaxos", "multipaxos")),
        replicas=rng.choice((3, 5)),
        accept_to=rng.choice(("all", "leader")),
        service=rng.choice(("null", "kv")),
        clients=rng.choice((1, 3, 7)),
        fleets=rng.choice((1, 2)),
        requests_per_frame_max=rng.choice((0, 1, 2)),
        client_timeout_ms=rng.choice((60, 200, 1000)),
        pending_requests_max=rng.choice((1, 4, 65536)),
        window=rng.choice((1, 2, 5)),
        batch_bytes_max=rng.choice((20, 60, 65507)),
        batch_delay_ms=rng.choice((0, 0, 5)),
        dissemination_batch_bytes_max=rng.choice((50, 200, 65507)),
        dissemination_batch_delay_ms=rng.choice((0, 0, 5)),
        dissemination_window=rng.choice((1, 2, 8)),
        execution_backlog_max=rng.choice((1, 4, 128)),
        ack_delay_ms=rng.choice((0, 5, 50)),
        heartbeat_interval_ms=suspect_timeout_ms / rng.choice((2, 3, 5)),
        suspect_timeout_ms=suspect_timeout_ms,
        retransmit_timeout_ms=rng.choice((20, 50, 200)),
        catch_up_delay_ms=rng.choice((10, 50, 100)),
        fetch_delay_ms=rng.choice((10, 50, 100)),
    )


def network_of(rng: random.Random) -> Network:
    """Draw a network: delays up to 10 ms let messages overtake each other."""
    return Network(
        delay_max_s=rng.choice((0.0005, 0.003, 0.010)),
        loss=rng.choice((0.0, 0.05, 0.1, 0.2)),
        duplication=rng.choice((0.0, 0.1, 0.3)),
    )


class Mix:
    """The system of one seed, with its faults to come."""

    def __init__(self, seed: int, joint_steps: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.config = config_of(seed, self.rng)
        network = network_of(self.rng)
        network.joint_steps = joint_steps
        self.system = System(self.config, network)
        self._world: World = self.system.world
        self._hosts = range(self.config.replicas)
        self._faults_s = self.rng.choice((0.5, 1.5))
        for _ in range(self.rng.choice((0, 2, 5))):
            self._plan(self.rng.choice((self._cut_off, self._cut_link, self._suspect)))
        for host in self.rng.sample(self._hosts, self.rng.choice((0, 1, self.config.majority - 1))):
            self._world.at(self.rng.uniform(0, self._faults_s), lambda h=host: self.system.crash(h))

    def run(self) -> list[str]:
        """Run the system through its faults and beyond; return what is wrong."""
        self._world.run(self._faults_s)
        self._world.network.heal()
        problems = []
        if not self._everybody_gets_on():
            problems.append("a client gets nowhere")
        if not self.system.settle(PATIENCE_S):
            problems.append("it does not settle")
        if (verdict := self.system.verdict()) != "ok":
            problems.append(verdict)
        return problems + list(self._left_behind())

    def _everybody_gets_on(self) -> bool:
        goals, end = self._acknowledged() + 2, self._world.now + PATIENCE_S
        while (self._acknowledged() < goals).any() and self._world.now < end:
            self._world.run(STEP_S)
        return bool((self._acknowledged() >= goals).all())

    def _acknowledged(self) -> np.ndarray:
        return np.concatenate([clients.acknowledged() for clients in self.system.clients])

    def _left_behind(self) -> Iterator[str]:
        """Yield what still waits though all is done: a host would slowly fill up with it."""
        self._world.run(1.0)
        for address, node in self._world.nodes.items():
            for gauge in ("pending_requests", "batcher_requests", "unstable_batches"):
                if node.gauges().get(gauge):
                    yield f"{address} has {node.gauges()[gauge]} {gauge}"

    # --- Faults ---

    def _plan(self, fault: Callable[[], None]) -> None:
        self._world.at(self.rng.uniform(0, self._faults_s), fault)

    def _cut_off(self) -> None:
        """Divide the hosts in two; clients reach both."""
        some = set(self.rng.sample(self._hosts, self.rng.randint(1, len(self._hosts) - 1)))
        self._divide(some, set(self._hosts) - some)

    def _cut_link(self) -> None:
        one, other = self.rng.sample(self._hosts, 2)
        self._divide({one}, {other})

    def _divide(self, some: set[ReplicaId], others: set[ReplicaId]) -> None:
        self._world.network.partition(_nodes_of(some), _nodes_of(others))
        heals_at = self._world.now + self.rng.uniform(0.01, self._faults_s / 2)
        self._world.at(heals_at, self._world.network.cut.clear)

    def _suspect(self) -> None:
        """Have a replica promote itself without cause."""
        host = self.rng.choice(self._hosts)
        if host in self.system.replicas:
            self.system.replicas[host].suspect_leader(self._world.now)
            self._world.perform(Address("replica", host))


def _nodes_of(hosts: set[ReplicaId]) -> set[Address]:
    return {Address(role, host) for host in hosts for role in ("replica", "coordinator")}
