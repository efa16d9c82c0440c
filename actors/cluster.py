"""A cluster: the actors of one run on Ray, placed, wired, started, watched and stopped.

A host is one bundle of a placement group; its replica and its coordinator share it. Fleets go to
nodes without hosts where there are any. Ray carries the control plane only: data goes over TCP. The
actors belong to the driver, so that Ray ends them should the driver die; a cluster that is left by
an error or by Ctrl-C stops them itself.
"""

import secrets
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from actors.client import DRAIN_TIMEOUT_S, ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.core.registry import PROTOCOLS
from actors.core.verdict import Evidence, verdict
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- Life ---

    def start(self) -> None:
        """Place, create and connect all actors; start the hosts. Raises ClusterError."""
        self._group = self._place()
        self._create(self._group)
        endpoints = dict(
            zip(self._actors, self._call_all(self._actors, "listen", START_TIMEOUT_S), strict=True)
        )
        self._connect(endpoints)
        self._watches = {actor.watch.remote(): address for address, actor in self._actors.items()}
        self._call_all(self._hosts(), "start", CALL_TIMEOUT_S)

    def run(self, load_s: float) -> None:
        """Load the system for `load_s` seconds, until every request is answered.

        Raises ClusterError if an actor ends, or if requests stay unanswered.
        """
        self._call_all(self._hosts(), "begin", CALL_TIMEOUT_S)
        fleets = self._fleets()
        runs = {self._actors[fleet].run.remote(load_s): fleet for fleet in fleets}
        deadline_s = load_s + DRAIN_TIMEOUT_S + CALL_TIMEOUT_S
        for reference, answered in self._gather(runs, deadline_s).items():
            if not answered:
                raise ClusterError(f"{runs[reference]} still waits for replies after the run")
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
        if self._watches:
            ray.wait(list(self._watches), num_returns=len(self._watches), timeout=STOP_TIMEOUT_S)
        if self._group is not None:
            remove_placement_group(self._group)
        self._actors, self._watches, self._group = {}, {}, None

    # --- Placing and creating ---

    def _place(self) -> PlacementGroup:
        strategy = self._placement.upper()
        bundles = [HOST_BUNDLE] * self._config.replicas
        group: PlacementGroup = placement_group(bundles, strategy=strategy)
        try:
            ray.get(group.ready(), timeout=PLACE_TIMEOUT_S)
        except GetTimeoutError:
            remove_placement_group(group)
            raise ClusterError(self._why_not_placed()) from None
        except BaseException:
            remove_placement_group(group)
            raise
        return group

    def _why_not_placed(self) -> str:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        hosts = self._config.replicas
        if self._placement == "strict_spread" and len(nodes) < hosts:
            return f"strict_spread needs {hosts} nodes, the cluster has {len(nodes)}"
        free = ray.available_resources().get("CPU", 0)
        return f"{hosts} hosts need a CPU each, the cluster has {free:g} free CPUs"

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
        """Of each pair that talks, the later in `_order` dials."""
        calls = []
        for address, actor in self._actors.items():
            peers = [peer for peer in endpoints if self._talk(address, peer)]
            dial = {peer: endpoints[peer] for peer in peers if _order(peer) < _order(address)}
            expect = [peer for peer in peers if peer not in dial]
            calls.append(actor.connect.remote(dial, expect, START_TIMEOUT_S))
        _get(calls, START_TIMEOUT_S + CALL_TIMEOUT_S, "connect")

    def _talk(self, one: Address, other: Address) -> bool:
        roles = {one.role, other.role}
        if one == other or roles in ({"fleet"}, {"coordinator"}):
            return False
        if "fleet" in roles:
            return self._protocol.clients_talk_to in roles
        return True

    # --- Running ---

    def _settle(self) -> None:
        """Wait until every replica has executed what the first has, so that they compare."""
        replicas = self._replicas()
        most = max(self._call_all(replicas, "executed_batches", CALL_TIMEOUT_S))
        self._call_all(
            replicas, "wait_executed", SETTLE_TIMEOUT_S + CALL_TIMEOUT_S, most, SETTLE_TIMEOUT_S
        )

    def _gather(self, calls: dict[Any, Address], timeout_s: float) -> dict[Any, Any]:
        """Return the results of `calls`; raises ClusterError as soon as any actor ends."""
        waiting = [*calls, *self._watches]
        results: dict[Any, Any] = {}
        while len(results) < len(calls):
            ready, waiting = ray.wait(waiting, timeout=timeout_s)
            if not ready:
                raise ClusterError(f"no end of the run after {timeout_s:g} s")
            address = self._watches.get(ready[0], calls.get(ready[0]))
            result = _get(ready, CALL_TIMEOUT_S, str(address))[0]
            if ready[0] in self._watches:
                raise ClusterError(f"{address} stopped")
            results[ready[0]] = result
        return results

    def _call_all(
        self, addresses: Iterable[Address], method: str, timeout_s: float, *arguments: object
    ) -> list[Any]:
        calls = [getattr(self._actors[each], method).remote(*arguments) for each in addresses]
        return _get(calls, timeout_s, method)

    def _hosts(self) -> list[Address]:
        return [address for address in self._actors if address.role != "fleet"]

    def _replicas(self) -> list[Address]:
        return [address for address in self._actors if address.role == "replica"]

    def _fleets(self) -> list[Address]:
        return [address for address in self._actors if address.role == "fleet"]


def _get(calls: Sequence[Any], timeout_s: float, what: str) -> list[Any]:
    """Wait for Ray calls; turns Ray's errors into a ClusterError of one line."""
    try:
        results: list[Any] = ray.get(list(calls), timeout=timeout_s)
    except GetTimeoutError:
        raise ClusterError(f"{what}: no answer after {timeout_s:g} s") from None
    except RayTaskError as error:
        cause = error.cause or error
        raise ClusterError(f"{what}: {type(cause).__name__}: {_first_line(cause)}") from error
    except RayActorError as error:
        raise ClusterError(f"{what}: an actor died: {_first_line(error)}") from error
    except RayError as error:
        raise ClusterError(f"{what}: {_first_line(error)}") from error
    return results


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _order(address: Address) -> tuple[int, int]:
    return ("replica", "coordinator", "fleet").index(address.role), address.number


def _nodes_for_fleets(group: PlacementGroup) -> list[str]:
    """Return the nodes without a host of the group or, where there are none, all."""
    alive: list[str] = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    taken = set(ray.util.placement_group_table(group)["bundles_to_node_id"].values())
    return [node for node in alive if node not in taken] or alive
