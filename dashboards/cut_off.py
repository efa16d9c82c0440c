"""Curves that failed runs cut off: those with loads of which no run counts.

Loads below all that count cut off nothing: no peak is there.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from dashboards.series import Series, split
from experiments.summarise import POINT, is_sound

_LOADS = ("clients", "arrival_rate_rps")


class CutOff(NamedTuple):
    """A curve, of runs, and the loads along it of which no run counts."""

    curve: Series
    lost: pd.DataFrame
    """The first run of each such load."""

    def is_of(self, point: Mapping[Hashable, Any]) -> bool:
        """Say whether a point of `experiments.summarise.summary` is one of the curve."""
        run = self.lost.iloc[0]
        return all(run[key] == point[key] for key in POINT if key not in _LOADS)


def cut_off(runs: pd.DataFrame) -> Iterator[CutOff]:
    """Yield the curves of closed loops, then of open ones; none where no run counts at all."""
    is_open = runs["arrival_rate_rps"] > 0
    if is_sound(runs).any():
        yield from _cut_off(runs[~is_open], "clients")
        yield from _cut_off(runs[is_open], "arrival_rate_rps")


def _cut_off(runs: pd.DataFrame, along: str) -> Iterator[CutOff]:
    for curve in split(runs, along):
        counted = curve.rows.loc[is_sound(curve.rows), along]
        lost = curve.rows[~curve.rows[along].isin(counted)].drop_duplicates(along)
        if counted.size:
            lost = lost[lost[along] > counted.min()]
        if len(lost):
            yield CutOff(curve, lost)
