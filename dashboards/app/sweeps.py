"""The sweeps that go on below a root, and which of them is followed."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dashboards.app.library import Library
from experiments.progress import SILENT_S, Progress

SEARCH_S = 1.0
"""Time between two looks at all folders: a page that follows a sweep asks more often."""


class Followed(NamedTuple):
    """The sweep that is followed."""

    name: str
    """That of its folder; empty where none goes on."""
    told: Progress | None
    silent_s: float
    """For how long it has told nothing new, as far as is known."""
    going_on: Sequence[str]
    """The names of all that can be followed, this one among them."""


class Ears:
    """Hears of the sweeps below a root, and for how long nothing new was heard of each.

    That is told by the clock here: whoever sweeps may have another.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._heard: dict[str, tuple[float, float]] = {}
        self._found: tuple[float, Sequence[str]] = -SEARCH_S, ()

    def follow(self, looked_at: Iterable[str]) -> Followed:
        """Follow the first sweep of those looked at that goes on, else the one that told last."""
        wanted = [name for name in looked_at if name]
        told = {
            name: progress
            for name in dict.fromkeys([*wanted, *self._sweeps()])
            if (progress := self._library.progress(name))
        }
        silent_s = {name: self._silent_s(name, progress) for name, progress in told.items()}
        if not told:
            return Followed("", None, 0.0, ())
        going_on = [name for name in told if silent_s[name] <= SILENT_S]
        # At the first look nothing is known but what they say themselves.
        last = min(told, key=lambda each: (silent_s[each], -told[each].told_at_s))
        name = next((each for each in wanted if each in going_on), last)
        return Followed(name, told[name], silent_s[name], sorted({name, *going_on}))

    def _sweeps(self) -> Sequence[str]:
        now_s = time.monotonic()
        looked_s, _ = self._found
        if now_s - looked_s >= SEARCH_S:
            self._found = now_s, self._library.sweeps()
        return self._found[1]

    def _silent_s(self, name: str, told: Progress) -> float:
        now_s = time.monotonic()
        told_at_s, heard_s = self._heard.get(name, (None, now_s))
        if told_at_s != told.told_at_s:
            heard_s = now_s
        self._heard[name] = told.told_at_s, heard_s
        return now_s - heard_s
