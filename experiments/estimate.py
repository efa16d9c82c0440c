"""How long runs take: known from their configuration, but for an overhead that is learnt."""

import time
from collections.abc import Callable, Sequence

from experiments.sweep import Run
from experiments.workers import cores

OVERHEAD_S = 4.0
"""Time that a run takes beside its load, until it was measured."""

SIMULATED_S = 1.5
"""Time that a simulated run takes, about: that depends on its messages, not on its load."""


def expected_s(runs: Sequence[Run], at_once: int | None = None) -> float:
    """Return the time that `runs` take in all, in seconds, before any of them was measured.

    So many in virtual time are under way at once: one a core of this machine unless given.
    """
    return Countdown(runs, lambda: 0.0, at_once or cores()).remaining_s()


def _load_s(run: Run) -> float:
    """Return how long a run's load takes by the clock on the wall, if it is not simulated."""
    return run.config.load_s * run.config.dilation


class Countdown:
    """The time to the end of some runs, corrected after each of them.

    Runs in virtual time take as long as those before them, and as many are under way at once as
    ever were: `at_once` to begin with.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        clock_s: Callable[[], float] = time.monotonic,
        at_once: int = 1,
    ) -> None:
        live = [run for run in runs if not _is_simulated(run)]
        self._clock_s = clock_s
        self._live = len(live)
        self._load_s = sum(map(_load_s, live))
        self._simulated = len(runs) - len(live)
        self._overhead_s = _Mean(OVERHEAD_S)
        self._simulated_s = _Mean(SIMULATED_S)
        self._under_way = 0
        self._at_once = at_once
        self._correct()

    def started(self, run: Run) -> None:
        """Take into account that `run` begins."""
        if _is_simulated(run):
            self._under_way += 1
            if self._under_way > self._at_once:
                self._at_once = self._under_way
                self._correct()

    def finished(self, run: Run, wall_s: float) -> None:
        """Take into account that `run` took `wall_s` seconds."""
        if _is_simulated(run):
            self._under_way -= 1
            self._simulated -= 1
            self._simulated_s.add(wall_s)
        else:
            self._live -= 1
            self._load_s -= _load_s(run)
            self._overhead_s.add(max(0.0, wall_s - _load_s(run)))
        self._correct()

    def remaining_s(self) -> float:
        """Return the time from now to the expected end, in seconds; never below 0."""
        return max(0.0, self._ends_at_s - self._clock_s())

    def _correct(self) -> None:
        live_s = self._load_s + self._live * self._overhead_s.value
        # However many could be, no run takes less than its own time.
        rounds = self._simulated / min(self._at_once, max(1, self._simulated))
        simulated_s = rounds * self._simulated_s.value
        self._ends_at_s = self._clock_s() + live_s + simulated_s


class _Mean:
    """The mean of what is added, and a guess until then."""

    def __init__(self, guess: float) -> None:
        self.value = guess
        self._count = 0

    def add(self, value: float) -> None:
        self.value = (self.value * self._count + value) / (self._count + 1)
        self._count += 1


def _is_simulated(run: Run) -> bool:
    return run.config.backend == "sim"


def duration(seconds: float) -> str:
    """Write a time as 1 h 05 min, 3 min 20 s or 45 s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole} s"
