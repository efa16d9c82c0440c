"""Connections by peer: what all transports have in common, whatever a connection is made of."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from actors.core.ids import Address, is_host_local
from actors.core.messages import Message
from actors.transport.base import Endpoint, Receiver
from actors.transport.codec import decode_frame
from actors.transport.framing import LENGTH, frames
from actors.transport.traffic import Traffic

REDIAL_DELAY_S_MIN = 0.05
REDIAL_DELAY_S_MAX = 1.0

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """A way to one peer and back."""

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait to be taken by the network."""

    def write(self, packed: list[bytes]) -> None:
        """Queue frames."""

    def pause(self, on: bool) -> None:
        """Stop or resume reading."""

    def end(self) -> None:
        """Disconnect now; without effect once disconnected."""


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Connections(ABC, Generic[AnyConnection]):
    """The connections of one address, one a peer; those that it dials are dialled again when lost.

    See `base` for what its methods promise.
    """

    def __init__(
        self, me: Address, receiver: Receiver, *, frame_bytes_max: int, queue_bytes_max: int
    ) -> None:
        self.me = me
        self.receiver = receiver
        self.frame_bytes_max = frame_bytes_max
        self._queue_bytes_max = queue_bytes_max
        self._connected: dict[Address, AnyConnection] = {}
        self._known: set[Address] = set()
        self._change = asyncio.Event()
        self._dialling: dict[Address, asyncio.Task[None]] = {}
        self._throttled = False
        self._network = Traffic()
        self._local = Traffic()
        self._frames_rejected = 0
        self._handshakes_rejected = 0
        self._frames_dropped = 0
        self._reconnects = 0

    # --- What the host calls ------------------------------------------------------------------

    def dial(self, peers: dict[Address, Endpoint]) -> None:
        """Connect to `peers` in the background, and again whenever a connection is lost."""
        for peer, endpoint in peers.items():
            if peer in self._dialling:
                self._dialling[peer].cancel()
            self._dialling[peer] = asyncio.create_task(self._keep_connected(peer, endpoint))

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None:
        """Wait until all of `peers` are connected; raises TimeoutError naming the missing ones."""
        missing = wanted = set(peers)
        try:
            async with asyncio.timeout(timeout_s):
                while missing := wanted - self._connected.keys():
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            names = ", ".join(map(str, sorted(missing)))
            raise TimeoutError(f"{self.me} misses {names} after {timeout_s} s") from None

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        """Queue encoded messages for `to`, `apart` in a frame each; false if they were dropped.

        The queue grows beyond `queue_bytes_max` by at most one such call, so that any frame fits.
        """
        packed = list(frames(encoded, self.frame_bytes_max, apart=apart))
        connection = self._connected.get(to)
        if connection is None or connection.queued_bytes > self._queue_bytes_max:
            self._frames_dropped += len(packed)
            return False
        connection.write(packed)
        return True

    def throttle(self, on: bool) -> None:
        """Stop (or resume) reading from every fleet, also from those that connect later."""
        self._throttled = on
        for peer, connection in self._connected.items():
            if peer.role == "fleet":
                connection.pause(on)

    def queued_bytes(self) -> int:
        """Return how many bytes wait to be taken by the network, for all peers together."""
        return sum(connection.queued_bytes for connection in self._connected.values())

    def counts(self) -> dict[str, float]:
        """Return what has happened since the beginning, ever growing; handshakes add no bytes."""
        return {
            **self._network.counts("network"),
            **self._local.counts("local"),
            "frames_rejected": self._frames_rejected,
            "frames_dropped": self._frames_dropped,
            "handshakes_rejected": self._handshakes_rejected,
            "reconnects": self._reconnects,
        }

    async def stop_dialling(self) -> None:
        """Dial nobody any more."""
        for task in self._dialling.values():
            task.cancel()
        await asyncio.gather(*self._dialling.values(), return_exceptions=True)

    # --- What connections call ------------------------------------------------------------------

    def introduced(self, connection: AnyConnection, peer: Address) -> None:
        """Make a connection the one of `peer`, in place of an older one."""
        if peer in self._connected:
            self._connected[peer].end()
        if peer in self._known:
            self._reconnects += 1
        self._known.add(peer)
        self._connected[peer] = connection
        connection.pause(self._throttled and peer.role == "fleet")
        self._change.set()
        self.receiver.connected(peer)

    def deliver(self, peer: Address, bodies: Iterable[memoryview], traffic: Traffic) -> None:
        """Hand over all messages of some frames at once; raises RemoteProtocolError."""
        messages: list[Message] = []
        sizes: list[int] = []
        for body in bodies:
            decoded, decoded_sizes = decode_frame(body)
            messages += decoded
            sizes += decoded_sizes
            traffic.frames_in += 1
            traffic.bytes_in += LENGTH.size + len(body)
        if messages:
            self.receiver.received(peer, messages, sizes)

    def rejected(self, connection: AnyConnection, peer: Address | None, reason: str) -> None:
        """Log and count that a peer, or a stranger, broke the rules, and disconnect it."""
        if peer is None:
            self._handshakes_rejected += 1
        else:
            self._frames_rejected += 1
        _log.warning("%s disconnects %s: %s", self.me, connection, reason)
        connection.end()

    def disconnected(self, connection: AnyConnection, peer: Address | None) -> None:
        """Forget a connection, unless it was replaced already."""
        if peer is not None and self._connected.get(peer) is connection:
            del self._connected[peer]
            self.receiver.disconnected(peer)

    def traffic(self, peer: Address) -> Traffic:
        """Return where to count what is exchanged with `peer`."""
        return self._local if is_host_local(self.me, peer) else self._network

    # --- Dialling -------------------------------------------------------------------------------

    async def _keep_connected(self, peer: Address, endpoint: Endpoint) -> None:
        delay_s = REDIAL_DELAY_S_MIN
        now_s = asyncio.get_running_loop().time
        while True:
            dialled_s = now_s()
            await self._connect_once(peer, endpoint)
            # A peer that lets this side in only to disconnect it is no better than one that is not
            # there: a connection has to last before the next is dialled as quickly as the first.
            if now_s() - dialled_s > REDIAL_DELAY_S_MAX:
                delay_s = REDIAL_DELAY_S_MIN
            # Jitter keeps those who lost the same peer from coming back all at once.
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret.
            delay_s = min(2 * delay_s, REDIAL_DELAY_S_MAX)

    @abstractmethod
    async def _connect_once(self, peer: Address, endpoint: Endpoint) -> None:
        """Connect and stay until the connection is lost."""
