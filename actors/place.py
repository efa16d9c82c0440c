"""Where the actors of a run live, on Ray: they are created here.

A host is one bundle of a placement group; its replica and its coordinator share it, also after a
restart. Fleets go to nodes without hosts where there are any.
"""

import asyncio
from typing import Any, Literal

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId, Role
from actors.errors import ClusterError
from actors.keeper import Keeper
from actors.replica import Replica

Placement = Literal["spread", "strict_spread"]

PLACE_TIMEOUT_S = 60.0

HOST_BUNDLE = {"CPU": 1}
ACTOR_CPUS = 0.5  # A host's replica and coordinator share its bundle.
FLEET_CPUS = 1

# The one place where plain classes become actors; Ray types its handles as Any.
_KINDS: dict[Role, Any] = {
    "replica": ray.remote(Replica),
    "coordinator": ray.remote(Coordinator),
    "fleet": ray.remote(ClientFleet),
}
_KEEPER: Any = ray.remote(Keeper)


class Place:
    """The room that a run takes on the cluster, from `reserve` to `give_back`."""

    def __init__(self, config: LoadConfig, placement: Placement) -> None:
        self._config = config
        self._placement = placement
        self._group: PlacementGroup | None = None
        self._nodes_of_hosts: dict[ReplicaId, str] = {}
        self._nodes_for_fleets: list[str] = []

    async def reserve(self) -> None:
        """Find room for every host; raises ClusterError where there is none."""
        self._check_room()
        bundles = [HOST_BUNDLE] * self._config.replicas
        self._group = placement_group(bundles, strategy=self._placement.upper())
        try:
            async with asyncio.timeout(PLACE_TIMEOUT_S):
                await self._group.ready()
        except TimeoutError as error:
            raise ClusterError(self._why_not_placed()) from error
        alive: list[str] = [node["NodeID"] for node in _nodes_alive()]
        self._nodes_of_hosts = ray.util.placement_group_table(self._group)["bundles_to_node_id"]
        taken = set(self._nodes_of_hosts.values())
        self._nodes_for_fleets = [node for node in alive if node not in taken] or alive

    def create(self, address: Address, *arguments: object) -> Any:
        """Create the actor of an address where it belongs; return its handle."""
        assert self._group is not None, "nothing is reserved"
        if address.role == "fleet":
            node = self._nodes_for_fleets[address.number % len(self._nodes_for_fleets)]
            there: Any = NodeAffinitySchedulingStrategy(node, soft=True)
            cpus: float = FLEET_CPUS
        else:
            there = PlacementGroupSchedulingStrategy(
                self._group, placement_group_bundle_index=address.number
            )
            cpus = ACTOR_CPUS
        options = {"scheduling_strategy": there, "num_cpus": cpus}
        return _KINDS[address.role].options(**options).remote(address.number, *arguments)

    def create_keeper(self, node: str) -> Any:
        """Create the keeper of a node; return its handle."""
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return _KEEPER.options(scheduling_strategy=there, num_cpus=0).remote()

    def node_of(self, host: ReplicaId) -> str:
        """Return the node of Ray that a host lives on."""
        return self._nodes_of_hosts[host]

    def give_back(self) -> None:
        """Give the room back."""
        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

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


def _nodes_alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
