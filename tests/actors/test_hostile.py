"""What actors make of hostile peers, over real TCP: it is refused and counted; no host stops."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.core.messages import (
    Alive,
    CaughtUp,
    Executed,
    Held,
    Message,
    Payload,
    PrepareOk,
    Propose,
    Redirect,
    Replies,
    Requests,
)
from actors.hosted import Hosted
from actors.replica import Replica
from actors.transport.base import Endpoint
from actors.transport.codec import encode
from actors.transport.framing import frame
from actors.transport.handshake import introduce
from tests.actors.loopback import LOOPBACK, PATIENCE_S, SECRET
from tests.actors.transport.strategies import messages

pytestmark = pytest.mark.usefixtures("frozen")

JPAXOS = LoadConfig(protocol="jpaxos", clients=6, frame_bytes_max=4 << 20)
SPAXOS = LoadConfig(protocol="spaxos", clients=6, frame_bytes_max=4 << 20, service="kv")

ACTORS: dict[str, Callable[[], Hosted]] = {
    "jpaxos replica": lambda: Replica(1, JPAXOS, SECRET),
    "spaxos replica": lambda: Replica(1, SPAXOS, SECRET),
    "coordinator": lambda: Coordinator(1, SPAXOS, SECRET),
    "fleet that follows the leader": lambda: ClientFleet(0, JPAXOS, SECRET),
    "fleet": lambda: ClientFleet(0, SPAXOS, SECRET),
}

PEERS = [
    *(Address("replica", number) for number in (0, 1, 2, 200)),
    *(Address("coordinator", number) for number in (0, 1)),
    *(Address("fleet", number) for number in (0, 255)),
]


class Attacked:
    """A started actor that others connect to, and what they do to it."""

    def __init__(self, actor: Hosted, endpoint: Endpoint) -> None:
        self.actor = actor
        self._endpoint = endpoint

    async def suffer(self, *written: bytes) -> None:
        """Have somebody connect, write, and wait until one of both has hung up."""
        reader, writer = await asyncio.open_connection(*self._endpoint[:2])
        try:
            writer.writelines(written)
            writer.write_eof()
            await reader.read()
        except ConnectionError:
            pass  # Hung up on before all was written.
        writer.close()

    async def hear(self, sender: Address, *said: Message) -> None:
        """Have a peer that knows the secret say something, each in a frame."""
        frames = (frame(b"\x91" + encode(message)) for message in said)
        await self.suffer(frame(introduce(sender, SECRET)), *frames)

    async def measured(self) -> dict[str, float]:
        """Return the sums of all columns of what the actor measures, which it begins to do now."""
        await self.actor.begin()
        table = await self.actor.measurements()
        return dict(zip(table.columns, table.rows.sum(axis=0), strict=True))

    @property
    def has_stopped(self) -> bool:
        return self.actor._host.failed.done()


@asynccontextmanager
async def attacked(kind: str) -> Iterator[Attacked]:
    actor = ACTORS[kind]()
    try:
        endpoint = await actor.listen(LOOPBACK)
        await actor.start()
        yield Attacked(actor, endpoint)
    finally:
        await actor.stop()


def run(kind: str, test: Callable[[Attacked], Awaitable[None]]) -> None:
    async def attack() -> None:
        async with attacked(kind) as it:
            await test(it)

    asyncio.run(asyncio.wait_for(attack(), PATIENCE_S))


HELLO = frame(introduce(Address("replica", 0), SECRET))
TOO_LONG = struct.pack("<I", (4 << 20) + 1)

STRANGERS = {
    "wrong secret": frame(introduce(Address("replica", 0), b"wrong")),
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "message before the handshake": frame(b"\x91" + encode(Alive(0, 0, 0))),
    "nothing": b"",
}

BREACHES = {
    "garbage": frame(b"garbage"),
    "frame too long": TOO_LONG,
    "frame cut short": HELLO[:-1],
    "wrong types": frame(b"\x91\x94\x06\xa1x\x00\x00"),
    "unknown message": frame(b"\x91\x92\x63\x01"),
    "nested arrays": frame(b"\x91" * 100_000),
    "message of nobody's role": frame(b"\x91" + encode(Held(0, [0, 0, 0]))),
}


@pytest.mark.parametrize("kind", ACTORS)
def test_strangers_are_turned_away_and_reach_the_measurements(kind: str) -> None:
    async def test(it: Attacked) -> None:
        for opening in STRANGERS.values():
            await it.suffer(opening)
        counts = await it.measured()
        assert counts["handshakes_rejected"] == len(STRANGERS)
        assert counts["frames_rejected"] == 0
        assert not it.has_stopped

    run(kind, test)


@pytest.mark.parametrize("kind", ACTORS)
def test_breaches_of_the_rules_are_refused_and_reach_the_measurements(kind: str) -> None:
    async def test(it: Attacked) -> None:
        for breach in BREACHES.values():
            await it.suffer(HELLO, breach)
        counts = await it.measured()
        assert counts["frames_rejected"] == len(BREACHES)
        assert counts["handshakes_rejected"] == 0
        assert not it.has_stopped

    run(kind, test)


WRONG_MESSAGES = {
    "jpaxos replica": [
        (Address("fleet", 0), Alive(0, 0, 0)),
        (Address("replica", 200), Alive(0, 0, 0)),
        (Address("replica", 0), Requests(b"")),
        (Address("fleet", 0), Requests(b"x" * 9)),
        (Address("replica", 0), PrepareOk(1, -1, [], [7])),
        (Address("replica", 0), Payload(0, 1, b"")),
    ],
    "spaxos replica": [
        (Address("replica", 0), Payload(0, 1, b"")),
        (Address("coordinator", 0), Payload(0, 1, b"x" * 8)),
        (Address("fleet", 0), Payload(0, 1, b"x" * 8)),
    ],
    "coordinator": [
        (Address("replica", 0), Executed(b"")),
        (Address("replica", 1), Executed(b"x" * 9)),
        (Address("replica", 1), Held(1, [0])),
        (Address("fleet", 0), Requests(b"\x01" + b"\xff" * 30)),
    ],
    "fleet that follows the leader": [
        (Address("replica", 0), Redirect(3)),
        (Address("replica", 0), Redirect(-1)),
        (Address("replica", 0), Replies(b"x" * 9)),
    ],
    "fleet": [(Address("coordinator", 0), Alive(0, 0, 0))],
}


@pytest.mark.parametrize("kind", ACTORS)
def test_what_no_correct_peer_says_is_refused_each_time(kind: str) -> None:
    async def test(it: Attacked) -> None:
        for sender, message in WRONG_MESSAGES[kind]:
            await it.hear(sender, message)
        assert (await it.measured())["frames_rejected"] == len(WRONG_MESSAGES[kind])
        assert not it.has_stopped

    run(kind, test)


def is_decided_on(message: Message) -> bool:
    """Say whether values come with it that count as agreed on: those are taken for what they are.

    A replica that knows the secret and proposes what is no batch breaks more than one host, and
    is outside of what any of the protocols stands.
    """
    return isinstance(message, Propose | CaughtUp)


@pytest.mark.parametrize("kind", ACTORS)
@settings(max_examples=40)
@given(
    said=st.lists(
        st.tuples(
            st.sampled_from(PEERS), messages.filter(lambda message: not is_decided_on(message))
        ),
        max_size=10,
    )
)
@example(said=[(Address("replica", 0), Alive((1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1))])
def test_no_message_from_anywhere_stops_a_host(
    kind: str, said: list[tuple[Address, Message]]
) -> None:
    async def test(it: Attacked) -> None:
        for sender, message in said:
            await it.hear(sender, message)
        assert not it.has_stopped
        counts = await it.measured()
        assert counts["frames_rejected"] <= len(said)

    run(kind, test)


def test_a_flood_of_messages_in_one_frame_is_taken_whole() -> None:
    """The most that fit a frame: a host needs memory for those, and no more afterwards."""
    alive = encode(Alive(0, 0, 0))
    count = 200_000

    async def test(it: Attacked) -> None:
        body = b"\xdd" + count.to_bytes(4, "big") + alive * count
        await it.suffer(HELLO, frame(body))
        counts = await it.measured()
        assert counts["network_messages_in.Alive"] == count
        assert not it.has_stopped

    run("jpaxos replica", test)
