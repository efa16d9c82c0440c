"""Ids of batches: how a value carries them, and sets of them with gaps."""

from collections.abc import Iterator

import numpy as np

from actors.core.errors import RemoteProtocolError
from actors.core.ids import BatchId

ID_DTYPE = np.dtype([("origin", "<u2"), ("sequence", "<u8")])
ID_BYTES = ID_DTYPE.itemsize


def encode_ids(batches: list[BatchId]) -> bytes:
    """Return the value that orders `batches`: 10 bytes each (u16 origin, u64 sequence)."""
    return np.array(batches, ID_DTYPE).tobytes()


def decode_ids(value: bytes) -> list[BatchId]:
    """Read an encoded value; raises RemoteProtocolError where it is not one."""
    if len(value) % ID_BYTES:
        raise RemoteProtocolError(f"{len(value)} bytes are no list of batch ids")
    return [BatchId(*row) for row in np.frombuffer(value, ID_DTYPE).tolist()]


class Sequences:
    """A set of sequences of one origin: all up to `upto`, and some beyond."""

    def __init__(self) -> None:
        self.upto = 0
        self._beyond: set[int] = set()

    def copy(self) -> "Sequences":
        """Return an independent copy."""
        other = Sequences()
        other.upto = self.upto
        other._beyond = set(self._beyond)
        return other

    def __contains__(self, sequence: int) -> bool:
        return sequence <= self.upto or sequence in self._beyond

    def add(self, sequence: int) -> bool:
        """Add one; return whether it was new."""
        if sequence in self:
            return False
        self._beyond.add(sequence)
        self._close_gap()
        return True

    def _close_gap(self) -> None:
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self._beyond.remove(self.upto)

    def update(self, other: "Sequences") -> None:
        """Add all of another set."""
        self._beyond |= other._beyond
        self.upto = max(self.upto, other.upto)
        self._beyond = {sequence for sequence in self._beyond if sequence > self.upto}
        self._close_gap()

    def parts(self) -> tuple[int, list[int]]:
        """Return up to where the set has all, and what it has beyond."""
        return self.upto, sorted(self._beyond)

    @classmethod
    def of(cls, upto: int, beyond: list[int]) -> "Sequences":
        """Make a set of its parts."""
        sequences = cls()
        sequences.upto = upto
        sequences._beyond = set(beyond)
        return sequences

    def missing(self, last: int) -> Iterator[int]:
        """Yield what the set lacks up to `last`, in order."""
        return (s for s in range(self.upto + 1, last + 1) if s not in self._beyond)
