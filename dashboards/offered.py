"""Open-loop load: the points of a sweep by what they were offered."""

import pandas as pd

from experiments.linter import kept_up


def open_loop(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points with open-loop clients, from the least offered load to the most.

    `points` as `experiments.summarise.summary` makes them; gets the column `kept_up` (bool). The
    latency of a point that did not says how long the run lasted, not how fast the system is.
    """
    arriving = points[points["arrival_rate_rps"] > 0].sort_values("arrival_rate_rps")
    return arriving.assign(kept_up=kept_up(arriving))
