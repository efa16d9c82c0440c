"""When clients send: closed-loop as soon as a reply is there, or open-loop as requests arrive.

Open-loop requests arrive as a Poisson process, whatever the system does. Each takes a client that
is free, and waits for one where none is: a client has one request outstanding. Its latency counts
from its arrival, so that a slow system cannot hide behind its own slowness.
"""

from collections import deque
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from actors.core.columns import U32, U32s

Floats = NDArray[np.float64]

TICK_S = 0.000_05
"""The least time between two looks at what has arrived: short beside any latency."""

DRAWN_AHEAD = 4096


class Due(NamedTuple):
    """Clients that send now, and since when each of their requests has been wanted."""

    clients: U32s
    since: Floats


class Pace(Protocol):
    """Says who sends when. Times are in seconds."""

    def begin(self, clients: U32s, now: float) -> None:
        """Begin with all clients free."""

    def freed(self, clients: U32s) -> None:
        """Take back clients that have got their replies."""

    def due(self, now: float) -> Due:
        """Return who sends now."""

    @property
    def next_at(self) -> float:
        """When to ask for `due` again though nobody is freed; inf = never."""

    @property
    def waiting(self) -> int:
        """Requests that have arrived and wait for a client."""


class ClosedLoop:
    """Every client sends its next request at once."""

    next_at = float("inf")
    waiting = 0

    def __init__(self) -> None:
        self._free: U32s = np.empty(0, U32)

    def begin(self, clients: U32s, now: float) -> None:  # noqa: ARG002 - as for any pace.
        """Begin with all clients free."""
        self._free = clients

    def freed(self, clients: U32s) -> None:
        """Take back clients that have got their replies."""
        assert not len(self._free), "who is free has sent"
        self._free = clients

    def due(self, now: float) -> Due:
        """Return all who are free."""
        free, self._free = self._free, self._free[:0]
        return Due(free, np.full(len(free), now))


class OpenLoop:
    """Requests arrive at `rate_rps` on average; `rng` draws the times between them."""

    def __init__(self, rate_rps: float, rng: np.random.Generator) -> None:
        self._mean_s = 1.0 / rate_rps
        self._rng = rng
        self._free: deque[U32s] = deque()
        self._free_count = 0
        self._arrivals: Floats = np.empty(0)  # Drawn, and not sent yet.
        self._arrived = 0  # How many of them have come.
        self._asked_at = 0.0

    def begin(self, clients: U32s, now: float) -> None:
        """Begin with all clients free; the first request comes after `now`."""
        self.freed(clients)
        self._arrivals = self._draw(now)
        self._asked_at = now

    def freed(self, clients: U32s) -> None:
        """Take back clients that have got their replies."""
        self._free.append(clients)
        self._free_count += len(clients)

    def due(self, now: float) -> Due:
        """Return a free client for each request that has arrived, as far as there are any."""
        self._asked_at = now
        while self._arrivals[-1] <= now:
            self._arrivals = np.concatenate((self._arrivals, self._draw(self._arrivals[-1])))
        self._arrived = int(np.searchsorted(self._arrivals, now, "right"))
        count = min(self._arrived, self._free_count)
        since, self._arrivals = self._arrivals[:count], self._arrivals[count:]
        self._arrived -= count
        return Due(self._take(count), since)

    @property
    def next_at(self) -> float:
        """When the next request arrives, but not at once again: small steps cost much."""
        return max(float(self._arrivals[self._arrived]), self._asked_at + TICK_S)

    @property
    def waiting(self) -> int:
        """Requests that have arrived and wait for a client."""
        return self._arrived

    def _draw(self, after: float) -> Floats:
        return after + np.cumsum(self._rng.exponential(self._mean_s, DRAWN_AHEAD))

    def _take(self, count: int) -> U32s:
        """Return the clients that have been free for the longest."""
        parts: list[U32s] = []
        self._free_count -= count
        while count:
            part = self._free.popleft()
            parts.append(part[:count])
            if len(part) > count:
                self._free.appendleft(part[count:])
            count -= len(parts[-1])
        return np.concatenate(parts) if parts else np.empty(0, U32)
