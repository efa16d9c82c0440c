"""The keepers of the nodes of Ray: they come when first needed, and stay from run to run."""

from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.crew import STOP_TIMEOUT_S, cause_of_death, end_all, wait_all
from actors.errors import ClusterError
from actors.keeper import Keeper

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

    def empty(self) -> None:
        """Have all remove what a run has stored with them; who does not is needed no more."""
        calls = {node: actor.empty.remote() for node, actor in self._actors.items()}
        for node, call in calls.items():
            try:
                ray.get(call, timeout=STOP_TIMEOUT_S)
            except RayError:
                end_all([self._actors.pop(node)])

    def dismiss(self) -> None:
        """End all, and leave nothing behind."""
        actors = list(self._actors.values())
        wait_all([actor.leave.remote() for actor in actors])
        end_all(actors)
        self._actors = {}

    def _create(self, node: str) -> Any:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return _KEEPER.options(scheduling_strategy=there, num_cpus=0).remote()
