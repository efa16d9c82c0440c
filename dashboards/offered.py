"""Open-loop load: which points of a sweep kept up with what they were offered."""

import pandas as pd

KEPT_UP_SHARE = 0.97
"""A point that answers less than this share of what arrives is overloaded.

Its latency says how long the run lasted, not how fast the system is: what waits grows all the time.
"""


def open_loop(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points with open-loop clients, from the least offered load to the most.

    `points` as `experiments.summarise.summary` makes them; gets the column `kept_up` (bool).
    """
    arriving = points[points["arrival_rate_rps"] > 0].sort_values("arrival_rate_rps")
    answered = arriving["throughput_rps"] / arriving["arrival_rate_rps"]
    return arriving.assign(kept_up=answered >= KEPT_UP_SHARE)
