"""Wires in virtual time."""

import asyncio

import pytest

from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.core.messages import Accept, Message
from actors.sim.clock import VirtualClock
from actors.sim.wires import Wires, WireTransport
from actors.transport.codec import encode
from actors.transport.framing import FRAME_BYTES_MIN

A, B, C = Address("replica", 0), Address("replica", 1), Address("coordinator", 1)
ONE, TWO = Accept(0, 1), Accept(0, 2)
SIZE = len(encode(ONE))


class End:
    """Remembers what arrives."""

    def __init__(self, me: Address, wires: Wires) -> None:
        self.received_from: list[tuple[Address, list[Message], list[int]]] = []
        self.transport = WireTransport(me, wires, self)

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        self.received_from.append((sender, messages, sizes))

    def connected(self, peer: Address) -> None: ...

    def disconnected(self, peer: Address) -> None: ...


@pytest.fixture
def wires() -> Wires:
    return Wires(VirtualClock())


def test_messages_arrive_together_in_order_and_in_no_time(wires: Wires) -> None:
    a, b = End(A, wires), End(B, wires)
    assert a.transport.send(B, [encode(ONE), encode(TWO)])
    assert a.transport.send(B, [encode(TWO)])
    assert b.received_from == [], "nothing is delivered from within the sender's step"
    wires.clock.run(0.0)
    assert b.received_from == [(A, [ONE, TWO], [SIZE, SIZE]), (A, [TWO], [SIZE])]


def test_nobody_is_reached_who_is_not_there(wires: Wires) -> None:
    a = End(A, wires)
    assert not a.transport.send(B, [encode(ONE), encode(TWO)], apart=True)
    assert a.transport.counts()["frames_dropped"] == 2


def test_whoever_leaves_loses_what_is_under_way_and_so_does_who_takes_the_place(
    wires: Wires,
) -> None:
    a, b = End(A, wires), End(B, wires)
    a.transport.send(B, [encode(ONE)])
    asyncio.run(b.transport.close())
    again = End(B, wires)
    wires.clock.run(0.0)
    assert b.received_from == again.received_from == []


def test_whoever_was_replaced_may_still_leave(wires: Wires) -> None:
    a, old, new = End(A, wires), End(B, wires), End(B, wires)
    asyncio.run(old.transport.close())
    a.transport.send(B, [encode(ONE)])
    wires.clock.run(0.0)
    assert len(new.received_from) == 1


@pytest.mark.parametrize(("apart", "frames"), [(False, 1), (True, 2)])
def test_frames_are_counted_with_their_framing(wires: Wires, apart: bool, frames: int) -> None:
    a, b = End(A, wires), End(B, wires)
    a.transport.send(B, [encode(ONE), encode(TWO)], apart=apart)
    wires.clock.run(0.0)
    size = 2 * SIZE + frames * FRAME_BYTES_MIN
    sent, arrived = a.transport.counts(), b.transport.counts()
    assert (sent["network_frames_out"], sent["network_bytes_out"]) == (frames, size)
    assert (arrived["network_frames_in"], arrived["network_bytes_in"]) == (frames, size)


def test_what_stays_on_a_host_is_counted_apart(wires: Wires) -> None:
    b, c = End(B, wires), End(C, wires)
    b.transport.send(C, [encode(ONE)])
    wires.clock.run(0.0)
    assert b.transport.counts()["local_frames_out"] == c.transport.counts()["local_frames_in"] == 1
    assert b.transport.counts()["network_frames_out"] == 0


def test_garbage_ends_the_simulation(wires: Wires) -> None:
    """No correct node sends any: this is a bug, not a peer to be disconnected."""
    a, _ = End(A, wires), End(B, wires)
    a.transport.send(B, [b"garbage"])
    with pytest.raises(RemoteProtocolError):
        wires.clock.run(0.0)
