import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.config import FLEETS_MAX
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Role
from actors.transport.handshake import VERSION, authenticate, introduce

SECRET = b"correct horse"


@pytest.mark.parametrize("role", ["replica", "coordinator", "fleet"])
def test_who_knows_the_secret_is_believed(role: Role) -> None:
    me = Address(role, 7)
    assert authenticate(introduce(me, SECRET), SECRET) == me


WRONG_HELLOS = {
    "wrong secret": [VERSION, b"wrong", "replica", 0],
    "prefix of the secret": [VERSION, SECRET[:-1], "replica", 0],
    "empty secret": [VERSION, b"", "replica", 0],
    "other version": [VERSION + 1, SECRET, "replica", 0],
    "unknown role": [VERSION, SECRET, "king", 0],
    "negative number": [VERSION, SECRET, "replica", -1],
    "number of nobody": [VERSION, SECRET, "fleet", FLEETS_MAX],
    "one field more": [VERSION, SECRET, "replica", 0, 0],
    "one field less": [VERSION, SECRET, "replica"],
    "secret as text": [VERSION, SECRET.decode(), "replica", 0],
}


@pytest.mark.parametrize("hello", WRONG_HELLOS.values(), ids=WRONG_HELLOS.keys())
def test_anything_else_is_refused(hello: list[object]) -> None:
    with pytest.raises(RemoteProtocolError):
        authenticate(msgspec.msgpack.encode(hello), SECRET)


def test_a_refusal_does_not_repeat_what_a_stranger_sent() -> None:
    """It is logged, and a stranger must not be able to write into the log."""
    hello = msgspec.msgpack.encode([VERSION, SECRET, "king\nroot logged in", 0])
    with pytest.raises(RemoteProtocolError) as refusal:
        authenticate(hello, SECRET)
    assert "root" not in str(refusal.value)
    assert SECRET.decode() not in str(refusal.value)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        authenticate(body, SECRET)
