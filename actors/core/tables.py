"""Finding what matters among rows at the cost of a few array operations.

A single row is common where clients are few, and has a shorter way through everything here.
"""

import numpy as np
from numpy.typing import NDArray

ONE_TRUE = np.ones(1, np.bool_)
ONE_TRUE.flags.writeable = False


def all_true(mask: NDArray[np.bool_]) -> bool:
    """Say whether no row is false; several times faster than `mask.all()` on short masks."""
    rows = len(mask)
    return mask.item() if rows == 1 else int(np.count_nonzero(mask)) == rows


def places(clients: NDArray[np.uint32]) -> NDArray[np.uint32] | slice:
    """Return an index of the rows of `clients` in a table: for one it is a slice, the faster one.

    What is read with a slice is no copy: it changes when the table does.
    """
    if len(clients) != 1:
        return clients
    client = clients.item()
    return slice(client, client + 1)


class LastRows:
    """Finds repeated clients among rows without sorting them. Clients are below `clients`."""

    def __init__(self, clients: int) -> None:
        self._row_of = np.zeros(clients, np.int32)
        self._numbers = np.arange(1024, dtype=np.int32)

    def mask(self, clients: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return, shape (rows,), whether each row is the last one of its client."""
        if len(clients) == 1:
            return ONE_TRUE
        if len(clients) > len(self._numbers):
            self._numbers = np.arange(2 * len(clients), dtype=np.int32)
        rows = self._numbers[: len(clients)]
        self._row_of[clients] = rows
        is_last: NDArray[np.bool_] = self._row_of[clients] == rows
        return is_last
