"""Ingress: admits clients' requests at the host they talk to, and finds the way back for replies.

A client has one request outstanding. Its retry of a request that is pending here is dropped, so a
host has no request in hand twice; whatever slips through is sorted out by the executor. Two arrays
indexed by client, no object per request.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from actors.core.columns import U32, Columns, U32s
from actors.core.config import FLEETS_MAX, Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.core.messages import Redirect, Replies, Requests
from actors.core.tables import LastRows, all_true, places


class Ingress:
    """Requests that this host has admitted and not answered, and the fleet of each client."""

    def __init__(self, config: Config, out: Outbox) -> None:
        self.pending = 0
        """Requests admitted and not answered."""
        self._admitted = 0
        self._answered = 0
        self._pending_max = config.pending_requests_max
        self._out = out
        self._arrived: list[tuple[int, bytes]] = []
        self._clients = config.clients
        self._sequences: U32s = np.zeros(config.clients, U32)  # What is pending, 0 = nothing.
        self._fleets: NDArray[np.int16] = np.zeros(config.clients, np.int16)
        self._last_rows = LastRows(config.clients)
        self._rows_per_frame = config.requests_per_frame_max
        self._throttled = False

    def on_requests(self, sender: Address, message: Requests) -> None:
        """Keep a frame of requests until `admit`: many small frames cost little more than one."""
        if sender.role != "fleet" or sender.number >= FLEETS_MAX:
            raise RemoteProtocolError(f"{sender} sends requests, but only fleets do")
        Columns.check(message.requests, self._clients)
        self._arrived.append((sender.number, message.requests))

    def admit(self) -> Columns | None:
        """Return what has arrived and is not pending already."""
        if not self._arrived:
            return None
        requests = Columns.decode_all([buffer for _, buffer in self._arrived])
        fleets = self._fleets_of_arrived()
        self._arrived.clear()
        rows = places(requests.clients)
        self._fleets[rows] = fleets
        fresh = requests.sequences > self._sequences[rows]
        if not all_true(fresh):
            requests = requests.take(fresh)
        last = self._last_rows.mask(requests.clients)
        if not all_true(last):
            requests = requests.take(last)
        rows = places(requests.clients)
        self.pending += len(requests) - int(np.count_nonzero(self._sequences[rows]))
        self._sequences[rows] = requests.sequences
        self._admitted += len(requests)
        self._throttle()
        return requests if len(requests) else None

    def _fleets_of_arrived(self) -> NDArray[np.int16] | int:
        first = self._arrived[0][0]
        if all(fleet == first for fleet, _ in self._arrived):
            return first
        counts = [Columns.header(buffer)[0] for _, buffer in self._arrived]
        return np.repeat(np.array([fleet for fleet, _ in self._arrived], np.int16), counts)

    def answer(self, replies: Columns) -> None:
        """Send each reply that is awaited here to its client's fleet."""
        if not self.pending:
            return
        awaited = self._sequences[places(replies.clients)] == replies.sequences
        if not all_true(awaited):
            self._forget_passed(replies)
            replies = replies.take(awaited)
        self._sequences[places(replies.clients)] = 0
        self.pending -= len(replies)
        self._answered += len(replies)
        for fleet, rows in self._by_fleet(replies):
            self._send(Address("fleet", fleet), rows)
        self._throttle()

    def _forget_passed(self, replies: Columns) -> None:
        """Forget requests whose clients are past them: they were answered by another host."""
        pending = self._sequences[replies.clients]
        passed = replies.clients[(pending > 0) & (pending < replies.sequences)]
        self._sequences[passed] = 0
        self.pending -= len(passed)

    def _by_fleet(self, replies: Columns) -> Iterator[tuple[int, Columns]]:
        if not len(replies):
            return
        fleets = self._fleets[places(replies.clients)]
        first = int(fleets[0])
        if all_true(fleets == first):
            yield first, replies
            return
        for fleet in np.unique(fleets).tolist():
            yield fleet, replies.take(fleets == fleet)

    def _send(self, fleet: Address, replies: Columns) -> None:
        for frame in replies.frames(self._rows_per_frame):
            self._out.send(fleet, Replies(frame))

    def counts(self) -> dict[str, float]:
        """Return how many requests were admitted, and how many replies were sent."""
        return {"requests_in": self._admitted, "replies_out": self._answered}

    def redirect(self, leader: int) -> None:
        """Send everybody who waits here to the leader, and forget their requests."""
        if not self._arrived and not self.pending:
            return
        fleets = {fleet for fleet, _ in self._arrived}
        waiting = np.flatnonzero(self._sequences)
        fleets.update(np.unique(self._fleets[waiting]).tolist())
        self._arrived.clear()
        self._sequences[waiting] = 0
        self.pending = 0
        for fleet in sorted(fleets):
            self._out.send(Address("fleet", fleet), Redirect(leader))
        self._throttle()

    def _throttle(self) -> None:
        # Resume well below the limit, so as not to switch with every request.
        limit = (self._pending_max + 1) // 2 if self._throttled else self._pending_max
        if (self.pending >= limit) != self._throttled:
            self._throttled = not self._throttled
            self._out.throttle(self._throttled)
