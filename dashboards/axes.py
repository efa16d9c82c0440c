"""Logarithmic axes that have labels however little they span."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dashboards import theme

_LABELLED = np.outer(10.0 ** np.arange(-6, 12), [1, 2, 5]).ravel()


def between_labels(title: str, values: ArrayLike, ticks: str = theme.SI_TICKS) -> dict[str, Any]:
    """Return the axis that `theme.log_axis` does, from a label below all values to one above."""
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    axis = theme.log_axis(title, numbers, ticks)
    if not numbers.size:
        return axis
    last = len(_LABELLED) - 1
    low = max(0, int(np.searchsorted(_LABELLED, numbers.min(), "right")) - 1)
    high = min(last, max(low + 1, int(np.searchsorted(_LABELLED, numbers.max()))))
    axis["range"] = np.log10(_LABELLED[[low, high]]).tolist()
    if high == low + 1:
        axis["tickvals"] = _between(*_LABELLED[[low, high]])
    return axis


def _between(low: float, high: float) -> list[float]:
    """Return the ticks from one label to the next: what is between the two can be read, too."""
    steps = 3 if high > 2.1 * low else 5  # From 2 to 5, or from 1 to 2 and from 5 to 10.
    ticks: list[float] = np.linspace(low, high, steps + 1).tolist()
    return ticks
