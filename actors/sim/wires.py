"""Wires between hosts in virtual time: what is sent arrives at once, in order, and is never lost.

All that takes time, or loses something, is in front of it: `actors.model.limited`, `actors.links`.
"""

from collections.abc import Iterable, Sequence

from actors.clock import Clock
from actors.core.ids import Address, is_host_local
from actors.transport.base import Endpoint, Receiver
from actors.transport.codec import decode
from actors.transport.framing import FRAME_BYTES_MIN
from actors.transport.traffic import Traffic


class Wires:
    """Who can be reached. Whoever leaves loses what is under way to him."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ends: dict[Address, WireTransport] = {}


class WireTransport:
    """One end of the wires; a transport by the rules of `actors.transport.base`."""

    def __init__(self, me: Address, wires: Wires, receiver: Receiver) -> None:
        self._me = me
        self._wires = wires
        self._receiver = receiver
        self._network = Traffic()
        self._local = Traffic()
        self._frames_dropped = 0
        wires.ends[me] = self

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        """Be reached, as always."""
        return Endpoint(host, port)

    def dial(self, peers: dict[Address, Endpoint]) -> None:
        """Reach `peers`, as always."""

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None:
        """Be connected, as always."""

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        """Have messages arrive; false where there is nobody."""
        end = self._wires.ends.get(to)
        frames = len(encoded) if apart else 1
        if end is None:
            self._frames_dropped += frames
            return False
        size = sum(map(len, encoded)) + frames * FRAME_BYTES_MIN
        traffic = self._traffic(to)
        traffic.frames_out += frames
        traffic.bytes_out += size
        clock = self._wires.clock
        clock.call_at(clock.now(), end.arrive, self._me, encoded, frames, size)
        return True

    def arrive(self, sender: Address, encoded: Sequence[bytes], frames: int, size: int) -> None:
        """Deliver what has been sent to here."""
        if self._wires.ends.get(self._me) is not self:
            return
        traffic = self._traffic(sender)
        traffic.frames_in += frames
        traffic.bytes_in += size
        self._receiver.received(sender, list(map(decode, encoded)), list(map(len, encoded)))

    def throttle(self, on: bool) -> None:
        """Let clients go on: what they send is bounded by one request each."""

    def queued_bytes(self) -> int:
        """Return 0: nothing waits here."""
        return 0

    def counts(self) -> dict[str, float]:
        """Return frames and bytes, framing included, as every transport counts them."""
        return {
            **self._network.counts("network"),
            **self._local.counts("local"),
            "frames_dropped": self._frames_dropped,
        }

    async def close(self) -> None:
        """Be there no more, unless replaced already."""
        if self._wires.ends.get(self._me) is self:
            del self._wires.ends[self._me]

    def _traffic(self, peer: Address) -> Traffic:
        return self._local if is_host_local(self._me, peer) else self._network
