"""Frames on a byte stream: a little-endian u32 length, then a body of that many bytes.

The body that carries messages is one msgpack array of them. Nothing here does I/O.
"""

import struct
from collections.abc import Iterator, Sequence

from actors.core.errors import LocalProtocolError, RemoteProtocolError

LENGTH = struct.Struct("<I")
ARRAY_HEAD_BYTES_MAX = 5
FRAME_BYTES_MIN = LENGTH.size + 1
"""What a frame takes beside its messages, unless they are many."""

FULL_FRAME_BYTES = 1 << 20
"""Size at which another frame is begun, so that a receiver can start before all has arrived."""

READ_BYTES = 256 << 10
"""Capacity of a connection's buffer unless a single frame needs more: several large frames."""


class FrameReader:
    """Cuts a stream of bytes into bodies: fill `room()`, say how much, take `bodies()`.

    Its buffer never outgrows `READ_BYTES` or one frame, whichever is larger; `frame_bytes_max` may
    be raised while reading.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._buffer = memoryview(b"")
        self._start = 0
        self._stop = 0

    @property
    def is_mid_frame(self) -> bool:
        """Say whether a part of a frame has been read."""
        return self._start < self._stop

    def room(self) -> memoryview:
        """Return where the next bytes belong, never empty once the complete bodies are taken.

        Bodies that were taken before become invalid.
        """
        part = self._buffer[self._start : self._stop]
        capacity = self._capacity_needed()
        if capacity > len(self._buffer):
            self._buffer = memoryview(bytearray(capacity))
            self._buffer[: len(part)] = part
        elif self._start:
            self._buffer[: len(part)] = part
        self._start, self._stop = 0, len(part)
        return self._buffer[len(part) :]

    def read(self, stream: memoryview) -> None:
        """Cut what has been read elsewhere, and do not copy it."""
        self._buffer, self._start, self._stop = stream, 0, len(stream)

    def filled(self, count: int) -> None:
        """Note that the first `count` bytes of `room()` have been filled."""
        self._stop += count

    def bodies(self) -> Iterator[memoryview]:
        """Take the bodies that are complete, each valid until the next `room()`.

        Raises RemoteProtocolError as soon as the length of a frame is beyond `frame_bytes_max`.
        """
        while self._stop - self._start >= LENGTH.size:
            start = self._start + LENGTH.size
            stop = start + self._body_bytes()
            if stop > self._stop:
                return
            self._start = stop
            yield self._buffer[start:stop]

    def _body_bytes(self) -> int:
        length: int = LENGTH.unpack_from(self._buffer, self._start)[0]
        if length > self.frame_bytes_max:
            raise RemoteProtocolError(f"frame of {length} bytes, {self.frame_bytes_max} allowed")
        return length

    def _capacity_needed(self) -> int:
        body_bytes = min(READ_BYTES, self.frame_bytes_max)
        if self._stop - self._start >= LENGTH.size:
            body_bytes = max(body_bytes, self._body_bytes())
        return LENGTH.size + body_bytes


def bodies(stream: memoryview, frame_bytes_max: int) -> Iterator[memoryview]:
    """Yield the bodies of frames that came whole, one after the other.

    Raises RemoteProtocolError where one is beyond `frame_bytes_max`, or not all there.
    """
    reader = FrameReader(frame_bytes_max)
    reader.read(stream)
    yield from reader.bodies()
    if reader.is_mid_frame:
        raise RemoteProtocolError("a frame that is cut off")


def frames(
    encoded: Sequence[bytes], frame_bytes_max: int, *, apart: bool = False
) -> Iterator[bytes]:
    """Pack encoded messages into frames, in order: full ones, but no larger than allowed.

    With `apart` each message has a frame of its own. Raises LocalProtocolError if one message alone
    is too large for a frame.
    """
    if apart:
        for message in encoded:
            yield _frame((message,), len(message), frame_bytes_max)
        return
    room = min(FULL_FRAME_BYTES, frame_bytes_max) - ARRAY_HEAD_BYTES_MAX
    first, total = 0, 0
    for index, message in enumerate(encoded):
        if total + len(message) > room and index > first:
            yield _frame(encoded[first:index], total, frame_bytes_max)
            first, total = index, 0
        total += len(message)
    if total:
        yield _frame(encoded[first:], total, frame_bytes_max)


def require_fit(message: bytes, frame_bytes_max: int) -> None:
    """Raise LocalProtocolError if a message alone is too large for a frame."""
    _require_room(len(_array_head(1)) + len(message), frame_bytes_max)


def frame(body: bytes) -> bytes:
    """Return the frame of a body."""
    return LENGTH.pack(len(body)) + body


def _frame(messages: Sequence[bytes], messages_bytes: int, frame_bytes_max: int) -> bytes:
    array_head = _array_head(len(messages))
    body_bytes = len(array_head) + messages_bytes
    _require_room(body_bytes, frame_bytes_max)
    return b"".join([LENGTH.pack(body_bytes), array_head, *messages])


def _require_room(body_bytes: int, frame_bytes_max: int) -> None:
    if body_bytes > frame_bytes_max:
        raise LocalProtocolError(f"message of {body_bytes} bytes, {frame_bytes_max} allowed")


def _array_head(count: int) -> bytes:
    """Return how msgpack announces an array of `count` elements."""
    if count < 1 << 4:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
