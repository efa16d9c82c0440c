"""Open-loop load: which points of a sweep kept up with what they were offered."""

import pandas as pd

KEPT_UP_SHARE = 0.97
"""A point that answers less than this share of what is offered is overloaded.

Its latency says how long the run lasted, not how fast the system is: what waits grows all the time.
"""
CHANCE = 3.0
"""Standard deviations by which fewer requests may arrive than are offered, by chance alone."""


def open_loop(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points with open-loop clients, from the least offered load to the most.

    `points` as `experiments.summarise.summary` makes them; gets the column `kept_up` (bool).
    """
    arriving = points[points["arrival_rate_rps"] > 0].sort_values("arrival_rate_rps")
    offered = arriving["arrival_rate_rps"] * arriving["duration_s"]
    answered = arriving["throughput_rps"] * arriving["duration_s"]
    # As many arrive as a Poisson process has them: their number has a variance equal to its mean.
    return arriving.assign(kept_up=answered >= KEPT_UP_SHARE * offered - CHANCE * offered**0.5)
