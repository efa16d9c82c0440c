"""How long runs take: known from their configuration, but for an overhead that is learnt."""

import time
from collections.abc import Callable, Sequence

from experiments.sweep import Run

OVERHEAD_S = 4.0
"""Time that a run takes beside its load, until it was measured."""

SIMULATED_S = 1.5
"""Time that a simulated run takes, about: that depends on its messages, not on its load."""


def expected_s(runs: Sequence[Run], overhead_s: float = OVERHEAD_S) -> float:
    """Return the time that `runs` take in all, in seconds."""
    return sum(
        SIMULATED_S if run.config.backend == "sim" else _load_s(run) + overhead_s for run in runs
    )


def _load_s(run: Run) -> float:
    """Return how long a run's load takes by the clock on the wall, if it is not simulated."""
    return run.config.load_s * run.config.dilation


class Countdown:
    """The time to the end of a sequence of runs, corrected after each of them."""

    def __init__(self, runs: Sequence[Run], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._left = list(runs)
        self._overheads_s: list[float] = []
        self._clock_s = clock_s
        self._ends_at_s = clock_s() + expected_s(runs)

    def finished(self, run: Run, wall_s: float) -> None:
        """Take into account that `run` took `wall_s` seconds."""
        self._left.remove(run)
        if run.config.backend != "sim":
            self._overheads_s.append(max(0.0, wall_s - _load_s(run)))
        overhead_s = (
            sum(self._overheads_s) / len(self._overheads_s) if self._overheads_s else OVERHEAD_S
        )
        self._ends_at_s = self._clock_s() + expected_s(self._left, overhead_s)

    def remaining_s(self) -> float:
        """Return the time from now to the expected end, in seconds; never below 0."""
        return max(0.0, self._ends_at_s - self._clock_s())


def duration(seconds: float) -> str:
    """Write a time as 1 h 05 min, 3 min 20 s or 45 s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole} s"
