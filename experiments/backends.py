"""The backends that a sweep needs, as one: each run goes to the one it is configured for."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from actors.news import News
from experiments.runner import Backend, Measured
from experiments.simulated import SimulatedBackend
from experiments.spec import RunConfig

CARRIED_OUT_BY = {"live": "live", "null_actor": "live", "sim": "sim"}
"""Which backend carries out the runs of each setting of `backend`: there is one Ray for all."""


class Backends:
    """What `coming` runs need; the live backend is at `address`, or on a Ray of its own.

    `tell` hears what is measured while a live run goes on.
    """

    def __init__(
        self,
        coming: Sequence[RunConfig],
        address: str | None,
        tell: Callable[[News], None] | None = None,
    ) -> None:
        self._backends: dict[str, Backend] = {}
        names = {CARRIED_OUT_BY[config.backend] for config in coming}
        # Beside a live run nothing else must use the machine.
        ahead = coming if names == {"sim"} else ()
        for name in sorted(names):
            self._backends[name] = _make(name, ahead, address, tell)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for backend in self._backends.values():
                opening.enter_context(backend)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, config: RunConfig) -> Measured:
        """Carry out one run; raises RunFailed where it cannot be done."""
        return self._backends[CARRIED_OUT_BY[config.backend]].run(config)


def _make(
    name: str,
    ahead: Sequence[RunConfig],
    address: str | None,
    tell: Callable[[News], None] | None,
) -> Backend:
    """Make a backend; the simulated one begins the runs `ahead` before they are asked for."""
    if name == "sim":
        return SimulatedBackend(ahead)
    # Ray is slow to import, and not always needed.
    from experiments.live import LiveBackend  # noqa: PLC0415

    return LiveBackend(address, tell)
