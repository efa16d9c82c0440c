import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.errors import RemoteProtocolError
from actors.core.messages import Accept, CaughtUp, Message, Requests
from actors.transport.codec import decode, decode_frame, encode
from actors.transport.framing import frames
from tests.actors.transport.strategies import MESSAGE_TYPES, messages, struct

FRAME_BYTES_MAX = 1 << 20


def body_of(encoded: list[bytes]) -> bytes:
    [frame] = frames(encoded, FRAME_BYTES_MAX)
    return frame[4:]


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
@given(data=st.data())
def test_every_message_type_survives_the_round_trip(kind: type, data: st.DataObject) -> None:
    message = data.draw(struct(kind))
    assert decode_frame(body_of([encode(message)])) == ([message], [len(encode(message))])


@given(messages)
def test_a_message_without_a_frame_survives_the_round_trip(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("garbage", [b"", b"\xc1", encode(Accept(1, 2))[:-1], b"\x91" * 5000])
def test_a_message_that_is_none_is_refused(garbage: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"message of {len(garbage)} bytes"):
        decode(garbage)


@given(st.lists(messages, min_size=1, max_size=40))
def test_messages_that_share_a_frame_keep_their_order_and_sizes(sent: list[Message]) -> None:
    encoded = [encode(message) for message in sent]
    assert decode_frame(body_of(encoded)) == (sent, [len(each) for each in encoded])


def test_an_array_of_any_length_is_announced_as_msgpack_demands() -> None:
    """The head of an array has three forms: up to 15 elements, up to 65,535, and beyond."""
    for count in (1, 15, 16, 65_535, 65_536):
        decoded, sizes = decode_frame(body_of([encode(Accept(1, 2))] * count))
        assert decoded == [Accept(1, 2)] * count
        assert sizes == [len(encode(Accept(1, 2)))] * count


def test_decoded_bytes_do_not_refer_to_the_buffer_that_they_came_in() -> None:
    buffer = bytearray(body_of([encode(Requests(b"abc")), encode(CaughtUp(0, [b"d"]))]))
    decoded, _ = decode_frame(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert decoded == [Requests(b"abc"), CaughtUp(0, [b"d"])]


WRONG_BODIES = {
    "empty": b"",
    "no array": msgspec.msgpack.encode({"view": 1}),
    "no message": msgspec.msgpack.encode([1]),
    "unknown tag": msgspec.msgpack.encode([[99, 1, 2]]),
    "missing field": msgspec.msgpack.encode([[4, 1]]),
    "text for a number": msgspec.msgpack.encode([[4, "1", 2]]),
    "fraction for a number": msgspec.msgpack.encode([[4, 1.0, 2]]),
    "text for bytes": msgspec.msgpack.encode([[10, "abc"]]),
    "wrong second message": msgspec.msgpack.encode([[4, 1, 2], [4, None, 2]]),
    "more messages than bytes": b"\xdd\xff\xff\xff\xff",
    "bytes after the array": msgspec.msgpack.encode([[4, 1, 2]]) + b"\x00",
    "nesting without end": b"\x92" + b"\x91" * 100_000,
    "pickle": b"\x80\x04N.",
}


@pytest.mark.parametrize("body", WRONG_BODIES.values(), ids=WRONG_BODIES.keys())
def test_a_body_that_is_no_array_of_messages_is_the_peers_fault(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_frame(body)


@given(st.binary(max_size=200))
def test_random_bodies_decode_or_are_the_peers_fault(body: bytes) -> None:
    try:
        decoded, sizes = decode_frame(body)
    except RemoteProtocolError:
        return
    assert len(decoded) == len(sizes)
    assert sum(sizes) < len(body)
