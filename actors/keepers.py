"""The keepers of the nodes of Ray: they come when first needed, and stay from run to run."""

import asyncio
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.crew import cause_of_death, end_all, wait_all
from actors.errors import ClusterError
from actors.keeper import Keeper

ANSWER_TIMEOUT_S = 2.0
"""How long a keeper may take to say that it is there."""

_KEEPER: Any = ray.remote(Keeper)  # Ray types its handles as Any.


class Keepers:
    """All keepers that one driver has, for one run after the other. They hold no CPU."""

    def __init__(self) -> None:
        self._actors: dict[str, Any] = {}  # By node.

    async def ask(self, node: str, method: str, *arguments: object) -> Any:
        """Return the answer of the keeper of a node; raises ClusterError where it has none."""
        if node not in self._actors:
            self._actors[node] = self._create(node)
        try:
            return await getattr(self._actors[node], method).remote(*arguments)
        except RayError as error:
            raise ClusterError(f"node {node} has no keeper: {cause_of_death(error)}") from error

    def tell(self, node: str, method: str, *arguments: object) -> None:
        """Call a keeper that is there, without waiting for it."""
        getattr(self._actors[node], method).remote(*arguments)

    def leave(self, node: str) -> None:
        """Expect no more of the keeper of a node that is lost."""
        del self._actors[node]

    async def renew(self) -> None:
        """Forget those who ended between two runs, when nothing was kept: others will come."""
        answers = {node: _answers(actor) for node, actor in self._actors.items()}
        for node, answer in zip(answers, await asyncio.gather(*answers.values()), strict=True):
            if not answer:
                ray.kill(self._actors.pop(node))

    def empty(self) -> None:
        """Have all remove what a run has stored with them; who does not is needed no more."""
        calls = {actor.empty.remote(): node for node, actor in self._actors.items()}
        wait_all(list(calls))
        end_all([self._actors.pop(calls[call]) for call in calls if not _has_succeeded(call)])

    def dismiss(self) -> None:
        """End all, and leave nothing behind."""
        actors = list(self._actors.values())
        self._actors = {}
        try:
            wait_all([actor.leave.remote() for actor in actors])
        finally:
            end_all(actors)

    def _create(self, node: str) -> Any:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return _KEEPER.options(scheduling_strategy=there, num_cpus=0).remote()


async def _answers(actor: Any) -> bool:
    with suppress(RayError, TimeoutError):
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await actor.folder.remote()
        return True
    return False


def _has_succeeded(call: Any) -> bool:
    with suppress(RayError):  # Such as one that the answer is late.
        ray.get(call, timeout=0)
        return True
    return False
