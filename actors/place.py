"""Where the actors of a run live, on Ray: they are created here.

A host is one bundle of a placement group; its replica and its coordinator share it, also after a
restart. Each host has a node of its own where there are enough. Fleets have a placement group of
their own, on nodes without hosts where these have room for all of them. Labels of nodes can say
more than that.

Others may use the cluster, too: so room that is not there yet is waited for, and asked for anew
whenever the nodes have changed. Ray notices late that a node is lost, after a minute where a cable
is out, and places nothing at all while it waits for such a node: none is asked for that is silent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from actors import labels, nodes
from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId, Role
from actors.errors import ClusterError
from actors.labels import Selector
from actors.nodes import Node
from actors.replica import Replica
from actors.transport.ray_call import CALLS_OF_A_PEER

Spread = Literal["spread", "strict_spread"]
Group = Literal["hosts", "fleets"]

PLACE_TIMEOUT_S = 60.0

LOOK_AGAIN_S = 3.0
"""How long to wait for room before it is looked whether the nodes are still the same."""

FLEETS_APART_S = 5.0
"""How long to wait for room for fleets on nodes without hosts, before they share nodes."""

HOST_BUNDLE = {"CPU": 1}
ACTOR_CPUS = 0.5  # A host's replica and coordinator share its bundle.
FLEET_BUNDLE = {"CPU": 1}
FLEET_CPUS = 1

CALLS_BESIDE = 1000
"""Room in an actor for calls that are not those of connected peers: of the driver, and of peers
that are gone. It is what Ray gives an actor for everything."""

_NODE_ID = "ray.io/node-id"
"""The label by which Ray itself tells nodes apart."""

# The one place where plain classes become actors; Ray types its handles as Any.
_KINDS: dict[Role, Any] = {
    "replica": ray.remote(Replica),
    "coordinator": ray.remote(Coordinator),
    "fleet": ray.remote(ClientFleet),
}


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


class Place:
    """The room that a run takes on the cluster, from `reserve` to `give_back`."""

    def __init__(self, config: LoadConfig, placement: Placement) -> None:
        self._config = config
        self._placement = placement
        self._hosts_on = [placement.host_on(host) for host in range(config.replicas)]
        self._groups: dict[Group, PlacementGroup] = {}
        self._nodes_of_hosts: dict[ReplicaId, str] = {}
        self._nodes_of_fleets: dict[int, str] = {}
        self._not_on_silent: dict[str, str] = {}

    async def reserve(self) -> None:
        """Find room for every host and every fleet; raises ClusterError where there is none."""
        until = time.monotonic() + PLACE_TIMEOUT_S
        while not await self._has_room(until):
            self.give_back()

    def create(self, address: Address, *arguments: object, peers: int, run_id: str) -> Any:
        """Create the actor of an address, which has so many peers; return its handle."""
        options = self.options(address, peers)
        return (
            _KINDS[address.role]
            .options(**options)
            .remote(address.number, *arguments, run_id=run_id)
        )

    def options(self, address: Address, peers: int) -> dict[str, Any]:
        """Return with which options to create an actor, so that it lives where it belongs.

        It takes in what its peers call at once, and more: beyond that Ray would let no call into
        it, and none of the calls that are under way may ever end.
        """
        is_fleet = address.role == "fleet"
        there = PlacementGroupSchedulingStrategy(
            self._groups["fleets" if is_fleet else "hosts"],
            placement_group_bundle_index=address.number,
        )
        cpus = FLEET_CPUS if is_fleet else ACTOR_CPUS
        calls = CALLS_OF_A_PEER * peers + CALLS_BESIDE
        return {"scheduling_strategy": there, "num_cpus": cpus, "max_concurrency": calls}

    def node_of(self, host: ReplicaId) -> str:
        """Return the node of Ray that a host lives on."""
        return self._nodes_of_hosts[host]

    def home_of(self, address: Address) -> str:
        """Return the node of Ray that an actor lives on."""
        is_fleet = address.role == "fleet"
        return (self._nodes_of_fleets if is_fleet else self._nodes_of_hosts)[address.number]

    @property
    def node_count(self) -> int:
        """On how many nodes of Ray the hosts live."""
        return len(set(self._nodes_of_hosts.values()))

    def check_can_lose(self, hosts: Collection[ReplicaId]) -> None:
        """Raise ClusterError where the run would not outlive the loss of the node of a host."""
        driver, there = ray.get_runtime_context().get_node_id(), nodes.alive()
        shared = Counter(self._nodes_of_hosts.values())
        for host in sorted(hosts):
            node = self.node_of(host)
            if node in there and there[node].is_head:
                why = "Ray's head lives there"
            elif node == driver:
                why = "the command itself runs there"
            elif shared[node] > 1:
                why = f"{shared[node]} hosts live there"
            else:
                continue
            advice = "set placement and hosts_on so that a node has one host and nothing else"
            raise ClusterError(f"node {host} cannot be killed: {why}; {advice}")

    def give_back(self) -> None:
        """Give the room back."""
        for group in self._groups.values():
            remove_placement_group(group)
        self._groups = {}

    # --- Room ---

    async def _has_room(self, until: float) -> bool:
        """Take what room is there by `until`; return False where the nodes are others by then."""
        there = await nodes.reachable()
        self._not_on_silent = _not_on(nodes.alive().keys() - there.keys())
        strategy = self._strategy(there)
        self._groups["hosts"] = hosts = placement_group(
            [HOST_BUNDLE] * self._config.replicas,
            strategy=strategy,
            bundle_label_selector=[self._not_on_silent | each.for_ray() for each in self._hosts_on],
        )
        placed = await self._is_placed(hosts, there, until)
        if placed is None:
            raise ClusterError(self._no_room_for_hosts(there, strategy))
        if not placed:
            return False
        self._nodes_of_hosts = _nodes_of(hosts)
        if not await self._has_room_for_fleets(there, until):
            return False
        self._nodes_of_fleets = _nodes_of(self._groups["fleets"])
        return True

    async def _has_room_for_fleets(self, there: Mapping[str, Node], until: float) -> bool:
        """Take room on nodes without hosts, or else on any; return False as above."""
        self._check_fleets(there)
        if apart := self._apart_for_fleets(there):
            soon = min(until, time.monotonic() + FLEETS_APART_S)
            on_these = {_NODE_ID: f"in({','.join(apart)})"}
            placed = await self._is_placed(self._ask_for_fleets(on_these), there, soon)
            if placed is not None:
                return placed
            remove_placement_group(self._groups.pop("fleets"))
        on_any = self._not_on_silent | self._placement.fleets_on.for_ray()
        placed = await self._is_placed(self._ask_for_fleets(on_any), there, until)
        if placed is None:
            raise ClusterError(self._no_room_for_fleets())
        return placed

    def _ask_for_fleets(self, selector: dict[str, str]) -> PlacementGroup:
        fleets = self._config.fleets
        self._groups["fleets"] = placement_group(
            [FLEET_BUNDLE] * fleets,
            strategy="SPREAD",
            bundle_label_selector=[selector] * fleets,
        )
        return self._groups["fleets"]

    async def _is_placed(
        self, group: PlacementGroup, there: Mapping[str, Node], until: float
    ) -> bool | None:
        """Wait for a group; return False if the nodes change first, and None when time is up."""
        ready = asyncio.ensure_future(group.ready())
        try:
            while (left_s := until - time.monotonic()) > 0:
                await asyncio.wait([ready], timeout=min(left_s, LOOK_AGAIN_S))
                if ready.done():
                    ready.result()
                    return True
                if (await nodes.reachable()).keys() != there.keys():
                    return False
            return None
        finally:
            ready.cancel()

    # --- What there is no room for ---

    def _strategy(self, there: Mapping[str, Node]) -> str:
        """Return how hosts are to be spread.

        Raises ClusterError for what the cluster has no room for even if nothing else runs.
        """
        hosts = self._config.replicas
        choices = [_fitting(there, each) for each in self._hosts_on]
        self._check_cpus(there, choices)
        apart = _nodes_apart(choices)
        if self._placement.spread == "strict_spread" and apart < hosts:
            asked = self._asked_of_hosts(there)
            raise ClusterError(f"strict_spread needs {hosts} nodes{asked}, the cluster has {apart}")
        return "SPREAD" if apart < hosts else "STRICT_SPREAD"

    def _check_cpus(self, there: Mapping[str, Node], choices: Sequence[Collection[str]]) -> None:
        """Raise ClusterError where hosts and fleets cannot have a CPU each."""
        hosts, fleets = self._config.replicas, self._config.fleets
        cpus = sum(node.cpus for node in there.values())
        if cpus < hosts + fleets:
            raise ClusterError(
                f"{hosts} hosts and {fleets} fleets need a CPU each, the cluster has {cpus}"
            )
        for host, choice in enumerate(choices):
            if not choice:
                wanted = self._hosts_on[host]
                raise ClusterError(f"host {host} needs a node with {wanted}, the cluster has none")
        for_hosts = sum(there[name].cpus for name in set().union(*choices))
        if for_hosts < hosts:
            asked = self._asked_of_hosts(there)
            raise ClusterError(f"{hosts} hosts need a CPU each, nodes{asked} have {for_hosts}")

    def _asked_of_hosts(self, there: Mapping[str, Node]) -> str:
        """Write what is asked of nodes of hosts, if any node lacks it."""
        asked = list(dict.fromkeys(self._hosts_on))
        all_fit = all(each.takes(node.labels) for node in there.values() for each in asked)
        return "" if all_fit else f" with {labels.write(asked)}"

    def _check_fleets(self, there: Mapping[str, Node]) -> None:
        """Raise ClusterError where fleets cannot have a CPU each beside the hosts."""
        fleets, left = self._config.fleets, self._left_for_fleets(there).total()
        if left < fleets:
            raise ClusterError(f"{fleets} fleets need a CPU each, {self._asked} have {left} left")

    def _apart_for_fleets(self, there: Mapping[str, Node]) -> list[str]:
        """Return the nodes without hosts if they could have all fleets, were nothing else run."""
        left = self._left_for_fleets(there)
        apart = [node for node in left if node not in self._nodes_of_hosts.values()]
        return apart if sum(left[node] for node in apart) >= self._config.fleets else []

    def _left_for_fleets(self, there: Mapping[str, Node]) -> Counter[str]:
        """Return how many CPUs each node that fleets may live on has beside those of the hosts."""
        taken = Counter(self._nodes_of_hosts.values())
        fitting = _fitting(there, self._placement.fleets_on)
        return Counter({node: there[node].cpus - taken[node] for node in fitting})

    @property
    def _asked(self) -> str:
        """Write where fleets may live."""
        return f"nodes with {self._placement.fleets_on}".removesuffix(" with ")

    def _no_room_for_hosts(self, there: Mapping[str, Node], strategy: str) -> str:
        apart = ", each on a node of its own" if strategy == "STRICT_SPREAD" else ""
        if asked := self._asked_of_hosts(there):
            apart = apart or ", on nodes"
        hosts = f"{self._config.replicas} hosts need a CPU each{apart}{asked}"
        return f"{hosts}; {_free()}, on {_count(len(there), 'node')}"

    def _no_room_for_fleets(self) -> str:
        asked = f" on {self._asked}" if self._placement.fleets_on.terms else ""
        fleets = f"{self._config.fleets} fleets need a CPU each{asked}"
        return f"{fleets}; {_free()}, there and elsewhere"


def _free() -> str:
    cpus = ray.available_resources().get("CPU", 0)
    return f"after {PLACE_TIMEOUT_S:g} s the cluster has {cpus:g} CPUs free"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _not_on(nodes: Collection[str]) -> dict[str, str]:
    """Return a selector of Ray's for all other nodes."""
    return {_NODE_ID: f"!in({','.join(sorted(nodes))})"} if nodes else {}


def _nodes_of(group: PlacementGroup) -> dict[int, str]:
    """Return the node of each bundle of a group."""
    found: dict[int, str] = ray.util.placement_group_table(group)["bundles_to_node_id"]
    return found


def _fitting(there: Mapping[str, Node], selector: Selector) -> list[str]:
    """Return the nodes that will do and have a CPU."""
    return [name for name, node in there.items() if node.cpus and selector.takes(node.labels)]


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
