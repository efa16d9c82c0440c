"""What the actors of a run measure, told while the run goes on.

Actors are asked about twice a second, each for what it measured since it was asked last, so that a
watched run does next to nothing more than another. Who does not answer in time is left out: what
it measured is told the next time.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np

from actors.core import histogram
from actors.core.histogram import Counts, LatencyTable
from actors.core.ids import Address
from actors.crew import Crew, Gone
from actors.errors import ClusterError
from actors.measurements import EventRow
from actors.metering import MeterTable
from actors.news import Lately, News

PERIOD_S = 0.4
"""Time between two rounds of questions: with the answers, it makes at least two rounds a second."""

T = TypeVar("T")


class Reporter:
    """Asks a crew for news and tells them. `events` is the list that events are added to."""

    def __init__(
        self, crew: Crew, tell: Callable[[News], None], events: Sequence[EventRow]
    ) -> None:
        self._crew = crew
        self._tell = tell
        self._events = events
        self._asked_s: dict[Address, float] = {}
        self._open_bins: dict[Address, int] = {}

    async def run(self) -> None:
        """Tell news until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self._tell(await self._news())

    async def _news(self) -> News:
        there = [
            address
            for address in self._crew.of("replica", "coordinator", "fleet")
            if address not in self._crew.paused
        ]
        fleets = [address for address in there if address.role == "fleet"]
        lately, latencies = await asyncio.gather(
            _in_time(there, self._lately), _in_time(fleets, self._latencies)
        )
        return News(
            {address: each for address, each in lately.items() if each is not None},
            sum(latencies.values(), np.zeros(histogram.BUCKETS, np.int64)),
            list(self._events),
        )

    async def _lately(self, address: Address) -> Lately | None:
        """Return what an actor counted; None where it was not sampled since."""
        since_s = self._asked_s.get(address, -math.inf)
        table: MeterTable = await self._crew.answer(address, "measurements", since_s)
        if not len(table.rows):
            return None
        first_s, last_s = map(float, table.column("time_s")[[0, -1]])
        self._asked_s[address] = last_s
        if math.isinf(since_s):  # The first sample is the zero of the counts.
            since_s, table = first_s, table._replace(rows=table.rows[1:])
        return Lately(since_s, table) if last_s > since_s else None

    async def _latencies(self, fleet: Address) -> Counts:
        first = self._open_bins.get(fleet, 0)
        table: LatencyTable = await self._crew.answer(fleet, "latencies", first)
        still_open = self._open_bins[fleet] = first + len(table.completed) - 1
        has_ended = table.bins < still_open
        return histogram.merge(table.buckets[has_ended], table.counts[has_ended])


async def _in_time(
    addresses: Iterable[Address], ask: Callable[[Address], Awaitable[T]]
) -> dict[Address, T]:
    """Return the answers that come before the next questions are due."""
    answers: dict[Address, T] = {}

    async def collect(address: Address) -> None:
        with suppress(Gone, ClusterError):  # Whoever dies is missed by others.
            answers[address] = await ask(address)

    calls = [asyncio.create_task(collect(address)) for address in addresses]
    if calls:
        _, late = await asyncio.wait(calls, timeout=PERIOD_S)
        for call in late:
            call.cancel()
    return answers
