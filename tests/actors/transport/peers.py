"""Ends of connections to test a transport with: honest ones that record, raw ones that do not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Self

import uvloop

from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.core.messages import Alive, Message
from actors.transport.base import Endpoint, Transport
from actors.transport.codec import encode
from actors.transport.framing import frame
from actors.transport.handshake import introduce
from actors.transport.tcp import TcpTransport

LOOPBACK = "127.0.0.1"
SECRET = b"correct horse"
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""

LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def run(loop: str, test: Coroutine[None, None, None]) -> None:
    """Run a test on one kind of event loop; an exception that nobody caught fails it."""
    uncaught: list[dict[str, object]] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: uncaught.append(context))
        runner.run(asyncio.wait_for(test, PATIENCE_S))
    assert [context["message"] for context in uncaught] == [], uncaught


class Recorder:
    """A receiver that remembers what it is told."""

    def __init__(self) -> None:
        self.reads: list[tuple[Address, list[Message], list[int]]] = []
        self.events: list[tuple[str, Address]] = []
        self.refused: type[Message] | None = None
        self._change = asyncio.Event()

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        if self.refused is not None and any(isinstance(each, self.refused) for each in messages):
            raise RemoteProtocolError("no correct peer would say that")
        self.reads.append((sender, messages, sizes))
        self._change.set()

    def connected(self, peer: Address) -> None:
        self.events.append(("connected", peer))
        self._change.set()

    def disconnected(self, peer: Address) -> None:
        self.events.append(("disconnected", peer))
        self._change.set()

    def messages(self, sender: Address) -> list[Message]:
        """Return everything that `sender` has said, in order."""
        return [each for who, messages, _ in self.reads if who == sender for each in messages]

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until what has been received makes `claim` true."""
        while not claim():
            self._change.clear()
            await self._change.wait()


class End:
    """An honest end: a transport and what it received."""

    transport: Transport

    def __init__(self, me: Address) -> None:
        self.me = me
        self.heard = Recorder()
        self.endpoint = Endpoint(LOOPBACK, 0)

    async def listen(self, port: int = 0) -> Self:
        self.endpoint = await self.transport.listen(LOOPBACK, port)
        return self

    async def dial(self, *others: "End") -> Self:
        """Dial listening peers and wait until both sides know each other."""
        self.transport.dial({other.me: other.endpoint for other in others})
        await self.transport.wait_connected([other.me for other in others], PATIENCE_S)
        return self

    def say(self, to: Address, *messages: Message) -> bool:
        return self.transport.send(to, [encode(message) for message in messages])

    def count(self, name: str) -> float:
        return self.transport.counts()[name]


class Peer(End):
    """An end over TCP."""

    transport: TcpTransport

    def __init__(self, me: Address, **options: float) -> None:
        super().__init__(me)
        settings = {"frame_bytes_max": 1 << 20, "queue_bytes_max": 1 << 26, **options}
        self.transport = TcpTransport(me, SECRET, self.heard, **settings)


_pings = iter(range(1 << 30))


async def ping(sender: End, receiver: End) -> None:
    """Have a message travel there and another one back."""
    message = Alive(next(_pings), 0, 0)
    for one, other in ((sender, receiver), (receiver, sender)):
        assert one.say(other.me, message)
        await other.heard.until(
            lambda one=one, other=other: message in other.heard.messages(one.me)
        )


@contextlib.asynccontextmanager
async def closing(*peers: End) -> AsyncIterator[None]:
    """Close the peers' transports in the end."""
    try:
        yield
    finally:
        for peer in peers:
            await peer.transport.close()


class Raw:
    """The dialling end of a connection, without manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, peer: Peer) -> "Raw":
        return cls(*await asyncio.open_connection(*peer.endpoint[:2]))

    @classmethod
    async def introduced(cls, peer: Peer, me: Address) -> "Raw":
        """Connect and shake hands as `me`."""
        raw = await cls.connect(peer)
        raw.writer.write(frame(introduce(me, SECRET)))
        assert await raw.body() == introduce(peer.me, SECRET)
        return raw

    async def body(self) -> bytes:
        """Read the body of one frame."""
        length = int.from_bytes(await self.reader.readexactly(4), "little")
        return await self.reader.readexactly(length)

    async def hung_up(self) -> None:
        """Wait until the other side has closed the connection, and close this one."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        self.close()

    def close(self) -> None:
        self.writer.close()
