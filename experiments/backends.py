"""The backends that a sweep needs, as one: each run goes to the one it is configured for."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Literal, Self

from actors import faults
from actors.news import Listener
from experiments.errors import InputError
from experiments.runner import Backend, Ended, UnderWay
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig
from experiments.sweep import Run
from experiments.workers import Processes, Workers

Name = Literal["sim", "live"]

CARRIED_OUT_BY: dict[str, Name] = {"live": "live", "null_actor": "live", "sim": "sim"}
"""Which backend carries out the runs of each setting of `backend`: there is one Ray for all."""

IN_TURN: Sequence[Name] = ("sim", "live")
"""One backend after the other: beside a live run nothing else must use the machine."""


class Backends:
    """What `runs` need: the Ray at `address`, or processes of this machine and a Ray of its own.

    `listeners` hear what is measured while a live run goes on. At most `parallel` runs in virtual
    time are under way at once. Raises InputError where runs need more than a Ray of its own.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        address: str | None,
        listeners: Collection[Listener] = (),
        parallel: int | None = None,
    ) -> None:
        if address is None:
            _check_needs_no_cluster(runs)
        needed = {_name(run.config) for run in runs}
        self._backends = {
            name: _make(name, address, listeners, parallel) for name in IN_TURN if name in needed
        }
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for backend in self._backends.values():
                opening.enter_context(backend)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def carry_out(self, runs: Sequence[Run], begin: Callable[[Run], UnderWay]) -> Iterator[Ended]:
        """Yield each run as it ends; `begin` is called when it begins."""
        for name, backend in self._backends.items():
            its_own = [run for run in runs if _name(run.config) == name]
            yield from backend.carry_out(its_own, begin)


def _check_needs_no_cluster(runs: Sequence[Run]) -> None:
    """Raise InputError where runs need more nodes than a Ray that is started here has."""
    for run in runs:
        for event in faults.parse(run.config.faults):
            if faults.is_loss_of_node(event.action):
                reason = "needs a Ray cluster of several nodes: give its --address"
                raise InputError(f"faults: {event.action} {reason}")


def _name(config: RunConfig) -> Name:
    return CARRIED_OUT_BY[config.backend]


def _make(
    name: Name, address: str | None, listeners: Collection[Listener], parallel: int | None
) -> Backend:
    if name == "sim":
        return SimulatedBackend(_workers(address), parallel)
    # Ray is slow to import, and not always needed.
    from experiments.live import LiveBackend  # noqa: PLC0415

    return LiveBackend(address, listeners)


def _workers(address: str | None) -> Workers:
    """Return what simulates: all cores of a cluster, where there is one."""
    if address is None:
        return Processes()
    from experiments.ray_tasks import RayTasks  # noqa: PLC0415 # See above.

    return RayTasks(address)
