"""The simulated backend: runs in virtual time, of hosts with limits, as many at once as can be."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Self

from actors.sim.cluster import SimulatedCluster, SimulationError
from experiments.errors import RunFailed
from experiments.measured import measured
from experiments.runner import Ended, Measured, UnderWay
from experiments.spec import RunConfig
from experiments.sweep import Run
from experiments.workers import Processes, Workers, each


class SimulatedBackend:
    """Carries out runs in virtual time: on the cores of this machine, unless given other workers.

    As many are under way as there are workers, and at most `at_once`: no run changes another.
    """

    def __init__(self, workers: Workers | None = None, at_once: int | None = None) -> None:
        self._workers = workers or Processes()
        self._at_once = at_once

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    def carry_out(self, runs: Sequence[Run], begin: Callable[[Run], UnderWay]) -> Iterator[Ended]:
        """Yield each run as it ends; `begin` is called when it begins."""
        begun = map(begin, runs)
        for under_way, future in each(self._workers, _simulate, begun, self._at_once):
            yield self._ended(under_way, future)

    def _ended(self, under_way: UnderWay, future: "Future[Ended]") -> Ended:
        try:
            return self._workers.result(future)
        except Exception as error:  # Nothing came back.
            return under_way.failed(error)


def measure_all(configs: Sequence[RunConfig]) -> list[Measured]:
    """Return what runs of these configurations measure, in their order; raises RunFailed."""
    with Processes() as workers:
        found = {
            config: workers.result(future) for config, future in each(workers, simulate, configs)
        }
    return [found[config] for config in configs]


def _simulate(under_way: UnderWay) -> Ended:
    """Carry out a run, timed from here on: before, it may have waited for a CPU of the cluster."""
    run = under_way.run
    return UnderWay(run).end(partial(simulate, run.config))


def simulate(config: RunConfig) -> Measured:
    """Carry out a run in virtual time, in this process; raises RunFailed."""
    try:
        return measured(SimulatedCluster(config.load_config()).run(config.load_s))
    except SimulationError as error:
        raise RunFailed(str(error)) from error
