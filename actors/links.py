"""Links that can be made faulty: a transport that loses or delays what it sends to some peers.

Only what is sent is touched: a link that is cut both ways is cut at both of its ends. Until a link
is touched, whatever is asked of this transport is asked of the real one directly.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from actors.clock import Clock
from actors.core.ids import Address
from actors.due_queue import DueQueue
from actors.transport.base import Transport


class Links:
    """A transport with faulty links; `queue_bytes_max` bounds what may be on its way to a peer."""

    def __init__(self, transport: Transport, queue_bytes_max: int, clock: Clock) -> None:
        self.listen, self.close = transport.listen, transport.close
        self.dial, self.wait_connected = transport.dial, transport.wait_connected
        self.send, self.throttle = transport.send, transport.throttle
        self._transport = transport
        self._queue_bytes_max = queue_bytes_max
        self._clock = clock
        self._cut: set[Address] = set()
        self._slow: dict[Address, _Lane] = {}
        self._messages_cut = 0

    def cut(self, peers: Iterable[Address]) -> None:
        """Lose what is sent to `peers` from now on."""
        self._cut.update(peers)
        self.send = self._send

    def slow(self, peers: Iterable[Address], delay_ms: float) -> None:
        """Delay what is sent to `peers` from now on, in order, in place of an earlier delay."""
        for peer in peers:
            lane = self._slow.get(peer)
            if lane is None:
                lane = self._slow[peer] = _Lane(self._clock, partial(self._arrive, peer))
            lane.delay_s = delay_ms / 1e3
        self.send = self._send

    def heal(self) -> None:
        """End all cuts and delays; what is on its way arrives now."""
        for lane in self._slow.values():
            lane.empty()
        self._cut, self._slow = set(), {}
        self.send = self._transport.send

    def queued_bytes(self) -> int:
        """Return how many bytes wait, for the network or on a slow link."""
        return self._transport.queued_bytes() + sum(each.bytes for each in self._slow.values())

    def counts(self) -> dict[str, float]:
        """Return what the transport counts, and how many messages faulty links have lost."""
        return {**self._transport.counts(), "messages_cut": self._messages_cut}

    def _send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        lane = self._slow.get(to)
        if to in self._cut or (lane is not None and lane.bytes > self._queue_bytes_max):
            self._messages_cut += len(encoded)
            return False
        if lane is None:
            return self._transport.send(to, encoded, apart=apart)
        due_at = self._clock.now() + lane.delay_s
        lane.put(due_at, (encoded, apart), sum(map(len, encoded)))
        return True

    def _arrive(self, to: Address, sent: tuple[Sequence[bytes], bool]) -> None:
        encoded, apart = sent
        self._transport.send(to, encoded, apart=apart)


class _Lane(DueQueue[tuple[Sequence[bytes], bool]]):
    """What is on its way to one peer, in order."""

    delay_s = 0.0
