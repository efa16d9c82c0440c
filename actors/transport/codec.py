"""Messages to bytes and back: msgpack, checked against the types of `actors.core.messages`."""

import msgspec

from actors.core.errors import RemoteProtocolError
from actors.core.messages import Message, Wire

ARRAY_OF_ONE = 0x91
"""First byte of a frame's body that holds a single message."""

_encoder = msgspec.msgpack.Encoder()
_only: msgspec.msgpack.Decoder[list[Message]] = msgspec.msgpack.Decoder(list[Message])
_message: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])


def encode(message: Wire) -> bytes:
    """Return `message` as it stands in a frame, for any number of receivers."""
    return _encoder.encode(message)


def decode(encoded: bytes) -> Message:
    """Return an encoded message; raises RemoteProtocolError unless it is a well-typed one."""
    try:
        return _message.decode(encoded)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"message of {len(encoded)} bytes: {error}") from error


def decode_frame(body: bytes | memoryview) -> tuple[list[Message], list[int]]:
    """Return the messages of a frame's body, copied out of it, and the size of each in bytes.

    Raises RemoteProtocolError unless the body is an array of well-typed messages.
    """
    try:
        # Small frames mostly hold one message: not to cut those first halves the cost.
        if len(body) > 0 and body[0] == ARRAY_OF_ONE:
            return _only.decode(body), [len(body) - 1]
        parts = _parts.decode(body)
        return [_message.decode(part) for part in parts], [len(part) for part in parts]
    except (msgspec.DecodeError, RecursionError) as error:  # Deeply nested garbage recurses.
        raise RemoteProtocolError(f"frame of {len(body)} bytes: {error}") from error
