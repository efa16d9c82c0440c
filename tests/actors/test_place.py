"""Room for a run on a cluster, and what is said where there is none."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from actors import place as place_module
from actors.cluster import Cluster
from actors.core.config import LoadConfig
from actors.errors import ClusterError
from actors.labels import Selector, parse_for_hosts
from actors.place import ANYWHERE, Place, Placement
from experiments.live import LiveBackend
from tests.actors.on_ray import assert_nothing_is_left


class Cast(NamedTuple):
    """A node of a cluster."""

    cpus: int
    label: str = "any"


def _cluster(*nodes: Cast) -> Callable[[], list[dict[str, Any]]]:
    """Return what Ray says of a cluster of these nodes, and of one that was lost."""
    return lambda: [
        *(
            {
                "Alive": True,
                "NodeID": f"n{number}",
                "Resources": {"CPU": float(node.cpus)} if node.cpus else {},
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
    monkeypatch.setattr(place_module.ray, "nodes", _cluster(*cast))
    with pytest.raises(ClusterError) as raised:
        asyncio.run(Place(LoadConfig(replicas=3, fleets=2), placement).reserve())
    assert str(raised.value) == reason


class Group:
    """A placement group whose hosts have come to live somewhere."""

    asked: dict[str, Any]

    async def ready(self) -> None:
        pass


def _placed(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[Cast],
    hosts: list[str],
    placement: Placement = ANYWHERE,
    fleets: int = 2,
) -> tuple[Place, Group]:
    """Reserve room for hosts, which come to live on these nodes."""
    group = Group()

    def make(bundles: object, **asked: object) -> Group:
        group.asked = asked
        return group

    table = {"bundles_to_node_id": dict(enumerate(hosts))}
    monkeypatch.setattr(place_module.ray, "nodes", _cluster(*nodes))
    monkeypatch.setattr(place_module, "placement_group", make)
    monkeypatch.setattr(place_module.ray.util, "placement_group_table", lambda _: table)
    place = Place(LoadConfig(replicas=len(hosts), fleets=fleets), placement)
    asyncio.run(place.reserve())
    return place, group


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
    _, group = _placed(monkeypatch, nodes, ["n0", "n1", "n1"], placement)
    assert group.asked["strategy"] == strategy


def test_ray_is_told_what_is_asked_of_the_node_of_each_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = [Cast(8, "a"), Cast(8, "b")]
    _, group = _placed(monkeypatch, nodes, ["n0", "n1", "n0"], ONE_ON_A)
    assert group.asked["bundle_label_selector"] == [{"is": "!a"}, {"is": "a"}, {"is": "!a"}]


@pytest.mark.parametrize(
    ("nodes", "asked", "dealt"),
    [
        # Those without hosts, in turn, as long as they have room.
        ([Cast(8), Cast(1), Cast(8)], "", ["n1", "n2", "n2"]),
        ([Cast(8), Cast(8), Cast(8)], "", ["n1", "n2", "n1"]),
        # Where they have none for all, everywhere.
        ([Cast(4), Cast(1), Cast(1)], "", ["n0", "n1", "n2"]),
        # Not where they must not.
        ([Cast(8), Cast(8, "a"), Cast(8)], "is!=a", ["n2", "n2", "n2"]),
        ([Cast(8, "a"), Cast(8), Cast(8)], "is=a", ["n0", "n0", "n0"]),
    ],
)
def test_fleets_live_on_nodes_without_hosts_where_these_have_room(
    monkeypatch: pytest.MonkeyPatch, nodes: list[Cast], asked: str, dealt: list[str]
) -> None:
    placement = Placement("spread", fleets_on=Selector.parse(asked))
    place, _ = _placed(monkeypatch, nodes, ["n0", "n0", "n0"], placement, fleets=3)
    assert place._nodes_of_fleets == dealt


def test_no_room_for_fleets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    placement = Placement("spread", fleets_on=Selector.parse("is=a"))
    with pytest.raises(ClusterError, match="2 fleets need a CPU each, nodes with is=a have 1 left"):
        _placed(monkeypatch, [Cast(4, "a"), Cast(8)], ["n0", "n0", "n0"], placement)


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
    with pytest.raises(ClusterError, match="3 hosts need a CPU each, the cluster has 1024 free"):
        Cluster(LoadConfig(replicas=3)).__enter__()
    assert_nothing_is_left()
