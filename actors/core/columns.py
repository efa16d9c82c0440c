"""Requests and replies as columns: one contiguous buffer, never one Python object per request.

A `Cells` is a column of byte strings. A `Columns` adds to each cell the client it belongs to and
that client's sequence number. Layout of an encoded `Columns`, little-endian, all integers u32:

    count | size | clients[count] | sequences[count] | (sizes[count]) | bytes

`size` is the length of every cell, or `VARIED`, and only then is `sizes` there.
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.core.errors import RemoteProtocolError

U32 = np.dtype("<u4")
VARIED = 0xFFFF_FFFF
HEADER = struct.Struct("<II")
HEADER_BYTES = HEADER.size
ROW_BYTES = 8
"""Bytes that every request carries beside its payload: client and sequence."""

FRAME_BYTES = 1 << 20
"""About the most that clients and hosts send each other in one frame."""

U32s = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
Rows = NDArray[np.intp] | NDArray[np.bool_]


class Cells:
    """A column of byte strings: `size` for all, or `sizes` one by one, over one flat buffer."""

    __slots__ = ("count", "flat", "size", "sizes")

    def __init__(self, count: int, size: int, sizes: U32s | None, flat: Bytes) -> None:
        self.count = count
        self.size = size
        self.sizes = sizes
        self.flat = flat

    @classmethod
    def uniform(cls, matrix: Bytes) -> "Cells":
        """Make cells of one size from a matrix of shape (count, size)."""
        return cls(matrix.shape[0], matrix.shape[1], None, np.ascontiguousarray(matrix).reshape(-1))

    @classmethod
    def of(cls, values: Sequence[bytes]) -> "Cells":
        """Make cells from byte strings, one object each: for services, not for the hot path."""
        flat = np.frombuffer(b"".join(values), np.uint8)
        lengths = {len(value) for value in values}
        if len(lengths) == 1:
            return cls(len(values), lengths.pop(), None, flat)
        return cls(len(values), VARIED, np.fromiter(map(len, values), U32, len(values)), flat)

    @property
    def matrix(self) -> Bytes:
        """The cells as a matrix of shape (count, size); only for cells of one size."""
        assert self.sizes is None
        return self.flat.reshape(self.count, self.size)

    @property
    def lengths(self) -> U32s:
        """Length of each cell in bytes, shape (count,)."""
        if self.sizes is not None:
            return self.sizes
        return np.full(self.count, self.size, U32)

    def values(self) -> Iterator[bytes]:
        """Yield each cell as a byte string: for services, not for the hot path."""
        flat = self.flat.tobytes()
        if self.sizes is None:
            for start in range(0, self.count * self.size, self.size or 1):
                yield flat[start : start + self.size]
            if not self.size:
                yield from [b""] * self.count
            return
        start = 0
        for length in self.sizes.tolist():
            yield flat[start : start + length]
            start += length

    def slice(self, start: int, stop: int) -> "Cells":
        """Return the cells in [start, stop) without copying them."""
        if self.sizes is None:
            flat = self.flat[start * self.size : stop * self.size]
            return Cells(stop - start, self.size, None, flat)
        first = int(self.sizes[:start].sum())
        sizes = self.sizes[start:stop]
        return Cells(stop - start, VARIED, sizes, self.flat[first : first + int(sizes.sum())])

    def take(self, rows: Rows) -> "Cells":
        """Return a copy of the chosen cells, by index or by mask."""
        if self.sizes is None:
            return Cells.uniform(self.matrix[rows])
        ends = np.cumsum(self.sizes, dtype=np.int64)
        sizes = self.sizes[rows]
        starts = (ends - self.sizes)[rows]
        ends_taken = np.cumsum(sizes, dtype=np.int64)
        offsets = np.arange(int(sizes.sum())) - np.repeat(ends_taken - sizes, sizes)
        return Cells(len(sizes), VARIED, sizes, self.flat[np.repeat(starts, sizes) + offsets])

    @staticmethod
    def concatenate(parts: Sequence["Cells"]) -> "Cells":
        """Join columns, keeping one size for all where they share it."""
        count = sum(part.count for part in parts)
        flat = np.concatenate([part.flat for part in parts])
        size = parts[0].size
        if size != VARIED and all(part.size == size for part in parts):
            return Cells(count, size, None, flat)
        return Cells(count, VARIED, np.concatenate([part.lengths for part in parts]), flat)


class Columns:
    """Requests (or replies): client, sequence and cell of each. Shapes (count,)."""

    __slots__ = ("cells", "clients", "sequences")

    def __init__(self, clients: U32s, sequences: U32s, cells: Cells) -> None:
        self.clients = clients
        self.sequences = sequences
        self.cells = cells

    def __len__(self) -> int:
        return len(self.clients)

    @property
    def encoded_bytes(self) -> int:
        """Length of `encode()`."""
        sizes = 0 if self.cells.sizes is None else 4 * len(self)
        return HEADER_BYTES + ROW_BYTES * len(self) + sizes + len(self.cells.flat)

    def encode(self) -> bytes:
        """Return the buffer described at the head of this module."""
        cells = self.cells
        header = HEADER.pack(len(self), cells.size)
        sizes = b"" if cells.sizes is None else cells.sizes.data
        columns = (self.clients.data, self.sequences.data, sizes, cells.flat.data)
        return b"".join((header, *columns))

    @classmethod
    def decode(cls, buffer: bytes) -> "Columns":
        """Read an encoded buffer without copying it.

        Raises RemoteProtocolError unless the buffer is exactly as long as it says it is.
        """
        count, size = cls.header(buffer)
        varied = size == VARIED
        fixed = HEADER_BYTES + count * (ROW_BYTES + (4 if varied else size))
        if len(buffer) < fixed or (not varied and len(buffer) != fixed):
            raise RemoteProtocolError(f"columns of {count} rows do not fit {len(buffer)} bytes")
        numbers = np.frombuffer(buffer, U32, 2 * count, HEADER_BYTES)
        clients, sequences = numbers[:count], numbers[count:]
        if not varied:
            flat = np.frombuffer(buffer, np.uint8, count * size, HEADER_BYTES + ROW_BYTES * count)
            return cls(clients, sequences, Cells(count, size, None, flat))
        sizes = np.frombuffer(buffer, U32, count, HEADER_BYTES + ROW_BYTES * count)
        total = int(sizes.sum(dtype=np.uint64))
        if len(buffer) != fixed + total:
            raise RemoteProtocolError(f"cells of {total} bytes do not fit {len(buffer)} bytes")
        flat = np.frombuffer(buffer, np.uint8, total, fixed)
        return cls(clients, sequences, Cells(count, VARIED, sizes, flat))

    @staticmethod
    def header(buffer: bytes) -> tuple[int, int]:
        """Return the count and the size that an encoded buffer begins with."""
        if len(buffer) < HEADER_BYTES:
            raise RemoteProtocolError(f"columns of {len(buffer)} bytes have no header")
        count, size = HEADER.unpack_from(buffer)
        return count, size

    @classmethod
    def check(cls, buffer: bytes, clients_max: int) -> None:
        """Raise RemoteProtocolError unless the buffer decodes and names clients below a limit.

        Cheap for a buffer of one row, which is a frame of its own where requests share none.
        """
        count, size = cls.header(buffer)
        if count == 1 and len(buffer) == HEADER_BYTES + ROW_BYTES + size:
            if int.from_bytes(buffer[8:12], "little") >= clients_max:
                raise RemoteProtocolError(f"a client id is beyond {clients_max - 1}")
            return
        columns = cls.decode(buffer)
        if not len(columns):
            raise RemoteProtocolError("columns without a row")
        if int(columns.clients.max()) >= clients_max:
            raise RemoteProtocolError(f"a client id is beyond {clients_max - 1}")

    @classmethod
    def decode_all(cls, buffers: Sequence[bytes]) -> "Columns":
        """Read several encoded buffers as one, fast also where each holds a single row.

        Raises RemoteProtocolError as `decode` does.
        """
        if len(buffers) == 1:
            return cls.decode(buffers[0])
        first = buffers[0]
        if all(len(buffer) == len(first) for buffer in buffers):
            head = cls.decode(first)
            if len(head) == 1 and head.cells.sizes is None:
                matrix = np.frombuffer(b"".join(buffers), np.uint8).reshape(
                    len(buffers), len(first)
                )
                if (matrix[:, :HEADER_BYTES] == matrix[0, :HEADER_BYTES]).all():
                    return cls._from_single_rows(matrix)
        return cls.concatenate([cls.decode(buffer) for buffer in buffers])

    @classmethod
    def _from_single_rows(cls, matrix: Bytes) -> "Columns":
        numbers = np.ascontiguousarray(matrix[:, HEADER_BYTES : HEADER_BYTES + ROW_BYTES]).view(U32)
        cells = Cells.uniform(matrix[:, HEADER_BYTES + ROW_BYTES :])
        return cls(np.ascontiguousarray(numbers[:, 0]), np.ascontiguousarray(numbers[:, 1]), cells)

    def slice(self, start: int, stop: int) -> "Columns":
        """Return the rows in [start, stop) without copying them."""
        return Columns(
            self.clients[start:stop], self.sequences[start:stop], self.cells.slice(start, stop)
        )

    def take(self, rows: Rows) -> "Columns":
        """Return a copy of the chosen rows, by index or by mask."""
        return Columns(self.clients[rows], self.sequences[rows], self.cells.take(rows))

    def frames(self, rows_max: int, bytes_max: int = FRAME_BYTES) -> Iterator[bytes]:
        """Yield encoded buffers of up to `rows_max` rows (0 = any) and about `bytes_max` bytes."""
        if len(self) == 1:
            yield self.encode()
            return
        if rows_max == 1 and self.cells.sizes is None:
            yield from self._single_rows()
            return
        rest = self
        while len(rest):
            first, rest = rest.split(rest.rows_within(bytes_max, rows_max))
            yield first.encode()

    def _single_rows(self) -> Iterator[bytes]:
        """Yield each row as a buffer of its own: all are laid out at once, then cut."""
        length = HEADER_BYTES + ROW_BYTES + self.cells.size
        matrix = np.empty((len(self), length), np.uint8)
        matrix[:, :HEADER_BYTES] = np.frombuffer(HEADER.pack(1, self.cells.size), np.uint8)
        matrix[:, HEADER_BYTES : HEADER_BYTES + 4] = self.clients.view(np.uint8).reshape(-1, 4)
        matrix[:, HEADER_BYTES + 4 : HEADER_BYTES + 8] = self.sequences.view(np.uint8).reshape(
            -1, 4
        )
        matrix[:, HEADER_BYTES + ROW_BYTES :] = self.cells.matrix
        flat = matrix.tobytes()
        return (flat[start : start + length] for start in range(0, len(flat), length))

    @staticmethod
    def concatenate(parts: Sequence["Columns"]) -> "Columns":
        """Join rows in the order given; at least one part."""
        if len(parts) == 1:
            return parts[0]
        return Columns(
            np.concatenate([part.clients for part in parts]),
            np.concatenate([part.sequences for part in parts]),
            Cells.concatenate([part.cells for part in parts]),
        )

    def split(self, rows: int) -> tuple["Columns", "Columns"]:
        """Return the first `rows` rows and the rest, without copying them."""
        if rows == len(self):
            return self, EMPTY
        return self.slice(0, rows), self.slice(rows, len(self))

    def rows_within(self, bytes_max: int, rows_max: int = 0) -> int:
        """Return how many leading rows, up to `rows_max` (0 = any), encode to `bytes_max` bytes.

        At least one.
        """
        if len(self) == 1:
            return 1
        room = bytes_max - HEADER_BYTES
        if self.cells.sizes is None:
            rows = room // (ROW_BYTES + self.cells.size)
        else:
            ends = np.cumsum(self.cells.sizes + np.uint32(ROW_BYTES + 4), dtype=np.int64)
            rows = int(np.searchsorted(ends, room, "right"))
        return max(1, min(rows, rows_max or rows, len(self)))


EMPTY = Columns(np.zeros(0, U32), np.zeros(0, U32), Cells(0, 0, None, np.zeros(0, np.uint8)))
