"""The rules at the head of `transport.base`, where messages are calls of actors."""

import asyncio

import pytest

from actors.core.errors import LocalProtocolError
from actors.core.ids import Address
from actors.core.messages import Accept, Alive, Decide, Message, Requests
from actors.transport.base import Transport
from actors.transport.codec import encode
from actors.transport.framing import frame
from actors.transport.ray_call import CALL_BYTES_MAX, HEAD, OrderError
from tests.actors.transport.called import Called
from tests.actors.transport.peers import closing

A, B, C = (Address("replica", number) for number in range(3))
FLEET = Address("fleet", 0)
CHUNK = Requests(bytes(60_000))


async def pair(me: Address = B, **options: float) -> tuple[Called, Called]:
    """Return two actors, of which the second has dialled the first."""
    a, b = await Called(A, **options).listen(), await Called(me, **options).listen()
    await b.dial(a)
    return a, b


async def hears(who: Called, sender: Address, *messages: Message) -> None:
    """Wait until somebody has heard messages last."""
    await who.heard.until(lambda: who.heard.messages(sender)[-len(messages) :] == [*messages])


def test_it_is_a_transport(on_loop) -> None:
    async def test() -> None:
        transport: Transport = Called(A).transport
        assert transport.queued_bytes() == 0
        assert set(transport.counts().values()) == {0}

    on_loop(test)


def test_messages_arrive_in_order_both_ways_with_their_sizes(on_loop) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            sent = [Requests(bytes((7 * i * i) % 3000)) for i in range(1000)]
            for start in range(0, len(sent), 13):
                assert b.say(A, *sent[start : start + 13])
                assert a.say(B, *sent[start : start + 13])
                await asyncio.sleep(0)
            for one, other in ((a, b), (b, a)):
                await hears(one, other.me, *sent)
                sizes = [size for _, _, sizes in one.heard.reads for size in sizes]
                assert sizes == [len(encode(message)) for message in sent]
                assert one.count("calls_in") == other.count("calls_out") > 1
                for what in ("frames", "bytes"):
                    assert one.count(f"network_{what}_in") == other.count(f"network_{what}_out")

    on_loop(test)


def test_what_is_sent_at_once_shares_a_call_and_what_comes_meanwhile_the_next(on_loop) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            a.handle.open.clear()
            b.say(A, Alive(1, 0, 0), Alive(2, 0, 0))
            b.say(A, Alive(3, 0, 0))
            await asyncio.sleep(0.01)
            for view in range(4, 100):
                b.say(A, Alive(view, 0, 0))
            await asyncio.sleep(0.01)
            assert len(a.handle.taken) == 1, "one call is under way"
            a.handle.open.set()
            await hears(a, B, *(Alive(view, 0, 0) for view in range(1, 100)))
            assert len(a.handle.taken) == b.count("calls_out") == 2

    on_loop(test)


def test_a_call_is_of_bounded_size_unless_a_frame_is_larger(on_loop) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            large = Requests(bytes(3 * CALL_BYTES_MAX))
            b.say(A, *[CHUNK] * 40)
            b.say(A, large)
            b.say(A, Decide(3, 14))
            await hears(a, B, CHUNK, large, Decide(3, 14))
            sizes = sorted(map(len, a.handle.taken))
            assert sizes[-1] > CALL_BYTES_MAX >= sizes[-2]
            with pytest.raises(LocalProtocolError):
                b.say(A, Requests(bytes(9 << 20)))

    on_loop(test)


@pytest.mark.parametrize("index", [0, 3], ids=["again", "too early"])
def test_a_call_out_of_order_is_an_error_of_its_own(on_loop, index: int) -> None:
    """Nodes rely on order; a call is neither put right nor taken for a broken connection."""

    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            b.say(A, Alive(1, 0, 0))
            await hears(a, B, Alive(1, 0, 0))
            [call] = a.handle.taken
            number, _ = HEAD.unpack_from(call)
            with pytest.raises(OrderError, match=f"call {index} of replica-1 came where 1 was due"):
                await a.transport.take(HEAD.pack(number, index) + call[HEAD.size :])
            assert a.heard.messages(B) == [Alive(1, 0, 0)]

    on_loop(test)


def test_a_peer_that_does_not_take_its_call_loses_frames_and_costs_no_more_than_its_queue(
    on_loop,
) -> None:
    async def test() -> None:
        a, b = await pair(queue_bytes_max=1 << 20)
        async with closing(a, b):
            a.handle.open.clear()
            sent = sum(b.say(A, CHUNK) for _ in range(100))
            assert 0 < sent < 100
            assert b.count("frames_dropped") == 100 - sent
            assert 1 << 20 < b.transport.queued_bytes() < (1 << 20) + 2 * 60_000
            a.handle.open.set()
            await a.heard.until(lambda: len(a.heard.messages(B)) == sent)
            assert b.say(A, Decide(3, 14))
            await hears(a, B, Decide(3, 14))
            b.say(A, CHUNK)  # Only the next call shows that the last has returned.
            await hears(a, B, CHUNK)

    on_loop(test)


def test_fleets_are_not_read_from_while_throttled_and_others_are(on_loop) -> None:
    async def test() -> None:
        a, fleet = await pair(FLEET)
        b = await (await Called(B).listen()).dial(a)
        async with closing(a, b, fleet):
            a.transport.throttle(True)
            fleet.say(A, Requests(b"first"))
            await hears(a, FLEET, Requests(b"first"))
            fleet.say(A, Requests(b"second"))
            for view in range(3):
                b.say(A, Alive(view, 0, 0))
                await hears(a, B, Alive(view, 0, 0))
            assert a.heard.messages(FLEET) == [Requests(b"first")]
            assert fleet.transport.queued_bytes() > 0
            a.transport.throttle(False)
            await hears(a, FLEET, Requests(b"second"))

    on_loop(test)


# --- Connections come and go --------------------------------------------------------------------


def test_both_ends_learn_of_a_death_and_drop_what_they_have_for_the_dead(on_loop) -> None:
    async def test() -> None:
        for dies_first in (True, False):
            a, b = await pair()
            await dies(*((a, b) if dies_first else (b, a)))

    async def dies(dead: Called, other: Called) -> None:
        async with closing(dead, other):
            dead.handle.die()
            await other.heard.until(lambda: ("disconnected", dead.me) in other.heard.events)
            assert not other.say(dead.me, Accept(0, 0))
            assert other.count("frames_dropped") == 1

    on_loop(test)


def test_who_returns_as_another_actor_is_dialled_there(on_loop) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            a.handle.die()
            async with closing(again := await Called(A).listen()):
                await b.heard.until(lambda: ("disconnected", A) in b.heard.events)
                await b.dial(again)
                b.say(A, Accept(1, 1))
                again.say(B, Accept(2, 2))
                await hears(again, B, Accept(1, 1))
                await hears(b, A, Accept(2, 2))
                assert b.count("reconnects") == 1

    on_loop(test)


def test_a_new_connection_replaces_the_old_one_which_takes_nothing_more(on_loop) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            b.say(A, Alive(1, 0, 0))
            await hears(a, B, Alive(1, 0, 0))
            old = a.handle.taken[0]
            b_again = await Called(B).listen()
            async with closing(b_again):
                await b_again.dial(a)
                number, _ = HEAD.unpack_from(old)
                assert not await a.transport.take(HEAD.pack(number, 1) + old[HEAD.size :])
                assert a.heard.messages(B) == [Alive(1, 0, 0)]
                b_again.say(A, Alive(2, 0, 0))
                await hears(a, B, Alive(2, 0, 0))

    on_loop(test)


@pytest.mark.parametrize(
    "stream",
    [frame(b"garbage"), frame(b"x" * (1 << 24)), frame(encode(CHUNK))[:-1], b"\0"],
    ids=["garbage", "frame too long", "cut off", "no length"],
)
def test_a_peer_that_breaks_the_rules_is_disconnected_and_comes_back(
    on_loop, stream: bytes
) -> None:
    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            b.say(A, Alive(1, 0, 0))
            await hears(a, B, Alive(1, 0, 0))
            number, _ = HEAD.unpack_from(a.handle.taken[0])
            assert not await a.transport.take(HEAD.pack(number, 1) + stream)
            assert a.count("frames_rejected") == 1
            assert ("disconnected", B) in a.heard.events
            b.say(A, Alive(2, 0, 0))  # It learns so.
            await a.heard.until(lambda: a.heard.events[-1] == ("connected", B))
            await b.transport.wait_connected([A], 1.0)
            b.say(A, Alive(3, 0, 0))
            await hears(a, B, Alive(3, 0, 0))

    on_loop(test)


def test_both_ends_watch_each_other_by_one_call_however_often_they_reconnect(on_loop) -> None:
    """An actor takes in only so many calls at once: those that nobody waits for count, too."""

    async def test() -> None:
        a, b = await pair()
        async with closing(a, b):
            for times in range(1, 21):
                b.transport.dial({A: a.endpoint})
                await a.heard.until(lambda times=times: a.count("reconnects") == times)
                await b.heard.until(lambda times=times: b.count("reconnects") == times)
            b.say(A, Alive(1, 0, 0))
            await hears(a, B, Alive(1, 0, 0))
            assert (a.handle.watching, b.handle.watching) == (1, 1)
            a.handle.die()
            await b.heard.until(lambda: b.heard.events[-1] == ("disconnected", A))

    on_loop(test)


def test_who_does_not_answer_is_dialled_again(on_loop) -> None:
    async def test() -> None:
        a, b = await Called(A).listen(), await Called(B, meet_timeout_s=0.01).listen()
        async with closing(a, b):
            a.handle.open.clear()
            b.transport.dial({A: a.endpoint})
            with pytest.raises(TimeoutError, match="replica-1 misses replica-0 after"):
                await b.transport.wait_connected([A], 0.05)
            a.handle.open.set()
            await b.transport.wait_connected([A], 10.0)

    on_loop(test)


def test_nothing_is_left_running_after_the_end(on_loop) -> None:
    async def test() -> None:
        before = asyncio.all_tasks()
        a, b = await pair()
        await a.transport.close()
        await b.transport.close()
        assert ("disconnected", A) in b.heard.events
        a.handle.die()
        b.handle.die()
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before

    on_loop(test)
