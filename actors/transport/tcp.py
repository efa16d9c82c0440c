"""A transport over TCP: one duplex connection per pair of addresses, on asyncio or uvloop.

A connection reads into a buffer of its own and hands over all messages of one read at once. Small
frames to one peer are written together once per turn of the event loop: in a burst that saves both
sides a third of their CPU time and lets the receiver take a hundred frames in one step. There are
no tasks or futures per frame. Both event loops switch Nagle's algorithm off by themselves.
"""

import asyncio
import logging
from typing import cast

from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.transport.base import Endpoint, Receiver
from actors.transport.connections import Connections
from actors.transport.framing import FrameReader, frame
from actors.transport.handshake import HELLO_BYTES_MAX, STRANGERS_MAX, authenticate, introduce
from actors.transport.traffic import Traffic

_log = logging.getLogger(__name__)


class TcpTransport(Connections["_Connection"]):
    """The connections of one address; see `base` for what they promise."""

    def __init__(
        self,
        me: Address,
        secret: bytes,
        receiver: Receiver,
        *,
        frame_bytes_max: int,
        queue_bytes_max: int,
        handshake_timeout_s: float = 5.0,
    ) -> None:
        super().__init__(
            me, receiver, frame_bytes_max=frame_bytes_max, queue_bytes_max=queue_bytes_max
        )
        self.secret = secret
        self.handshake_timeout_s = handshake_timeout_s
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        """Accept peers at `host`; with port 0 the operating system chooses one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, None), host, port)
        return Endpoint(host, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Disconnect everybody, stop listening and dialling; queued messages are lost."""
        await self.stop_dialling()
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.end()
        if self._server is not None:
            await self._server.wait_closed()

    # --- What connections call ------------------------------------------------------------------

    def opened(self, connection: "_Connection") -> None:
        """Keep a new connection; raises RemoteProtocolError at too many strangers."""
        self._open.add(connection)
        if sum(each.is_stranger for each in self._open) > STRANGERS_MAX:
            raise RemoteProtocolError("too many strangers")

    def ended(self, connection: "_Connection") -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self.disconnected(connection, connection.peer)

    # --- Dialling -------------------------------------------------------------------------------

    async def _connect_once(self, peer: Address, endpoint: Endpoint) -> None:
        """Connect and stay until the connection is lost."""
        loop = asyncio.get_running_loop()
        connection = _Connection(self, peer)
        try:
            async with asyncio.timeout(self.handshake_timeout_s):
                await loop.create_connection(lambda: connection, endpoint.host, endpoint.port)
            await connection.lost.wait()
        except OSError as error:
            _log.debug("%s cannot reach %s: %s", self.me, peer, error)
        finally:
            connection.end()


class _Connection(asyncio.BufferedProtocol):
    """One TCP connection: a handshake, then frames; a stranger until the peer is introduced."""

    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.Transport
    _deadline: asyncio.TimerHandle

    def __init__(self, owner: TcpTransport, dialled: Address | None) -> None:
        self.peer: Address | None = None
        self.lost = asyncio.Event()
        self._owner = owner
        self._dialled = dialled
        self._reader = FrameReader(HELLO_BYTES_MAX)
        self._traffic = Traffic()
        self._is_open = False

    def __str__(self) -> str:
        return str(self.peer or self._dialled or self._transport.get_extra_info("peername"))

    @property
    def is_stranger(self) -> bool:
        """Say whether somebody came and has not introduced himself yet."""
        return self.peer is None and self._dialled is None

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait to be taken by the network."""
        return self._transport.get_write_buffer_size()

    def write(self, packed: list[bytes]) -> None:
        """Queue frames, together: uvloop makes a system call of each write."""
        together = b"".join(packed)
        self._traffic.frames_out += len(packed)
        self._traffic.bytes_out += len(together)
        self._transport.write(together)

    def pause(self, on: bool) -> None:
        """Stop or resume reading."""
        if on:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def end(self) -> None:
        """Disconnect now; without effect once disconnected."""
        if self._is_open:
            self._is_open = False
            self._deadline.cancel()
            self._transport.abort()
            self._owner.ended(self)

    # --- What the event loop calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._deadline = self._loop.call_later(
            self._owner.handshake_timeout_s, self._reject, "no handshake in time"
        )
        try:
            self._owner.opened(self)
        except RemoteProtocolError as error:
            self._reject(str(error))
        else:
            if self._dialled is not None:
                self._introduce()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the buffer has its size.
        return self._reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.filled(nbytes)
        try:
            if self.peer is None:
                self._shake_hands()
            if self.peer is not None:
                self._owner.deliver(self.peer, self._reader.bodies(), self._traffic)
        except RemoteProtocolError as error:
            self._reject(str(error))

    def eof_received(self) -> None:
        self._hung_up()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever it was.
        self._hung_up()
        self.lost.set()

    # --- Steps ----------------------------------------------------------------------------------

    def _introduce(self) -> None:
        self._transport.write(frame(introduce(self._owner.me, self._owner.secret)))

    def _shake_hands(self) -> None:
        body = next(self._reader.bodies(), None)
        if body is None:
            return
        peer = authenticate(body, self._owner.secret)
        if self._dialled is None:
            self._introduce()
        elif peer != self._dialled:
            raise RemoteProtocolError(f"{peer} answers in its place")
        self.peer = peer
        self._deadline.cancel()
        self._reader.frame_bytes_max = self._owner.frame_bytes_max
        self._traffic = self._owner.traffic(peer)
        self._owner.introduced(self, peer)

    def _hung_up(self) -> None:
        if self._is_open and (self.peer is None or self._reader.is_mid_frame):
            self._reject("hung up too early")
        self.end()

    def _reject(self, reason: str) -> None:
        self._owner.rejected(self, self.peer, reason)
