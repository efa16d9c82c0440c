import itertools
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.errors import LocalProtocolError, RemoteProtocolError
from actors.transport.framing import READ_BYTES, FrameReader, bodies, frame, frames

LIMIT = 1000


def feed(reader: FrameReader, chunk: bytes) -> list[bytes]:
    """Give a chunk of the stream to a reader, as a socket would; return the bodies it completes."""
    bodies = []
    while chunk:
        room = reader.room()
        count = min(len(room), len(chunk))
        room[:count] = chunk[:count]
        reader.filled(count)
        chunk = chunk[count:]
        bodies += [bytes(body) for body in reader.bodies()]
    return bodies


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut a stream at any places."""
    ends = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in itertools.pairwise(ends)]


@given(st.lists(st.binary(max_size=LIMIT), max_size=20), st.lists(st.integers(0), max_size=20))
def test_any_chunking_of_a_stream_gives_the_same_bodies(bodies: list[bytes], places: list[int]):
    reader = FrameReader(LIMIT)
    stream = b"".join(frame(body) for body in bodies)
    assert [body for chunk in cut(stream, places) for body in feed(reader, chunk)] == bodies
    assert not reader.is_mid_frame


def test_one_byte_at_a_time_is_enough() -> None:
    reader = FrameReader(LIMIT)
    stream = frame(b"first") + frame(b"") + frame(b"third")
    arrived = [body for place in range(len(stream)) for body in feed(reader, stream[place:][:1])]
    assert arrived == [b"first", b"", b"third"]


@pytest.mark.parametrize("size", [READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5 * READ_BYTES])
def test_frames_larger_than_the_buffer_make_it_grow(size: int) -> None:
    reader = FrameReader(10 * READ_BYTES)
    bodies = [bytes([fill]) * size for fill in range(3)]
    assert feed(reader, b"".join(frame(body) for body in bodies)) == bodies


def test_a_frame_of_the_largest_size_passes_and_one_byte_more_does_not() -> None:
    assert feed(FrameReader(LIMIT), frame(bytes(LIMIT))) == [bytes(LIMIT)]
    with pytest.raises(RemoteProtocolError):
        feed(FrameReader(LIMIT), frame(bytes(LIMIT + 1)))


def test_a_frame_that_is_too_large_is_refused_by_its_length_alone() -> None:
    """Nobody can make a reader allocate or wait for more than it allows."""
    reader = FrameReader(LIMIT)
    with pytest.raises(RemoteProtocolError):
        feed(reader, struct.pack("<I", 0xFFFF_FFFF))
    assert len(FrameReader(LIMIT).room()) <= LIMIT + 4


def test_raising_the_limit_applies_to_what_was_read_before() -> None:
    """The frame behind a handshake may be large, and a part of it may come with the handshake."""
    reader = FrameReader(8)
    stream = frame(b"hello") + frame(bytes(LIMIT))
    room = reader.room()
    room[:] = stream[: len(room)]
    reader.filled(len(room))
    assert next(reader.bodies()) == b"hello"
    reader.frame_bytes_max = LIMIT
    assert list(reader.bodies()) == []
    assert reader.is_mid_frame
    assert feed(reader, stream[len(room) :]) == [bytes(LIMIT)]


@given(st.lists(st.binary(min_size=1, max_size=500), max_size=30))
def test_packing_keeps_every_byte_in_order_and_every_frame_within_the_limit(encoded: list[bytes]):
    reader = FrameReader(LIMIT)
    bodies = [body for each in frames(encoded, LIMIT) for body in feed(reader, each)]
    payloads = [body[1 if body[0] < 0xDC else 3 :] for body in bodies]
    assert b"".join(payloads) == b"".join(encoded)


def test_frames_that_came_whole_are_cut_and_what_is_not_whole_is_refused() -> None:
    stream = frame(b"one") + frame(b"") + frame(b"two")
    assert [*map(bytes, bodies(memoryview(stream), LIMIT))] == [b"one", b"", b"two"]
    with pytest.raises(RemoteProtocolError, match="cut off"):
        list(bodies(memoryview(stream[:-1]), LIMIT))
    with pytest.raises(RemoteProtocolError, match="frame of"):
        list(bodies(memoryview(frame(bytes(LIMIT + 1))), LIMIT))


def test_nothing_to_send_makes_no_frame() -> None:
    assert list(frames([], LIMIT)) == []


def test_a_message_too_large_for_a_frame_is_the_callers_fault() -> None:
    assert len(list(frames([bytes(LIMIT - 1)], LIMIT))) == 1
    with pytest.raises(LocalProtocolError):
        list(frames([bytes(LIMIT)], LIMIT))
