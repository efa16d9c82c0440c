"""The nodes of Ray: which are there, what they have, and whether one can be reached."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

import ray

REACH_TIMEOUT_S = 2.0

_HEAD = "node:__internal_head__"
"""A resource that Ray gives to the node of its control plane."""


class Node(NamedTuple):
    """A node of Ray: its labels, and how many actors that need a CPU it has room for."""

    labels: Mapping[str, str]
    cpus: int
    is_head: bool = False
    """Whether Ray's control plane lives there."""

    @classmethod
    def of_ray(cls, told: Mapping[str, Any]) -> Self:
        """Make it from what Ray tells of a node."""
        resources = told["Resources"]
        return cls(told["Labels"], int(resources.get("CPU", 0)), _HEAD in resources)


def alive() -> dict[str, Node]:
    """Return the nodes that Ray takes to be there, by id; it notices late that one is lost."""
    return {each["NodeID"]: Node.of_ray(each) for each in ray.nodes() if each["Alive"]}


async def reachable() -> dict[str, Node]:
    """Return those of them that answer; all of them where none does, as from outside a cluster."""
    there = [each for each in ray.nodes() if each["Alive"]]
    answered = await asyncio.gather(*map(_answers, there))
    found = [each for each, answers in zip(there, answered, strict=True) if answers]
    return {each["NodeID"]: Node.of_ray(each) for each in found or there}


async def doubt(node: str) -> str:
    """Say in a few words what is wrong with a node; empty where nothing is known to be."""
    told = {each["NodeID"]: each for each in ray.nodes()}.get(node)
    if told is None or not told["Alive"]:
        return "its node is lost"
    if await _answers(told):
        return ""
    return f"its node {told['NodeManagerAddress']} cannot be reached"


async def _answers(told: Mapping[str, Any]) -> bool:
    """Say whether Ray listens on a node that it tells of."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(REACH_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                told["NodeManagerAddress"], told["NodeManagerPort"]
            )
        writer.close()
        return True
    return False
