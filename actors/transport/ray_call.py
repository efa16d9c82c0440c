"""A transport by Ray calls: what an actor has for a peer is the argument of a call to that actor.

A call takes all that waits for its peer, about a drain's frames or more, as bytes: Ray moves those
as they are, and nothing of a message is ever pickled. Each end of a connection has one call under
way, and queues what comes meanwhile for the next: Ray runs the calls of an async actor in any order
(of 16 under way at once about a fifth were overtaken), so that order comes from waiting. That is
checked all the same, by the number of each call.

Whoever can call an actor is let in by Ray, and could as well run any code there: a handshake with a
secret would prove nothing, so there is none.

The actor of an `Endpoint` has three methods: `meet` and `take`, which hand what they are given to
its transport, and `watch`, which outlasts everything else that is asked of it. A call goes on also
when who called waits no more, and Ray lets only so many into an actor at once: one `watch` of each
peer serves all connections with it, one after the other.
"""

import asyncio
import logging
import secrets
import struct
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any

from ray.exceptions import RayError

from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.transport.base import Endpoint, Receiver
from actors.transport.connections import Connections
from actors.transport.framing import FULL_FRAME_BYTES, bodies

HEAD = struct.Struct("<QQ")
"""What a call begins with: the number of its connection, and its own there, from 0."""

CALL_BYTES_MAX = FULL_FRAME_BYTES
"""Size that a call has at most, unless a single frame has more."""

CALLS_OF_A_PEER = 3
"""How many calls of one peer may be under way at once: one of each method."""

_log = logging.getLogger(__name__)


class OrderError(Exception):
    """A call came before one that was sent earlier, or twice: Ray has broken the order."""


class RayTransport(Connections["_Connection"]):
    """The connections of one address; see `base` for what they promise.

    `actor` returns the handle of the actor that this transport belongs to.
    """

    def __init__(
        self,
        me: Address,
        receiver: Receiver,
        actor: Callable[[], Any],
        *,
        frame_bytes_max: int,
        queue_bytes_max: int,
        meet_timeout_s: float = 5.0,
    ) -> None:
        super().__init__(
            me, receiver, frame_bytes_max=frame_bytes_max, queue_bytes_max=queue_bytes_max
        )
        self._actor = actor
        self._meet_timeout_s = meet_timeout_s
        self._open: dict[int, _Connection] = {}
        self._watches: dict[Any, asyncio.Task[None]] = {}
        self.calls_out = 0
        self._calls_in = 0

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        """Return where peers find this actor: Ray listens already."""
        self._endpoint = Endpoint(host, port, self._actor())
        return self._endpoint

    def counts(self) -> dict[str, float]:
        """Return what has happened since the beginning, and how many calls that took."""
        return {**super().counts(), "calls_in": self._calls_in, "calls_out": self.calls_out}

    async def close(self) -> None:
        """Disconnect everybody and stop dialling; queued messages are lost."""
        await self.stop_dialling()
        for connection in list(self._open.values()):
            connection.end()
        watches = list(self._watches.values())
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    # --- What peers call ------------------------------------------------------------------------

    def meet(self, peer: Address, number: int, endpoint: Endpoint) -> None:
        """Take in the connection of a peer that dials."""
        self._opened(_Connection(self, peer, number, endpoint.actor)).introduce()

    async def take(self, call: bytes) -> bool:
        """Take frames; return whether they came on a connection that still stands.

        Returns once more may come. Raises OrderError.
        """
        number, index = HEAD.unpack_from(call)
        connection = self._open.get(number)
        if connection is None:
            return False
        self._calls_in += 1
        connection.introduce()  # A peer that was dialled may be faster than its answer.
        connection.take(index, memoryview(call)[HEAD.size :])
        await connection.reading.wait()
        return number in self._open

    # --- What connections call ------------------------------------------------------------------

    def watch(self, actor: Any) -> None:
        """End all connections with an actor once it ends or stops."""
        if actor not in self._watches:
            self._watches[actor] = asyncio.create_task(self._see_end(actor))

    def ended(self, connection: "_Connection") -> None:
        """Forget a connection."""
        self._open.pop(connection.number, None)
        self.disconnected(connection, connection.peer)

    def _opened(self, connection: "_Connection") -> "_Connection":
        self._open[connection.number] = connection
        return connection

    async def _see_end(self, actor: Any) -> None:
        try:
            with suppress(RayError):
                await actor.watch.remote()
        finally:
            del self._watches[actor]
            for connection in list(self._open.values()):
                if connection.actor == actor:
                    connection.end()

    # --- Dialling -------------------------------------------------------------------------------

    async def _connect_once(self, peer: Address, endpoint: Endpoint) -> None:
        """Connect and stay until the connection is lost."""
        number = secrets.randbits(64)
        connection = self._opened(_Connection(self, peer, number, endpoint.actor))
        try:
            async with asyncio.timeout(self._meet_timeout_s):
                await endpoint.actor.meet.remote(self.me, number, self._endpoint)
            connection.introduce()
            await connection.lost.wait()
        except (RayError, TimeoutError) as error:
            _log.debug("%s cannot reach %s: %s", self.me, peer, error)
        finally:
            connection.end()


class _Connection:
    """One end of a connection: frames that wait, and the calls that take them there."""

    def __init__(self, owner: RayTransport, peer: Address, number: int, actor: Any) -> None:
        self.peer = peer
        self.number = number
        self.actor = actor
        self.queued_bytes = 0
        """How many bytes wait, or are in the call that is under way."""
        self.reading = asyncio.Event()
        """Set while more may be sent here."""
        self.lost = asyncio.Event()
        self._owner = owner
        self._traffic = owner.traffic(peer)
        self._queue: deque[bytes] = deque()
        self._wanted = asyncio.Event()
        self._taken = 0
        self._sending: asyncio.Task[None] | None = None
        self.reading.set()

    def __str__(self) -> str:
        return str(self.peer)

    def introduce(self) -> None:
        """Let messages pass, both ways; without effect if they do, or once disconnected."""
        if self._sending is None and not self.lost.is_set():
            self._sending = asyncio.create_task(self._send())
            self._sending.add_done_callback(lambda _: self.end())
            self._owner.watch(self.actor)
            self._owner.introduced(self, self.peer)

    def write(self, packed: list[bytes]) -> None:
        """Queue frames for the next call: it leaves when the event loop comes round."""
        self._queue.extend(packed)
        size = sum(map(len, packed))
        self.queued_bytes += size
        self._traffic.frames_out += len(packed)
        self._traffic.bytes_out += size
        self._wanted.set()

    def take(self, index: int, stream: memoryview) -> None:
        """Deliver the frames of a call; raises OrderError unless it is the next one."""
        if index != self._taken:
            raise OrderError(f"call {index} of {self.peer} came where {self._taken} was due")
        self._taken += 1
        try:
            frames = bodies(stream, self._owner.frame_bytes_max)
            self._owner.deliver(self.peer, frames, self._traffic)
        except RemoteProtocolError as error:
            self._owner.rejected(self, self.peer, str(error))

    def pause(self, on: bool) -> None:
        """Let the peer's next call wait, or come."""
        if on:
            self.reading.clear()
        else:
            self.reading.set()

    def end(self) -> None:
        """Disconnect now; without effect once disconnected."""
        if not self.lost.is_set():
            self.lost.set()
            self.reading.set()
            if self._sending is not None:
                self._sending.cancel()
            self._owner.ended(self)

    # --- Steps ----------------------------------------------------------------------------------

    async def _send(self) -> None:
        """Call the peer with what waits, call after call, until it takes no more."""
        with suppress(RayError):
            for index in count():
                call = await self._next_call(index)
                self._owner.calls_out += 1
                if not await self.actor.take.remote(call):
                    return
                self.queued_bytes -= len(call) - HEAD.size

    async def _next_call(self, index: int) -> bytes:
        while not self._queue:
            self._wanted.clear()
            await self._wanted.wait()
        return b"".join([HEAD.pack(self.number, index), *self._unqueued()])

    def _unqueued(self) -> Iterable[bytes]:
        """Take as many frames as a call holds, at least one."""
        room = CALL_BYTES_MAX - HEAD.size
        while True:
            frame = self._queue.popleft()
            room -= len(frame)
            yield frame
            if not self._queue or len(self._queue[0]) > room:
                return
