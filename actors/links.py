"""Links that can be made faulty: a transport that loses or delays what it sends to some peers.

Only what is sent is touched: a link that is cut both ways is cut at both of its ends. Until a link
is touched, whatever is asked of this transport is asked of the real one directly.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from actors.core.ids import Address
from actors.transport.base import Transport


class Links:
    """A transport with faulty links; `queue_bytes_max` bounds what may be on its way to a peer."""

    def __init__(self, transport: Transport, queue_bytes_max: int) -> None:
        self.listen, self.close = transport.listen, transport.close
        self.dial, self.wait_connected = transport.dial, transport.wait_connected
        self.send, self.throttle = transport.send, transport.throttle
        self._transport = transport
        self._queue_bytes_max = queue_bytes_max
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
            lane = self._slow.setdefault(peer, _Lane(peer, self._transport.send))
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
        lane.put(encoded, apart)
        return True


class _Lane:
    """What is on its way to one peer, in order."""

    def __init__(self, to: Address, send: Callable[..., bool]) -> None:
        self.delay_s = 0.0
        self.bytes = 0
        self._to = to
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, Sequence[bytes], bool]] = deque()

    def put(self, encoded: Sequence[bytes], apart: bool) -> None:
        due_at = self._loop.time() + self.delay_s
        if not self._queue:
            self._loop.call_at(due_at, self._arrive)
        self._queue.append((due_at, encoded, apart))
        self.bytes += sum(map(len, encoded))

    def empty(self) -> None:
        """Have all of it arrive now."""
        while self._queue:
            self._send_first()

    def _arrive(self) -> None:
        while self._queue and self._queue[0][0] <= self._loop.time():
            self._send_first()
        if self._queue:
            self._loop.call_at(self._queue[0][0], self._arrive)

    def _send_first(self) -> None:
        _, encoded, apart = self._queue.popleft()
        self.bytes -= sum(map(len, encoded))
        self._send(self._to, encoded, apart=apart)
