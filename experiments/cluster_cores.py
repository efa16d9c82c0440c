"""For how many tasks a Ray cluster has cores.

A node has as many CPUs for Ray as `ray start` was told, which may be any number, and several nodes
may share a machine: so each node is asked, once, which cores it has.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

ANSWER_TIMEOUT_S = 60.0
"""How long who needs to know waits for nodes to tell of their cores."""


class Cores(NamedTuple):
    """The cores that a process may use."""

    machine: str
    numbers: frozenset[int]


class Node(NamedTuple):
    """A node of Ray that tasks can go to."""

    cores: Cores
    cpus: int
    """How many Ray was told of."""


def room(nodes: Iterable[Node]) -> int:
    """Return how many tasks have a CPU of Ray and a core each, at the same time."""
    cpus: defaultdict[str, int] = defaultdict(int)
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for node in nodes:
        cpus[node.cores.machine] += node.cpus
        numbers[node.cores.machine] |= node.cores.numbers
    return sum(min(cpus[machine], len(numbers[machine])) for machine in cpus)


class ClusterCores:
    """The cores of the cluster that this process is connected to, whose nodes come and go."""

    def __init__(self) -> None:
        self._asked: dict[str, Any] = {}  # By node; Ray types its references as Any.
        self._told: dict[str, Cores] = {}

    def are_told(self) -> bool:
        """Wait until all nodes have told of their cores; say whether there are any."""
        self._ask(_cpus())
        if self._asked:
            calls = list(self._asked.values())
            ray.wait(calls, num_returns=len(calls), timeout=ANSWER_TIMEOUT_S)
        return self.room() > 0

    def room(self) -> int:
        """Return for how many tasks there is room on the nodes that are there and have told."""
        there = _cpus()
        self._ask(there)
        for node, call in list(self._asked.items()):
            self._hear(node, call)
        return room(Node(self._told[node], there[node]) for node in there if node in self._told)

    def _ask(self, there: Mapping[str, int]) -> None:
        for node in there.keys() - self._asked.keys() - self._told.keys():
            on = NodeAffinitySchedulingStrategy(node, soft=False)
            self._asked[node] = _cores_here.options(scheduling_strategy=on).remote()

    def _hear(self, node: str, call: Any) -> None:
        answered, _ = ray.wait([call], timeout=0)
        if answered:
            del self._asked[node]
            with suppress(RayError):  # If it is still there, it is asked again.
                self._told[node] = ray.get(call)


@ray.remote(num_cpus=0)
def _cores_here() -> Cores:
    machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return Cores(machine, frozenset(os.sched_getaffinity(0)))


def _cpus() -> dict[str, int]:
    """Return how many CPUs each node has for Ray now, of those that have any."""
    alive = (node for node in ray.nodes() if node["Alive"])
    cpus = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in alive}
    return {node: count for node, count in cpus.items() if count}
