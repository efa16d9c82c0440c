"""Arrays indexed by client that grow with the clients seen."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def grown(table: NDArray[Scalar], index: int) -> NDArray[Scalar]:
    """Return a table that has `index` on its first axis; what is new is zero."""
    if index < len(table):
        return table
    length = max(1024, 1 << (index + 1).bit_length())
    bigger = np.zeros((length, *table.shape[1:]), table.dtype)
    bigger[: len(table)] = table
    return bigger


class LastRows:
    """Finds repeated clients among rows without sorting them."""

    def __init__(self) -> None:
        self._row_of: NDArray[np.int64] = np.zeros(0, np.int64)

    def mask(self, clients: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return, shape (rows,), whether each row is the last one of its client."""
        if not len(clients):
            return np.zeros(0, np.bool_)
        self._row_of = grown(self._row_of, int(clients.max()))
        rows = np.arange(len(clients))
        self._row_of[clients] = rows
        is_last: NDArray[np.bool_] = self._row_of[clients] == rows
        return is_last
