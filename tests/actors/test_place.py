"""Room for a run on a cluster, and what is said where there is none."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import place as place_module
from actors.cluster import Cluster
from actors.core.config import LoadConfig
from actors.errors import ClusterError
from actors.place import Place
from experiments.live import LiveBackend
from tests.actors.on_ray import assert_nothing_is_left


def _nodes(*cpus: int) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [
        *({"Alive": True, "Resources": {"CPU": float(count)} if count else {}} for count in cpus),
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]


@pytest.mark.parametrize(
    ("cpus", "placement", "reason"),
    [
        ((8, 8, 0), "strict_spread", "strict_spread needs 3 nodes, the cluster has 2"),
        ((1, 2), "spread", "3 hosts and 2 fleets need a CPU each, the cluster has 3"),
        ((1, 1, 1), "strict_spread", "3 hosts and 2 fleets need a CPU each, the cluster has 3"),
    ],
)
def test_what_a_cluster_can_never_have_room_for_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, cpus: tuple[int, ...], placement: Any, reason: str
) -> None:
    monkeypatch.setattr(place_module.ray, "nodes", _nodes(*cpus))
    with pytest.raises(ClusterError) as raised:
        asyncio.run(Place(LoadConfig(replicas=3, fleets=2), placement).reserve())
    assert str(raised.value) == reason


@pytest.mark.ray
def test_too_few_nodes_for_a_strict_spread_leave_nothing_behind(live: LiveBackend) -> None:
    with pytest.raises(ClusterError, match=r"needs 3 nodes, the cluster has 1$"):
        Cluster(LoadConfig(replicas=3), "strict_spread").__enter__()
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
