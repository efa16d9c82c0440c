"""Work as Ray tasks, all over a cluster: one at a time on each of its cores."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any, Self, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from actors.crew import cause_of_death
from experiments.cluster_cores import ClusterCores
from experiments.connection import Connection
from experiments.errors import Lost, RunFailed

T = TypeVar("T")
R = TypeVar("R")


class RayTasks:
    """Workers (`experiments.workers`) on the cluster at `address`, or on a local Ray of its own."""

    def __init__(self, address: str | None) -> None:
        self._connection = Connection(address)
        self._calls: dict[Future[Any], Any] = {}  # Ray types its references as Any.
        self._tasks: dict[Callable[[Any], Any], Any] = {}
        self._cores = ClusterCores()

    @property
    def count(self) -> int:
        """For how much the cluster has room now, at least 1: nodes come and go."""
        return max(1, self._cores.room())

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._connection)
            if not self._cores.are_told():
                raise RunFailed("the Ray cluster has no CPUs for tasks")
            opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for call in list(self._calls.values()):  # Others end meanwhile.
                with suppress(RayError, RuntimeError):  # A Ray that is gone has cancelled it.
                    ray.cancel(call, force=True)
        finally:
            self._connection.__exit__()

    def begin(self, work: Callable[[T], R], given: T) -> "Future[R]":
        """Begin to do `work` as a task, where the cluster has a CPU free."""
        if work not in self._tasks:
            # Whoever loses a task decides what becomes of it, not Ray.
            a_task = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")
            self._tasks[work] = a_task(work)
        call = self._tasks[work].remote(given)
        future: Future[R] = call.future()
        self._calls[future] = call
        future.add_done_callback(self._calls.pop)
        return future

    def is_lost(self, ended: "Future[R]") -> bool:
        """Say whether Ray has lost the task, with its process or its node."""
        error = ended.exception()
        return isinstance(error, RayError) and not isinstance(error, RayTaskError)

    def result(self, ended: "Future[R]") -> R:
        """Return what came of a task that has ended."""
        try:
            return ended.result()
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            raise Lost(f"its Ray task was lost: {cause_of_death(error)}") from error
