"""Finding what matters among rows at the cost of a few array operations."""

import numpy as np
from numpy.typing import NDArray


def all_true(mask: NDArray[np.bool_]) -> bool:
    """Say whether no row is false; several times faster than `mask.all()` on short masks."""
    return int(np.count_nonzero(mask)) == len(mask)


class LastRows:
    """Finds repeated clients among rows without sorting them. Clients are below `clients`."""

    def __init__(self, clients: int) -> None:
        self._row_of = np.zeros(clients, np.int32)
        self._numbers = np.arange(1024, dtype=np.int32)

    def mask(self, clients: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return, shape (rows,), whether each row is the last one of its client."""
        if len(clients) > len(self._numbers):
            self._numbers = np.arange(2 * len(clients), dtype=np.int32)
        rows = self._numbers[: len(clients)]
        self._row_of[clients] = rows
        is_last: NDArray[np.bool_] = self._row_of[clients] == rows
        return is_last
