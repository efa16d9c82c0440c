"""The rules at the head of `transport.base`, and that breaking them harms only who does it."""

import asyncio
import logging
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.errors import LocalProtocolError
from actors.core.ids import Address
from actors.core.messages import Accept, Alive, Decide, Message, Requests
from actors.transport.base import Endpoint, Transport
from actors.transport.codec import encode
from actors.transport.framing import frame, frames
from actors.transport.handshake import HELLO_BYTES_MAX, STRANGERS_MAX, introduce
from actors.transport.tcp import TcpTransport
from tests.actors.transport.peers import LOOPBACK, LOOPS, SECRET, Peer, Raw, closing, ping, run

A, B, C = (Address("replica", number) for number in range(3))
FLEET = Address("fleet", 0)
CHUNK = Requests(bytes(60_000))


def test_it_is_a_transport() -> None:
    transport: Transport = TcpTransport(
        A, SECRET, Peer(B).heard, frame_bytes_max=1, queue_bytes_max=1
    )
    assert transport.queued_bytes() == 0
    assert set(transport.counts().values()) == {0}


# --- Honest peers -------------------------------------------------------------------------------


def test_messages_arrive_in_order_both_ways_with_their_sizes(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b):
            await b.dial(a)
            sent = [Requests(bytes((7 * i * i) % 3000)) for i in range(3000)]
            for start in range(0, len(sent), 13):
                assert b.say(A, *sent[start : start + 13])
                assert a.say(B, *sent[start : start + 13])
            for one, other in ((a, b), (b, a)):
                await one.heard.until(
                    lambda one=one, other=other: len(one.heard.messages(other.me)) == len(sent)
                )
                assert one.heard.messages(other.me) == sent
                sizes = [size for _, _, sizes in one.heard.reads for size in sizes]
                assert sizes == [len(encode(message)) for message in sent]

    on_loop(test)


def test_small_frames_are_handed_over_together(on_loop) -> None:
    """A node's step is paid once for many frames: fewer reads than frames."""

    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b):
            await b.dial(a)
            sent = [Accept(0, instance) for instance in range(1000)]
            for message in sent:
                b.say(A, message)
            await a.heard.until(lambda: len(a.heard.messages(B)) == len(sent))
            assert a.heard.messages(B) == sent
            assert a.count("network_frames_in") == len(sent)
            assert len(a.heard.reads) < len(sent) / 2

    on_loop(test)


def test_messages_larger_than_any_buffer_arrive(on_loop) -> None:
    async def test() -> None:
        limit = 8 << 20
        a, b = await Peer(A, frame_bytes_max=limit).listen(), Peer(B, frame_bytes_max=limit)
        async with closing(a, b):
            await b.dial(a)
            sent = [Requests(bytes([fill]) * (limit - 8)) for fill in range(2)]
            b.say(A, sent[0], Accept(1, 1), sent[1])
            await a.heard.until(lambda: len(a.heard.messages(B)) == 3)
            assert a.heard.messages(B) == [sent[0], Accept(1, 1), sent[1]]
            with pytest.raises(LocalProtocolError):
                b.say(A, Requests(bytes(limit)))
            await ping(a, b)

    on_loop(test)


def test_a_broadcast_puts_the_same_bytes_on_every_connection(on_loop) -> None:
    """What the host encoded once is what travels: nothing is encoded per receiver."""

    async def test() -> None:
        a = await Peer(A).listen()
        async with closing(a):
            raws = [await Raw.introduced(a, peer) for peer in (B, C)]
            encoded = [encode(Decide(3, 14)), encode(CHUNK)]
            for peer in (B, C):
                assert a.transport.send(peer, encoded)
            [packed] = frames(encoded, 1 << 20)
            assert [await raw.body() for raw in raws] == [packed[4:]] * 2
            for raw in raws:
                raw.close()

    on_loop(test)


def test_both_sides_count_the_same_and_keep_their_host_apart(on_loop) -> None:
    async def test() -> None:
        replica, coordinator, other = Peer(A), Peer(Address("coordinator", A.number)), Peer(B)
        await replica.listen()
        async with closing(replica, coordinator, other):
            await coordinator.dial(replica)
            await other.dial(replica)
            await ping(coordinator, replica)
            other.say(A, CHUNK)
            await ping(other, replica)
            for what in ("frames", "bytes"):
                assert coordinator.count(f"local_{what}_out") == replica.count(f"local_{what}_in")
                assert other.count(f"network_{what}_out") == replica.count(f"network_{what}_in")
                assert coordinator.count(f"network_{what}_out") == 0
            assert replica.count("local_frames_in") == replica.count("local_frames_out") == 1
            assert replica.count("network_frames_in") == 2
            [packed] = frames([encode(CHUNK)], 1 << 20)
            assert replica.count("network_bytes_in") > len(packed)

    on_loop(test)


def test_waiting_for_peers_names_the_missing_ones(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b):
            await b.dial(a)
            with pytest.raises(TimeoutError, match="replica-1 misses fleet-0, replica-2 after"):
                await b.transport.wait_connected([A, C, FLEET], 0.01)

    on_loop(test)


# --- Connections come and go --------------------------------------------------------------------


def test_a_peer_that_comes_back_on_its_port_is_found_again(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(b):
            await b.dial(a)
            await ping(a, b)
            await a.transport.close()
            await b.heard.until(lambda: ("disconnected", A) in b.heard.events)
            assert not b.say(A, Accept(0, 0))
            assert b.count("frames_dropped") == 1
            async with closing(a_again := await Peer(A).listen(a.endpoint.port)):
                await b.heard.until(lambda: b.heard.events[-1] == ("connected", A))
                await ping(b, a_again)
                assert [event for event, _ in b.heard.events] == [
                    "connected",
                    "disconnected",
                    "connected",
                ]
                assert b.count("reconnects") == 1
                assert Accept(0, 0) not in a_again.heard.messages(B)

    on_loop(test)


def test_a_peer_that_moved_is_dialled_where_it_is_now(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b):
            await b.dial(a)
            tasks = len(asyncio.all_tasks())
            async with closing(moved := await Peer(A).listen()):
                await b.dial(moved)
                await b.heard.until(lambda: len(b.heard.events) == 3)
                await ping(b, moved)
                await a.heard.until(lambda: ("disconnected", B) in a.heard.events)
                assert len(asyncio.all_tasks()) == tasks, "nobody dials the old place any more"

    on_loop(test)


def test_a_peer_may_be_dialled_before_it_listens(on_loop) -> None:
    async def test() -> None:
        placeholder = await Peer(A).listen()
        await placeholder.transport.close()
        b = Peer(B)
        async with closing(b):
            b.transport.dial({A: placeholder.endpoint})
            with pytest.raises(TimeoutError):
                await b.transport.wait_connected([A], 0.01)
            async with closing(a := await Peer(A).listen(placeholder.endpoint.port)):
                await b.transport.wait_connected([A], 20)
                await ping(b, a)

    on_loop(test)


def test_a_second_connection_from_an_address_replaces_the_first(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b):
            first = await Raw.introduced(a, B)
            await b.dial(a)
            await first.hung_up()
            assert a.heard.events == [("connected", B), ("disconnected", B), ("connected", B)]
            await ping(a, b)
            assert a.count("reconnects") == 1

    on_loop(test)


def test_closing_tells_the_receiver_and_the_peer(on_loop) -> None:
    async def test() -> None:
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a):
            await b.dial(a)
            await b.transport.close()
            assert b.heard.events[-1] == ("disconnected", A)
            await a.heard.until(lambda: a.heard.events[-1] == ("disconnected", B))
            assert not b.say(A, Accept(0, 0))
            assert a.count("frames_rejected") == 0

    on_loop(test)


# --- Peers that break the rules -------------------------------------------------------------------


def too_long(limit: int) -> bytes:
    return struct.pack("<I", limit + 1) + b"x"


STRANGERS = {
    "wrong secret": frame(introduce(B, b"wrong")),
    "garbage": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "frame too long": too_long(HELLO_BYTES_MAX),
    "empty frame": frame(b""),
    "message before the handshake": frame(b"\x91" + encode(Accept(0, 0))),
    "silence": b"",
    "half a handshake": frame(introduce(B, SECRET))[:-1],
}


@pytest.mark.parametrize("opening", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_is_disconnected_and_nobody_else_notices(on_loop, caplog, opening) -> None:
    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            a.transport.handshake_timeout_s = 0.05  # Not before, lest a busy machine fails C.
            stranger = await Raw.connect(a)
            stranger.writer.write(opening)
            await ping(c, a)
            await stranger.hung_up()
            await ping(c, a)
            assert a.count("handshakes_rejected") == 1
            assert a.count("frames_rejected") == 0
            assert a.heard.events == [("connected", C)]

    with caplog.at_level(logging.WARNING):
        on_loop(test)
    [record] = caplog.records
    assert "\n" not in record.getMessage()
    assert SECRET.decode() not in record.getMessage()


def test_a_stranger_who_hangs_up_is_counted(on_loop) -> None:
    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            stranger = await Raw.connect(a)
            stranger.writer.write_eof()
            await stranger.hung_up()
            assert a.count("handshakes_rejected") == 1
            await ping(c, a)

    on_loop(test)


BREACHES = {
    "garbage": b"\x05\x00\x00\x00hello",
    "frame too long": too_long(1 << 20),
    "empty frame": frame(b""),
    "unknown message": frame(b"\x91\x92\x63\x01"),
    "second handshake": frame(introduce(B, SECRET)),
    "what the receiver refuses": frame(b"\x91" + encode(Decide(0, 0))),
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_a_peer_that_breaks_the_rules_is_disconnected_and_nobody_else_notices(
    on_loop, breach
) -> None:
    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        a.heard.refused = Decide
        async with closing(a, c):
            await c.dial(a)
            raw = await Raw.introduced(a, B)
            raw.writer.write(breach)
            await ping(c, a)
            await raw.hung_up()
            await ping(c, a)
            assert a.count("frames_rejected") == 1
            assert a.count("handshakes_rejected") == 0
            assert a.heard.messages(B) == []
            assert a.heard.events == [("connected", C), ("connected", B), ("disconnected", B)]

    on_loop(test)


def test_a_connection_cut_in_the_middle_of_a_frame_is_counted(on_loop) -> None:
    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            raw = await Raw.introduced(a, B)
            whole = frame(b"\x91" + encode(Accept(0, 1)))
            raw.writer.write(whole + whole[:-1])
            raw.writer.write_eof()
            await raw.hung_up()
            assert a.count("frames_rejected") == 1
            assert a.heard.messages(B) == [Accept(0, 1)]
            await ping(c, a)

    on_loop(test)


@pytest.mark.parametrize(
    "answer",
    [frame(introduce(C, SECRET)), frame(introduce(A, b"wrong")), b"garbage", too_long(1 << 20)],
    ids=["other address", "wrong secret", "garbage", "frame too long"],
)
def test_an_impostor_that_is_dialled_is_not_believed(on_loop, answer) -> None:
    async def test() -> None:
        tried_twice = asyncio.Event()
        connections = []

        async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            raw = Raw(reader, writer)
            writer.write(answer)
            await raw.hung_up()
            connections.append(raw)
            if len(connections) == 2:
                tried_twice.set()

        server = await asyncio.start_server(impostor, LOOPBACK, 0)
        a, b = await Peer(A).listen(), Peer(B)
        async with closing(a, b), server:
            await b.dial(a)
            b.transport.dial({FLEET: Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])})
            await tried_twice.wait()
            await ping(b, a)
            assert b.count("handshakes_rejected") >= 2
            assert b.heard.events == [("connected", A)]

    on_loop(test)


def test_only_so_many_strangers_are_kept(on_loop) -> None:
    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            strangers = [await Raw.connect(a) for _ in range(STRANGERS_MAX + 1)]
            await strangers.pop().hung_up()
            assert a.count("handshakes_rejected") == 1
            await ping(c, a)
            for stranger in strangers:
                stranger.writer.write(b"garbage!")
                await stranger.hung_up()
            assert a.count("handshakes_rejected") == 1 + STRANGERS_MAX
            async with closing(b := Peer(B)):
                await b.dial(a)
                await ping(b, a)

    on_loop(test)


@settings(max_examples=25)
@given(st.sampled_from(sorted(LOOPS)), st.lists(st.tuples(st.booleans(), st.binary(max_size=300))))
def test_random_bytes_never_harm_a_listener(loop: str, attacks: list[tuple[bool, bytes]]) -> None:
    """Before and after a valid handshake."""

    async def test() -> None:
        a, c = await Peer(A).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            for is_introduced, garbage in attacks:
                raw = await (Raw.introduced(a, B) if is_introduced else Raw.connect(a))
                raw.writer.write(garbage)
                raw.writer.write_eof()
                await raw.hung_up()
                await ping(c, a)
            assert a.count("handshakes_rejected") == sum(not each for each, _ in attacks)
            assert ("disconnected", C) not in a.heard.events

    run(loop, test())


# --- Slow peers and throttling --------------------------------------------------------------------


def test_a_peer_that_does_not_read_loses_frames_and_costs_no_more_than_its_queue(on_loop) -> None:
    async def test() -> None:
        limit = 1 << 20
        a, c = await Peer(A, queue_bytes_max=limit).listen(), Peer(C)
        async with closing(a, c):
            await c.dial(a)
            raw = await Raw.introduced(a, B)
            raw.writer.transport.pause_reading()
            while a.say(B, CHUNK):
                await ping(c, a)
            assert [a.say(B, CHUNK) for _ in range(100)] == [False] * 100
            assert a.count("frames_dropped") == 101
            assert limit < a.transport.queued_bytes() <= limit + len(encode(CHUNK)) + 5
            await ping(c, a)
            raw.writer.transport.resume_reading()
            for _ in range(int(a.count("network_frames_out") - c.count("network_frames_in"))):
                assert await raw.body() == b"\x91" + encode(CHUNK)
            assert a.say(B, Accept(0, 0))
            assert await raw.body() == b"\x91" + encode(Accept(0, 0))
            raw.close()

    on_loop(test)


@pytest.mark.parametrize("connects", ["before", "later"])
def test_throttling_stops_reading_from_fleets_alone_and_loses_nothing(on_loop, connects) -> None:
    async def test() -> None:
        a, c, fleet = await Peer(A).listen(), Peer(C), Peer(FLEET)
        async with closing(a, c, fleet):
            await c.dial(a)
            if connects == "before":
                await fleet.dial(a)
            a.transport.throttle(True)
            if connects == "later":
                await fleet.dial(a)
            sent: list[Message] = [Requests(bytes([i % 256]) * 60_000) for i in range(500)]
            assert all(fleet.say(A, message) for message in sent)
            for _ in range(50):
                await ping(c, a)
            assert a.heard.messages(FLEET) == []
            assert fleet.transport.queued_bytes() > 0
            assert a.say(FLEET, Alive(0, 0, 0))
            await fleet.heard.until(lambda: fleet.heard.messages(A) == [Alive(0, 0, 0)])
            a.transport.throttle(False)
            await a.heard.until(lambda: len(a.heard.messages(FLEET)) == len(sent))
            assert a.heard.messages(FLEET) == sent

    on_loop(test)
