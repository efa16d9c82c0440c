"""A cluster: the actors of one run on Ray, placed, wired, started, watched and stopped.

A host is one bundle of a placement group; its replica and its coordinator share it. Fleets go to
nodes without hosts where there are any. Ray carries the control plane only: data goes over TCP. The
actors belong to the driver, so that Ray ends them should the driver die; a cluster that is left by
an error or by Ctrl-C stops them itself.
"""

import itertools
import secrets
import time
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from actors.client import ClientFleet, drain_timeout_s
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.histogram import LatencyTable
from actors.core.ids import Address, Role
from actors.core.registry import PROTOCOLS
from actors.core.verdict import Evidence, verdict
from actors.hosted import in_one_line
from actors.metering import MeterTable
from actors.replica import Replica
from actors.transport.base import Endpoint

Placement = Literal["spread", "strict_spread"]

PLACE_TIMEOUT_S = 60.0
START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0

HOST_BUNDLE = {"CPU": 1}
ACTOR_CPUS = 0.5  # A host's replica and coordinator share its bundle.
FLEET_CPUS = 1
SECRET_BYTES = 32

# The one place where plain classes become actors.
_REMOTE: dict[type, Any] = {each: ray.remote(each) for each in (Replica, Coordinator, ClientFleet)}


class ClusterError(Exception):
    """The cluster could not be started, or did not survive; says in one line why."""


class Measurements(NamedTuple):
    """What the actors of a run measured, by their addresses."""

    meters: dict[Address, MeterTable]
    latencies: dict[Address, LatencyTable]
    safety: str


class Peers(NamedTuple):
    """Whom one address dials, and by whom it expects to be dialled."""

    dials: list[Address]
    expects: list[Address]


def wiring(addresses: Iterable[Address], clients_talk_to: Role) -> dict[Address, Peers]:
    """Say who talks to whom; of each pair that does, exactly one dials."""
    ordered = sorted(addresses, key=lambda each: (_ROLES.index(each.role), each.number))
    peers = {address: Peers([], []) for address in ordered}
    for earlier, later in itertools.combinations(ordered, 2):
        if _talk(earlier.role, later.role, clients_talk_to):
            peers[later].dials.append(earlier)
            peers[earlier].expects.append(later)
    return peers


_ROLES: tuple[Role, ...] = ("replica", "coordinator", "fleet")


def _talk(one: Role, other: Role, clients_talk_to: Role) -> bool:
    if "fleet" in (one, other):
        return clients_talk_to in (one, other)
    return "replica" in (one, other)


class Cluster:
    """The actors of one configuration. A context manager: started inside, gone outside."""

    def __init__(self, config: LoadConfig, placement: Placement = "spread") -> None:
        self._config = config
        self._protocol = PROTOCOLS[config.protocol]
        self._placement = placement
        self._group: PlacementGroup | None = None
        self._actors: dict[Address, Any] = {}  # Ray types its handles as Any.
        self._watches: dict[Any, Address] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- Life ---

    def start(self) -> None:
        """Place, create and connect all actors; start the hosts. Raises ClusterError."""
        self._group = self._place()
        self._create(self._group)
        endpoints = dict(
            zip(self._actors, self._call_all(self._actors, "listen", START_TIMEOUT_S), strict=True)
        )
        self._watches = {actor.watch.remote(): address for address, actor in self._actors.items()}
        self._connect(endpoints)
        self._call_all(self._hosts(), "start", CALL_TIMEOUT_S)

    def run(self, load_s: float) -> None:
        """Load the system for `load_s` seconds, until every request is answered.

        Raises ClusterError if an actor ends, or if requests stay unanswered.
        """
        self._call_all(self._hosts(), "begin", CALL_TIMEOUT_S)
        fleets = self._fleets()
        timeout_s = load_s + drain_timeout_s(self._config) + CALL_TIMEOUT_S
        all_answered = self._call_all(fleets, "run", timeout_s, load_s)
        for fleet, answered in zip(fleets, all_answered, strict=True):
            if not answered:
                raise ClusterError(f"{fleet} still waits for replies after the run")
        self._settle()

    def measurements(self) -> Measurements:
        """Collect what was measured, and the verdict."""
        fleets = self._fleets()
        meters = self._call_all(self._actors, "measurements", CALL_TIMEOUT_S)
        latencies = self._call_all(fleets, "latencies", CALL_TIMEOUT_S)
        evidence: list[Evidence] = self._call_all(self._replicas(), "evidence", CALL_TIMEOUT_S)
        acknowledged: list[NDArray[np.uint32]] = self._call_all(
            fleets, "acknowledged", CALL_TIMEOUT_S
        )
        return Measurements(
            dict(zip(self._actors, meters, strict=True)),
            dict(zip(fleets, latencies, strict=True)),
            verdict(evidence, np.concatenate(acknowledged)),
        )

    def stop(self) -> None:
        """End all actors, wait until they are gone, and give back their place."""
        for actor in self._actors.values():
            ray.kill(actor)
        # A call fails as soon as Ray knows that the actor is gone.
        calls = [actor.watch.remote() for actor in self._actors.values()]
        if calls:
            ray.wait(calls, num_returns=len(calls), timeout=STOP_TIMEOUT_S)
        if self._group is not None:
            remove_placement_group(self._group)
        self._actors, self._watches, self._group = {}, {}, None

    # --- Placing and creating ---

    def _place(self) -> PlacementGroup:
        self._check_room()
        bundles = [HOST_BUNDLE] * self._config.replicas
        group: PlacementGroup = placement_group(bundles, strategy=self._placement.upper())
        try:
            placed, _ = ray.wait([group.ready()], timeout=PLACE_TIMEOUT_S)
            if not placed:
                raise ClusterError(self._why_not_placed())
        except BaseException:
            remove_placement_group(group)
            raise
        return group

    def _check_room(self) -> None:
        """Raise ClusterError for what the cluster has no room for even if nothing else runs."""
        hosts, fleets = self._config.replicas, self._config.fleets
        cpus = [int(node["Resources"].get("CPU", 0)) for node in _nodes_alive()]
        places = sum(cpu > 0 for cpu in cpus)
        if self._placement == "strict_spread" and places < hosts:
            raise ClusterError(f"strict_spread needs {hosts} nodes, the cluster has {places}")
        if sum(cpus) < hosts + fleets:
            raise ClusterError(
                f"{hosts} hosts and {fleets} fleets need a CPU each, the cluster has {sum(cpus)}"
            )

    def _why_not_placed(self) -> str:
        free = ray.available_resources().get("CPU", 0)
        return (
            f"{self._config.replicas} hosts need a CPU each, "
            f"the cluster has {free:g} free after {PLACE_TIMEOUT_S:g} s"
        )

    def _create(self, group: PlacementGroup) -> None:
        secret = secrets.token_bytes(SECRET_BYTES)
        for host in range(self._config.replicas):
            here = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=host)
            options = {"scheduling_strategy": here, "num_cpus": ACTOR_CPUS}
            for role, kind in self._roles_of_a_host():
                actor = _REMOTE[kind].options(**options).remote(host, self._config, secret)
                self._actors[Address(role, host)] = actor
        nodes = _nodes_for_fleets(group)
        for fleet in range(self._config.fleets):
            there = NodeAffinitySchedulingStrategy(nodes[fleet % len(nodes)], soft=True)
            options = {"scheduling_strategy": there, "num_cpus": FLEET_CPUS}
            actor = _REMOTE[ClientFleet].options(**options).remote(fleet, self._config, secret)
            self._actors[Address("fleet", fleet)] = actor

    def _roles_of_a_host(self) -> list[tuple[Any, type]]:
        roles: list[tuple[Any, type]] = [("replica", Replica)]
        return [*roles, ("coordinator", Coordinator)] if self._protocol.coordinator else roles

    def _connect(self, endpoints: dict[Address, Endpoint]) -> None:
        calls = {}
        for address, peers in wiring(self._actors, self._protocol.clients_talk_to).items():
            dial = {peer: endpoints[peer] for peer in peers.dials}
            connect = self._actors[address].connect
            calls[connect.remote(dial, peers.expects, START_TIMEOUT_S)] = address
        self._gather("connect", calls, START_TIMEOUT_S + CALL_TIMEOUT_S)

    # --- Running ---

    def _settle(self) -> None:
        """Wait until every replica has executed what the first has, so that they compare."""
        replicas = self._replicas()
        most = max(self._call_all(replicas, "executed_batches", CALL_TIMEOUT_S))
        settled = self._call_all(
            replicas, "wait_executed", SETTLE_TIMEOUT_S + CALL_TIMEOUT_S, most, SETTLE_TIMEOUT_S
        )
        for replica, in_time in zip(replicas, settled, strict=True):
            if not in_time:
                raise ClusterError(
                    f"{replica} has not executed all of {most} batches "
                    f"{SETTLE_TIMEOUT_S:g} s after the run"
                )

    def _call_all(
        self, addresses: Iterable[Address], method: str, timeout_s: float, *arguments: object
    ) -> list[Any]:
        calls = {getattr(self._actors[each], method).remote(*arguments): each for each in addresses}
        return self._gather(method, calls, timeout_s)

    def _gather(self, what: str, calls: dict[Any, Address], timeout_s: float) -> list[Any]:
        """Return the results of `calls` in order; raises ClusterError as soon as an actor ends."""
        deadline = time.monotonic() + timeout_s
        waiting = [*calls, *self._watches]
        results: dict[Any, Any] = {}
        while len(results) < len(calls):
            left_s = max(0.0, deadline - time.monotonic())
            ready, waiting = ray.wait(waiting, timeout=left_s)
            if not ready:
                silent = ", ".join(str(calls[call]) for call in calls if call not in results)
                raise ClusterError(f"{silent}: no answer to {what} after {timeout_s:g} s")
            results |= {call: self._result(call, calls.get(call)) for call in ready}
        return [results[call] for call in calls]

    def _result(self, call: Any, address: Address | None) -> Any:
        """Return the result of a call that has ended; raises ClusterError if it is a watch's."""
        address = address or self._watches[call]
        try:
            result = ray.get(call)
        except RayTaskError as error:
            raise ClusterError(f"{address} failed: {in_one_line(error.cause)}") from error
        except RayError as error:
            raise ClusterError(f"{address} died: {_cause_of_death(error)}") from error
        if call in self._watches:
            raise ClusterError(f"{address} stopped: {result}")
        return result

    def _hosts(self) -> list[Address]:
        return [address for address in self._actors if address.role != "fleet"]

    def _replicas(self) -> list[Address]:
        return [address for address in self._actors if address.role == "replica"]

    def _fleets(self) -> list[Address]:
        return [address for address in self._actors if address.role == "fleet"]


def _cause_of_death(error: RayError) -> str:
    """Return what Ray says at last about the end of an actor, without its general advice."""
    return str(error).strip().splitlines()[-1].partition(" Some common causes")[0]


def _nodes_alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _nodes_for_fleets(group: PlacementGroup) -> list[str]:
    """Return the nodes without a host of the group or, where there are none, all."""
    alive: list[str] = [node["NodeID"] for node in _nodes_alive()]
    taken = set(ray.util.placement_group_table(group)["bundles_to_node_id"].values())
    return [node for node in alive if node not in taken] or alive
