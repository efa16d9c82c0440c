"""The written rules of a transport: what nodes may rely on, and what they may not.

1. Messages from one peer to another arrive in the order in which they were sent, while the two stay
   connected.
2. Messages may be lost: when the connection breaks, while there is none, and when the queue for a
   slow peer is full. Nothing is ever sent again by the transport, so nothing is ever duplicated.
3. Sending never blocks: what cannot be queued is dropped and counted.
4. A message is encoded once, however many receivers it has; messages to one peer share frames.
5. Of each pair of addresses exactly one dials. A new connection from an address replaces its old
   one: the peer has restarted, or found the old connection broken before this side did.
6. Who breaks the rules of the wire is disconnected, logged and counted; nobody else notices.

Everything runs on one event loop; no method may be called from another thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from actors.core.ids import Address
from actors.core.messages import Message


class Endpoint(NamedTuple):
    """Where a transport listens."""

    host: str
    port: int
    actor: Any = None
    """Handle of the actor, where messages are calls of it; Ray types its handles as Any."""


class Receiver(Protocol):
    """What a transport delivers to. All calls come from the event loop and must not block."""

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        """Take the messages of one read, in order, and the encoded size in bytes of each.

        Raises RemoteProtocolError where no correct peer would send them: `sender` is disconnected.
        """

    def connected(self, peer: Address) -> None:
        """Learn that messages can now be sent to `peer`."""

    def disconnected(self, peer: Address) -> None:
        """Learn that messages to `peer` are dropped until it is connected again."""


class Transport(Protocol):
    """Carries messages between this address and its peers by the rules at the head of the file."""

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        """Accept peers at `host`; with port 0 the operating system chooses one."""

    def dial(self, peers: dict[Address, Endpoint]) -> None:
        """Connect to `peers` in the background, and again whenever a connection is lost.

        A peer that was dialled before is from now on dialled at its new endpoint.
        """

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None:
        """Wait until all of `peers` are connected; raises TimeoutError naming the missing ones."""

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        """Queue encoded messages for `to`, `apart` in a frame each; false if any was dropped.

        Raises LocalProtocolError if a message is larger than a frame may be.
        """

    def throttle(self, on: bool) -> None:
        """Stop (or resume) reading from every fleet, also from those that connect later."""

    def queued_bytes(self) -> int:
        """Return how many bytes wait to be taken by the network, for all peers together."""

    def counts(self) -> dict[str, float]:
        """Return what has happened since the beginning, ever growing.

        Frames and bytes, in and out, are counted apart for the network (`network_frames_in`, ...)
        and for peers of the same host (`local_frames_in`, ...); bytes include the framing.
        """

    async def close(self) -> None:
        """Disconnect everybody, stop listening and dialling; queued messages are lost."""
