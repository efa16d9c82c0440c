"""Who is there: the first frame in each direction, before anything else is believed.

The dialler introduces itself first; only to a peer that knows the secret does the listener answer.
"""

import hmac
from typing import Annotated

import msgspec

from actors.core.config import FLEETS_MAX
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Role

VERSION = 1
"""Version of the wire: frames, handshake and messages."""

HELLO_BYTES_MAX = 1024

STRANGERS_MAX = 1024
"""Connections that may be waiting for the peer to introduce itself."""

ADDRESSES_PER_ROLE_MAX = FLEETS_MAX
"""More replicas than fleets there never are; without a limit one peer could be any number."""


class Hello(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A peer says who it is and proves that it belongs to this run."""

    version: int
    secret: bytes
    role: Role
    number: Annotated[int, msgspec.Meta(ge=0, lt=ADDRESSES_PER_ROLE_MAX)]


_hello = msgspec.msgpack.Decoder(Hello)


def introduce(me: Address, secret: bytes) -> bytes:
    """Return the body of the first frame that `me` sends."""
    return msgspec.msgpack.encode(Hello(VERSION, secret, me.role, me.number))


def authenticate(body: bytes | memoryview, secret: bytes) -> Address:
    """Return who sent the first frame; raises RemoteProtocolError unless it knows the secret.

    No error repeats what the peer sent, since it goes to the log and the peer may be anybody.
    """
    try:
        hello = _hello.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise RemoteProtocolError("malformed handshake") from None
    if not hmac.compare_digest(hello.secret, secret):
        raise RemoteProtocolError("wrong secret")
    if hello.version != VERSION:
        raise RemoteProtocolError(f"wire version {hello.version}, expected {VERSION}")
    return Address(hello.role, hello.number)
