"""Where the actors of a run live, on Ray: they are created here.

A host is one bundle of a placement group; its replica and its coordinator share it, also after a
restart. Each host has a node of its own where there are enough. Fleets go to nodes without hosts
where these have room for all of them. Labels of nodes can say more than that.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from actors import labels
from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId, Role
from actors.errors import ClusterError
from actors.keeper import Keeper
from actors.labels import Selector
from actors.replica import Replica

Spread = Literal["spread", "strict_spread"]

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


class Placement(NamedTuple):
    """What is asked of the nodes that the actors of a run live on."""

    spread: Spread = "spread"
    """Whether hosts may share a node where there are too few."""
    hosts_on: Sequence[Selector] = (Selector(),)
    """One for all hosts, or one for each."""
    fleets_on: Selector = Selector()

    def host_on(self, host: ReplicaId) -> Selector:
        """Return what is asked of the node of one host."""
        return self.hosts_on[host % len(self.hosts_on)]


ANYWHERE = Placement()


class Node(NamedTuple):
    """A node of Ray: its labels, and how many actors that need a CPU it has room for."""

    labels: Mapping[str, str]
    cpus: int

    @classmethod
    def of_ray(cls, told: Mapping[str, Any]) -> Self:
        """Make it from what Ray tells of a node."""
        return cls(told["Labels"], int(told["Resources"].get("CPU", 0)))


class Place:
    """The room that a run takes on the cluster, from `reserve` to `give_back`."""

    def __init__(self, config: LoadConfig, placement: Placement) -> None:
        self._config = config
        self._placement = placement
        self._hosts_on = [placement.host_on(host) for host in range(config.replicas)]
        self._group: PlacementGroup | None = None
        self._nodes_of_hosts: dict[ReplicaId, str] = {}
        self._nodes_of_fleets: list[str] = []

    async def reserve(self) -> None:
        """Find room for every host and every fleet; raises ClusterError where there is none."""
        nodes = {each["NodeID"]: Node.of_ray(each) for each in ray.nodes() if each["Alive"]}
        strategy = self._strategy(nodes)
        self._group = placement_group(
            [HOST_BUNDLE] * self._config.replicas,
            strategy=strategy,
            bundle_label_selector=[each.for_ray() for each in self._hosts_on],
        )
        try:
            async with asyncio.timeout(PLACE_TIMEOUT_S):
                await self._group.ready()
        except TimeoutError as error:
            raise ClusterError(self._why_not_placed()) from error
        self._nodes_of_hosts = ray.util.placement_group_table(self._group)["bundles_to_node_id"]
        self._nodes_of_fleets = self._deal_fleets(nodes)

    def create(self, address: Address, *arguments: object) -> Any:
        """Create the actor of an address where it belongs; return its handle."""
        assert self._group is not None, "nothing is reserved"
        if address.role == "fleet":
            node = self._nodes_of_fleets[address.number]
            there: Any = NodeAffinitySchedulingStrategy(node, soft=False)
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

    # --- Room ---

    def _strategy(self, nodes: Mapping[str, Node]) -> str:
        """Return how hosts are to be spread.

        Raises ClusterError for what the cluster has no room for even if nothing else runs.
        """
        hosts = self._config.replicas
        choices = [_fitting(nodes, each) for each in self._hosts_on]
        self._check_cpus(nodes, choices)
        apart = _nodes_apart(choices)
        if self._placement.spread == "strict_spread" and apart < hosts:
            asked = self._asked_of_hosts(nodes)
            raise ClusterError(f"strict_spread needs {hosts} nodes{asked}, the cluster has {apart}")
        return "SPREAD" if apart < hosts else "STRICT_SPREAD"

    def _check_cpus(self, nodes: Mapping[str, Node], choices: Sequence[Collection[str]]) -> None:
        """Raise ClusterError where hosts and fleets cannot have a CPU each."""
        hosts, fleets = self._config.replicas, self._config.fleets
        cpus = sum(node.cpus for node in nodes.values())
        if cpus < hosts + fleets:
            raise ClusterError(
                f"{hosts} hosts and {fleets} fleets need a CPU each, the cluster has {cpus}"
            )
        for host, choice in enumerate(choices):
            if not choice:
                wanted = self._hosts_on[host]
                raise ClusterError(f"host {host} needs a node with {wanted}, the cluster has none")
        for_hosts = sum(nodes[name].cpus for name in set().union(*choices))
        if for_hosts < hosts:
            asked = self._asked_of_hosts(nodes)
            raise ClusterError(f"{hosts} hosts need a CPU each, nodes{asked} have {for_hosts}")

    def _asked_of_hosts(self, nodes: Mapping[str, Node]) -> str:
        """Write what is asked of nodes of hosts, if any node lacks it."""
        asked = list(dict.fromkeys(self._hosts_on))
        all_fit = all(each.takes(node.labels) for node in nodes.values() for each in asked)
        return "" if all_fit else f" with {labels.write(asked)}"

    def _deal_fleets(self, nodes: Mapping[str, Node]) -> list[str]:
        """Return the node of each fleet; raises ClusterError where there is no room for one."""
        hosts = Counter(self._nodes_of_hosts.values())
        room = {
            node: nodes[node].cpus - hosts[node]
            for node in _fitting(nodes, self._placement.fleets_on)
        }
        without_hosts = {node: cpus for node, cpus in room.items() if not hosts[node]}
        fleets = self._config.fleets
        dealt = _deal(without_hosts, fleets) or _deal(room, fleets)
        if not dealt:
            where = f"nodes with {self._placement.fleets_on}".removesuffix(" with ")
            free = sum(room.values())
            raise ClusterError(f"{fleets} fleets need a CPU each, {where} have {free} left")
        return dealt

    def _why_not_placed(self) -> str:
        free = ray.available_resources().get("CPU", 0)
        return (
            f"{self._config.replicas} hosts need a CPU each, "
            f"the cluster has {free:g} free after {PLACE_TIMEOUT_S:g} s"
        )


def _fitting(nodes: Mapping[str, Node], selector: Selector) -> list[str]:
    """Return the nodes that will do and have a CPU."""
    return [name for name, node in nodes.items() if node.cpus and selector.takes(node.labels)]


def _nodes_apart(choices: Sequence[Collection[str]]) -> int:
    """Return how many of those who have these choices can have a node of their own.

    It is the size of a maximum matching, found by augmenting paths.
    """
    taken: dict[str, int] = {}

    def seat(who: int, tried: set[str]) -> bool:
        for node in choices[who]:
            if node not in tried:
                tried.add(node)
                if node not in taken or seat(taken[node], tried):
                    taken[node] = who
                    return True
        return False

    return sum(seat(who, set()) for who in range(len(choices)))


def _deal(room: Mapping[str, int], count: int) -> list[str]:
    """Return nodes for so many, in turn as long as each has room; none if there is too little."""
    rounds = range(max(room.values(), default=0))
    dealt = [node for turn in rounds for node, places in room.items() if turn < places]
    return dealt[:count] if len(dealt) >= count else []
