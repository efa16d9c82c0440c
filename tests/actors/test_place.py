"""Room for a run on a cluster, and what is said where there is none."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from actors import nodes as nodes_module
from actors import place as place_module
from actors.cluster import Cluster
from actors.core.config import LoadConfig
from actors.core.ids import Address, Role
from actors.errors import ClusterError
from actors.labels import Selector, parse_for_hosts
from actors.place import ANYWHERE, Place, Placement, Spread
from experiments.live import LiveBackend
from tests.actors.on_ray import assert_nothing_is_left


class Cast(NamedTuple):
    """A node of a cluster."""

    cpus: int
    label: str = "any"
    is_head: bool = False


def _cluster(*nodes: Cast) -> Callable[[], list[dict[str, Any]]]:
    """Return what Ray says of a cluster of these nodes, and of one that was lost."""
    return lambda: [
        *(
            {
                "Alive": True,
                "NodeID": f"n{number}",
                "Resources": {
                    **({"CPU": float(node.cpus)} if node.cpus else {}),
                    **({"node:__internal_head__": 1.0} if node.is_head else {}),
                },
                "Labels": {"is": node.label},
            }
            for number, node in enumerate(nodes)
        ),
        {"Alive": False, "NodeID": "lost", "Resources": {"CPU": 64.0}, "Labels": {}},
    ]


ON_A = Placement("spread", hosts_on=parse_for_hosts("is=a"))
STRICTLY = Placement("strict_spread")
STRICTLY_ON_A = Placement("strict_spread", hosts_on=parse_for_hosts("is=a"))
ONE_ON_A = Placement("spread", hosts_on=parse_for_hosts("is!=a;is=a;is!=a"))


@pytest.mark.parametrize(
    ("nodes", "placement", "reason"),
    [
        ([8, 8, 0], STRICTLY, "strict_spread needs 3 nodes, the cluster has 2"),
        ([1, 2], ANYWHERE, "3 hosts and 2 fleets need a CPU each, the cluster has 3"),
        ([1, 1, 1], STRICTLY, "3 hosts and 2 fleets need a CPU each, the cluster has 3"),
        (
            [Cast(8, "a"), Cast(8, "a"), Cast(8, "b"), Cast(0, "a")],
            STRICTLY_ON_A,
            "strict_spread needs 3 nodes with is=a, the cluster has 2",
        ),
        (
            [Cast(2, "a"), Cast(8, "b")],
            ON_A,
            "3 hosts need a CPU each, nodes with is=a have 2",
        ),
        ([8, 8, 8], ONE_ON_A, "host 1 needs a node with is=a, the cluster has none"),
    ],
)
def test_what_a_cluster_can_never_have_room_for_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, nodes: list[Cast | int], placement: Placement, reason: str
) -> None:
    cast = [node if isinstance(node, Cast) else Cast(node) for node in nodes]
    Scheduler(monkeypatch, cast, [])
    with pytest.raises(ClusterError) as raised:
        asyncio.run(Place(LoadConfig(replicas=3, fleets=2), placement).reserve())
    assert str(raised.value) == reason


class Scheduler:
    """Takes the place of Ray's: hosts come to live on `hosts`, fleets where they may, in turn."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, nodes: list[Cast], hosts: list[str]
    ) -> None:
        self.nodes = nodes
        self.hosts = hosts
        self.asked: list[dict[str, Any]] = []
        self.full: set[str] = set()
        """On which there is no room now."""
        self.silent: set[str] = set()
        self.removed: list[Group] = []
        monkeypatch.setattr(nodes_module, "_answers", self._answers)
        monkeypatch.setattr(place_module.ray, "nodes", self._told)
        monkeypatch.setattr(place_module.ray, "available_resources", lambda: {"CPU": 5.0})
        monkeypatch.setattr(place_module, "placement_group", self._make)
        monkeypatch.setattr(place_module, "remove_placement_group", self.removed.append)
        monkeypatch.setattr(
            place_module.ray.util, "placement_group_table", lambda group: group.table
        )

    async def _answers(self, told: dict[str, Any]) -> bool:
        return told["NodeID"] not in self.silent

    def _told(self) -> list[dict[str, Any]]:
        return _cluster(*self.nodes)()

    def _make(self, bundles: list[object], **asked: Any) -> "Group":
        self.asked.append(asked)
        if bundles[0] is place_module.HOST_BUNDLE:
            free = [node for node in self.hosts if node not in self.full]
            return Group(self.hosts if free == self.hosts else [])
        free = [node for node in self._allowed(asked) if node not in self.full]
        return Group([free[turn % len(free)] for turn in range(len(bundles))] if free else [])

    def _allowed(self, asked: dict[str, Any]) -> list[str]:
        selector = dict(asked["bundle_label_selector"][0])
        named = selector.pop("ray.io/node-id", "!in()")
        numbers = named[named.index("(") + 1 : -1].split(",")
        takes = Selector.parse(",".join(f"{key}={value}" for key, value in selector.items())).takes
        fit = [f"n{at}" for at, node in enumerate(self.nodes) if takes({"is": node.label})]
        return [node for node in fit if (node in numbers) != named.startswith("!")]


class Group:
    """A placement group whose bundles have come to live on nodes; without any it waits."""

    def __init__(self, where: list[str]) -> None:
        self.table = {"bundles_to_node_id": dict(enumerate(where))}

    async def ready(self) -> None:
        if not self.table["bundles_to_node_id"]:
            await asyncio.Event().wait()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let patience be short."""
    monkeypatch.setattr(place_module, "PLACE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(place_module, "FLEETS_APART_S", 0.05)
    monkeypatch.setattr(place_module, "LOOK_AGAIN_S", 0.01)


def _placed(scheduler: Scheduler, placement: Placement = ANYWHERE, fleets: int = 2) -> Place:
    """Reserve room."""
    place = Place(LoadConfig(replicas=len(scheduler.hosts), fleets=fleets), placement)
    asyncio.run(place.reserve())
    return place


def _fleets_of(place: Place, fleets: int) -> list[str]:
    return [place.home_of(Address("fleet", number)) for number in range(fleets)]


@pytest.mark.parametrize(
    ("labels", "asked", "strategy"),
    [
        ("aab", "", "STRICT_SPREAD"),
        ("ab", "", "SPREAD"),
        ("aab", "is=a", "SPREAD"),
        ("aaab", "is=a", "STRICT_SPREAD"),
        ("aaab", "is=a; is=b; is=b", "SPREAD"),
        ("abb", "is!=a; is=a; is!=a", "STRICT_SPREAD"),
        # The first host must leave the only node that the second one can have.
        ("bac", "is!=c; is=b; is!=b", "STRICT_SPREAD"),
    ],
)
def test_each_host_has_a_node_of_its_own_where_there_are_enough(
    monkeypatch: pytest.MonkeyPatch, labels: str, asked: str, strategy: str
) -> None:
    nodes = [Cast(8, label) for label in labels]
    placement = Placement("spread", hosts_on=parse_for_hosts(asked))
    scheduler = Scheduler(monkeypatch, nodes, ["n0", "n1", "n1"])
    _placed(scheduler, placement)
    assert scheduler.asked[0]["strategy"] == strategy


def test_ray_is_told_what_is_asked_of_the_node_of_each_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = Scheduler(monkeypatch, [Cast(8, "a"), Cast(8, "b")], ["n0", "n1", "n0"])
    _placed(scheduler, ONE_ON_A)
    assert scheduler.asked[0]["bundle_label_selector"] == [{"is": "!a"}, {"is": "a"}, {"is": "!a"}]


@pytest.mark.parametrize(
    ("nodes", "asked", "homes"),
    [
        # Those without hosts.
        ([Cast(8), Cast(8), Cast(8)], "", {"n1", "n2"}),
        # Where they have no room for all, everywhere.
        ([Cast(4), Cast(1), Cast(1)], "", {"n0", "n1", "n2"}),
        # Not where they must not.
        ([Cast(8), Cast(8, "a"), Cast(8)], "is=any", {"n2"}),
        ([Cast(8, "a"), Cast(8), Cast(8)], "is=a", {"n0"}),
    ],
)
def test_fleets_live_on_nodes_without_hosts_where_these_have_room(
    monkeypatch: pytest.MonkeyPatch, nodes: list[Cast], asked: str, homes: set[str]
) -> None:
    placement = Placement("spread", fleets_on=Selector.parse(asked))
    place = _placed(Scheduler(monkeypatch, nodes, ["n0", "n0", "n0"]), placement, fleets=3)
    assert set(_fleets_of(place, 3)) == homes


def test_fleets_share_nodes_with_hosts_where_others_use_all_those_without(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    scheduler = Scheduler(monkeypatch, [Cast(4)] * 4, ["n0", "n1", "n2"])
    scheduler.full = {"n3"}
    place = _placed(scheduler, fleets=4)
    assert _fleets_of(place, 4) == ["n0", "n1", "n2", "n0"]
    assert len(scheduler.removed) == 1
    place.give_back()
    assert len(scheduler.removed) == len(scheduler.asked) == 3


@pytest.mark.parametrize("role", ["replica", "coordinator", "fleet"])
def test_an_actor_takes_in_all_calls_that_its_peers_have_under_way_and_more(
    monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """Ray would let in 1,000, and no more as long as none of them returns: `watch` never does."""
    place = _placed(Scheduler(monkeypatch, [Cast(8)], ["n0"]))
    strategy = "PlacementGroupSchedulingStrategy"  # It takes groups of Ray's alone.
    monkeypatch.setattr(place_module, strategy, lambda *_, **__: None)
    for peers in (2, 456):
        options = place.options(Address(role, 0), peers)
        assert options["max_concurrency"] >= 3 * peers + 1000


def test_no_room_for_fleets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    placement = Placement("spread", fleets_on=Selector.parse("is=a"))
    scheduler = Scheduler(monkeypatch, [Cast(4, "a"), Cast(8)], ["n0", "n0", "n0"])
    with pytest.raises(ClusterError, match="2 fleets need a CPU each, nodes with is=a have 1 left"):
        _placed(scheduler, placement)


def test_no_room_for_fleets_for_now_is_told_when_patience_ends(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    placement = Placement("spread", fleets_on=Selector.parse("is=a"))
    scheduler = Scheduler(monkeypatch, [Cast(8), Cast(8, "a")], ["n0", "n0", "n0"])
    scheduler.full = {"n1"}
    with pytest.raises(ClusterError) as told:
        _placed(scheduler, placement)
    assert str(told.value) == (
        "2 fleets need a CPU each on nodes with is=a; after 0.2 s the cluster has 5 CPUs free, "
        "there and elsewhere"
    )


def test_a_node_that_turns_out_to_be_lost_is_done_without(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    """Ray still counts it at first, and there is no room on it."""
    scheduler = Scheduler(monkeypatch, [Cast(8)] * 3, ["n0", "n1", "n2"])
    scheduler.full = {"n2"}

    def notice() -> None:
        scheduler.nodes, scheduler.hosts = [Cast(8)] * 2, ["n0", "n1", "n1"]
        scheduler.full = set()

    async def reserve(place: Place) -> None:
        asyncio.get_running_loop().call_later(0.05, notice)
        await place.reserve()

    place = Place(LoadConfig(replicas=3, fleets=1), ANYWHERE)
    asyncio.run(reserve(place))
    hosts = [asked["strategy"] for asked in scheduler.asked[:2]]
    assert hosts == ["STRICT_SPREAD", "SPREAD"]
    assert place.node_count == 2
    assert len(scheduler.removed) == 1


def test_a_node_that_is_silent_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray still counts it, and would place nothing until it does no more."""
    scheduler = Scheduler(monkeypatch, [Cast(8)] * 3, ["n0", "n1", "n1"])
    scheduler.silent = {"n2"}
    assert _placed(scheduler).node_count == 2
    hosts, fleets = scheduler.asked
    assert hosts["strategy"] == "SPREAD"
    for asked in (hosts, fleets):
        assert {each["ray.io/node-id"] for each in asked["bundle_label_selector"]} == {"!in(n2)"}


@pytest.mark.parametrize(
    ("spread", "asked", "reason"),
    [
        ("spread", "", "3 hosts need a CPU each, each on a node of its own"),
        ("strict_spread", "", "3 hosts need a CPU each, each on a node of its own"),
        ("spread", "is!=b", "3 hosts need a CPU each, each on a node of its own with is!=b"),
        ("spread", "is=a", "3 hosts need a CPU each, on nodes with is=a"),
    ],
)
def test_no_room_for_hosts_for_now_is_told_with_what_was_asked_of_nodes(
    monkeypatch: pytest.MonkeyPatch, impatient: None, spread: Spread, asked: str, reason: str
) -> None:
    nodes = [Cast(8, "a"), Cast(8), Cast(8), Cast(8, "b")]
    scheduler = Scheduler(monkeypatch, nodes, ["n0", "n1", "n2"])
    scheduler.full = {"n1"}
    with pytest.raises(ClusterError) as told:
        _placed(scheduler, Placement(spread, hosts_on=parse_for_hosts(asked)))
    assert str(told.value) == f"{reason}; after 0.2 s the cluster has 5 CPUs free, on 4 nodes"


# --- Nodes that may be lost -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "head", "driver", "reason"),
    [
        (["n0", "n1", "n2"], 1, "n3", "Ray's head lives there"),
        (["n0", "n1", "n2"], 3, "n1", "the command itself runs there"),
        (["n0", "n1", "n1"], 3, "n3", "2 hosts live there"),
    ],
)
def test_a_node_that_a_run_cannot_lose_is_told(
    monkeypatch: pytest.MonkeyPatch, hosts: list[str], head: int, driver: str, reason: str
) -> None:
    nodes = [Cast(8, is_head=number == head) for number in range(4)]
    place = _placed(Scheduler(monkeypatch, nodes, hosts))
    context = SimpleNamespace(get_node_id=lambda: driver)
    monkeypatch.setattr(place_module.ray, "get_runtime_context", lambda: context)
    with pytest.raises(ClusterError) as told:
        place.check_can_lose({1})
    advice = "set placement and hosts_on so that a node has one host and nothing else"
    assert str(told.value) == f"node 1 cannot be killed: {reason}; {advice}"
    place.check_can_lose({0})


# --- On Ray ---------------------------------------------------------------------------------------


@pytest.mark.ray
def test_labels_that_no_node_has_are_told(live: LiveBackend) -> None:
    with pytest.raises(ClusterError, match=r"host 0 needs a node with is=a, the cluster has none"):
        Cluster(LoadConfig(replicas=3), ON_A).__enter__()
    assert_nothing_is_left()


@pytest.mark.ray
def test_too_few_nodes_for_a_strict_spread_leave_nothing_behind(live: LiveBackend) -> None:
    with pytest.raises(ClusterError, match=r"needs 3 nodes, the cluster has 1$"):
        Cluster(LoadConfig(replicas=3), STRICTLY).__enter__()
    assert_nothing_is_left()


@pytest.mark.ray
def test_no_room_for_now_is_told_when_patience_ends(
    live: LiveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "PLACE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(place_module, "HOST_BUNDLE", {"CPU": 1_000_000})
    with pytest.raises(
        ClusterError, match=r"3 hosts need a CPU each; after 0.1 s .* 1024 CPUs free, on 1 node$"
    ):
        Cluster(LoadConfig(replicas=3)).__enter__()
    assert_nothing_is_left()
