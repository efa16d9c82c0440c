"""A task has a core of its own, whatever the nodes of a cluster were told of CPUs."""

import pytest
import ray

from experiments import cluster_cores
from experiments.cluster_cores import ClusterCores, Cores, Node, room
from experiments.live import LiveBackend
from experiments.workers import cores

FOUR = frozenset(range(4))
HERE, THERE = Cores("here", FOUR), Cores("there", FOUR)


@pytest.mark.parametrize(
    ("nodes", "tasks"),
    [
        ([Node(HERE, 4)], 4),
        ([Node(HERE, 1)], 1),
        ([Node(HERE, 1024)], 4),
        ([Node(HERE, 1024), Node(THERE, 2)], 4 + 2),
        ([Node(HERE, 1024)] * 3, 4),
        ([Node(Cores("here", frozenset({0})), 9), Node(Cores("here", frozenset({1, 2})), 9)], 3),
        ([], 0),
    ],
    ids=[
        *("as many CPUs as cores", "fewer CPUs", "more CPUs", "two machines"),
        *("three nodes of a machine", "nodes with their own cores of a machine", "none"),
    ],
)
def test_a_task_needs_a_cpu_of_ray_and_a_core(nodes: list[Node], tasks: int) -> None:
    assert room(nodes) == tasks


@pytest.mark.ray
def test_a_node_is_asked_once_and_counts_while_it_is_there(
    live: LiveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ClusterCores()
    assert found.are_told()
    monkeypatch.setattr(cluster_cores, "_cores_here", None)
    assert found.room() == cores()
    monkeypatch.setattr(ray, "nodes", list)
    assert found.room() == 0


@pytest.mark.ray
def test_a_node_that_is_gone_before_it_answers_is_not_counted(
    live: LiveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = [each for each in ray.nodes() if each["Alive"]]
    monkeypatch.setattr(ray, "nodes", lambda: [node | {"NodeID": "0" * 56}])
    assert not ClusterCores().are_told()
