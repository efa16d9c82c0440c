"""Clusters on a local Ray: where actors live, and that none survives its cluster."""

import itertools
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import ray

from actors import cluster as cluster_module
from actors.cluster import Cluster, ClusterError, wiring
from actors.core.config import LoadConfig
from actors.core.ids import Address
from experiments.live import LiveBackend
from tests.actors.on_ray import PATIENCE_S, assert_nothing_is_left, processes

LONG_S = 600.0
"""A load that no test waits for."""


def addresses(role: str, count: int) -> list[Address]:
    return [Address(role, number) for number in range(count)]


# --- Wiring ---------------------------------------------------------------------------------------

EVERYBODY = [
    address for role in ("fleet", "coordinator", "replica") for address in addresses(role, 3)
]


def pairs(clients_talk_to: str) -> set[frozenset[Address]]:
    wired = wiring(EVERYBODY, clients_talk_to)
    return {frozenset((one, other)) for one, peers in wired.items() for other in peers.dials}


@pytest.mark.parametrize("clients_talk_to", ["replica", "coordinator"])
def test_of_each_pair_that_talks_one_dials_and_the_other_expects_it(clients_talk_to: str) -> None:
    wired = wiring(EVERYBODY, clients_talk_to)
    dialled = [(one, other) for one, peers in wired.items() for other in peers.dials]
    expected = [(other, one) for one, peers in wired.items() for other in peers.expects]
    assert sorted(dialled) == sorted(expected)
    assert len(pairs(clients_talk_to)) == len(dialled)


def test_fleets_talk_to_those_who_take_requests_and_hosts_to_all_replicas() -> None:
    replicas, coordinators, fleets = (
        addresses(role, 3) for role in ("replica", "coordinator", "fleet")
    )
    among_hosts = {
        *map(frozenset, itertools.combinations(replicas, 2)),
        *map(frozenset, itertools.product(replicas, coordinators)),
    }
    for role, takers in (("replica", replicas), ("coordinator", coordinators)):
        assert pairs(role) == among_hosts | {*map(frozenset, itertools.product(takers, fleets))}


# --- Room -----------------------------------------------------------------------------------------


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
    monkeypatch.setattr(cluster_module.ray, "nodes", _nodes(*cpus))
    with pytest.raises(ClusterError) as raised:
        Cluster(LoadConfig(replicas=3, fleets=2), placement).start()
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
    monkeypatch.setattr(cluster_module, "PLACE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(cluster_module, "HOST_BUNDLE", {"CPU": 1_000_000})
    with pytest.raises(ClusterError, match="3 hosts need a CPU each, the cluster has 1024 free"):
        Cluster(LoadConfig(replicas=3)).__enter__()
    assert_nothing_is_left()


# --- Life -----------------------------------------------------------------------------------------


def _place(actor: Any) -> tuple[str, set[str]]:
    """Return the node that Ray put an actor on, and its bundle by the names of its resources."""
    resources = ray._private.worker.global_worker.core_worker.resource_ids()
    node = ray.get_runtime_context().get_node_id()
    return node, {name for name in resources if name.startswith("CPU_group_")}


@pytest.mark.ray
def test_a_hosts_replica_and_coordinator_share_a_bundle_with_nobody_else(live: LiveBackend) -> None:
    with Cluster(LoadConfig(protocol="spaxos", replicas=3, clients=3)) as cluster:
        once = processes(cluster)
        actors = cluster._actors
        places = dict(
            zip(
                actors,
                ray.get([each.__ray_call__.remote(_place) for each in actors.values()]),
                strict=True,
            )
        )
        for host in range(3):
            assert places[Address("replica", host)] == places[Address("coordinator", host)]
        bundles = [places[replica][1] for replica in addresses("replica", 3)]
        assert all(bundles)
        assert len(set.union(*bundles) - set.intersection(*bundles)) == 3, places
        assert len({process.pid for process in once.values()}) == len(actors) == 3 + 3 + 1
    assert_nothing_is_left(once.values())


def _when_busy(cluster: Cluster, act: Callable[[], None]) -> None:
    """Act in the middle of the run, when replica 0 has executed something."""
    ray.get(cluster._actors[Address("replica", 0)].wait_executed.remote(3, PATIENCE_S))
    act()


@pytest.mark.ray
@pytest.mark.timeout(60)  # Far less than the load: its end is not waited for.
@pytest.mark.parametrize(
    ("protocol", "victim"),
    [
        ("jpaxos", Address("replica", 1)),
        ("spaxos", Address("coordinator", 2)),
        ("jpaxos", Address("fleet", 0)),
    ],
    ids=str,
)
def test_the_death_of_any_actor_ends_the_run_at_once_and_names_it(
    live: LiveBackend, protocol: str, victim: Address
) -> None:
    with ThreadPoolExecutor() as threads, Cluster(LoadConfig(protocol=protocol)) as cluster:
        once = processes(cluster)
        killing = threads.submit(_when_busy, cluster, once[victim].kill)
        with pytest.raises(ClusterError) as raised:
            cluster.run(LONG_S)
        killing.result()
    told = str(raised.value)
    assert told.startswith(f"{victim} died: ")
    assert "worker process has died" in told
    assert "\n" not in told
    assert_nothing_is_left(once.values())


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_ctrl_c_in_a_run_leaves_nothing_behind(live: LiveBackend) -> None:
    once = {}

    def interrupted() -> None:
        with Cluster(LoadConfig()) as cluster:
            once.update(processes(cluster))
            threads.submit(_when_busy, cluster, partial(os.kill, os.getpid(), signal.SIGINT))
            cluster.run(LONG_S)

    with ThreadPoolExecutor() as threads, pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_nothing_is_left(once.values())


@pytest.mark.ray
def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing_behind(live: LiveBackend) -> None:
    with pytest.raises(ClusterError) as raised:
        Cluster(LoadConfig(replicas=1, service="nowhere:SERVICE")).__enter__()
    missing = "ModuleNotFoundError: No module named 'nowhere'"
    reason = f"LookupError: no service 'nowhere:SERVICE': {missing}"
    assert str(raised.value).endswith(f"-0 died: {reason}")
    assert_nothing_is_left()


@pytest.mark.ray
def test_nobody_answers_in_time_is_told_with_names(
    live: LiveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CALL_TIMEOUT_S", 0.0)
    with pytest.raises(ClusterError) as raised:
        Cluster(LoadConfig(replicas=1)).__enter__()
    assert str(raised.value) == "replica-0: no answer to start after 0 s"
    assert_nothing_is_left()
