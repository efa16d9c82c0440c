"""The simulated backend: runs in virtual time, of hosts with limits, on all cores of this machine.

A run is a process's work and none of its neighbours' business, so the next ones are begun while one
is waited for. `processes` says how many at once.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from actors.sim.cluster import SimulatedCluster, SimulationError
from experiments.errors import RunFailed
from experiments.measured import measured
from experiments.runner import Measured
from experiments.spec import RunConfig


class SimulatedBackend:
    """Carries out runs in virtual time; `coming` are those that will be asked for, in order."""

    def __init__(self, coming: Iterable[RunConfig] = (), processes: int | None = None) -> None:
        self._coming = deque(coming)
        self._processes = processes or len(os.sched_getaffinity(0))
        self._begun: dict[RunConfig, Future[Measured]] = {}

    def __enter__(self) -> Self:
        self._pool = self._new_pool()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()

    def run(self, config: RunConfig) -> Measured:
        """Simulate a run; raises RunFailed."""
        self._begin(config)
        while self._coming and len(self._begun) <= self._processes:
            self._begin(self._coming.popleft())
        try:
            return self._begun.pop(config).result()
        except SimulationError as error:
            raise RunFailed(str(error)) from error
        except BrokenProcessPool as error:
            self._begun.clear()  # It takes all others with it.
            self._pool = self._new_pool()
            raise RunFailed("the process that simulated it has died") from error

    def _new_pool(self) -> ProcessPoolExecutor:
        # Forked from a process with threads, as Ray has, a child may hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, context, _leave_signals_to_the_parent)

    def _begin(self, config: RunConfig) -> None:
        if config in self._coming:
            self._coming.remove(config)
        if config not in self._begun:
            self._begun[config] = self._pool.submit(_simulate, config)


def _simulate(config: RunConfig) -> Measured:
    return measured(SimulatedCluster(config.load_config()).run(config.load_s))


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
