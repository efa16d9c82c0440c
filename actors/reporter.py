"""What the actors of a run measure, told while the run goes on.

Actors are asked about twice a second, each for what it measured since it was asked last, so that a
watched run does next to nothing more than another. Who is late is not asked again until it has
answered, and nobody waits for it: what it measured is told later.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from actors.core import histogram
from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.crew import Crew, Gone
from actors.errors import ClusterError
from actors.measurements import EventRow
from actors.metering import MeterTable
from actors.news import Lately, News

_log = logging.getLogger(__name__)

PERIOD_S = 0.4
"""Time between two rounds of questions: with the answers, it makes at least two rounds a second."""

PATIENCE_S = 0.05
"""Time for answers to come before what has come is told."""


class Reporter:
    """Asks a crew for news and tells them. `events` is the list that events are added to."""

    def __init__(
        self, crew: Crew, tell: Callable[[News], None], events: Sequence[EventRow]
    ) -> None:
        self._crew = crew
        self._tell = tell
        self._events = events
        self._asked: dict[Address, asyncio.Task[None]] = {}
        self._asked_s: dict[Address, float] = {}
        self._open_bins: dict[Address, int] = {}
        self._begin_news()

    async def run(self) -> None:
        """Tell news until cancelled, or until they are not taken."""
        try:
            while True:
                await asyncio.sleep(PERIOD_S)
                await self._ask()
                self._tell(News(self._actors, self._latencies, list(self._events)))
                self._begin_news()
        except Exception:  # Who watches must not cost a run.
            _log.exception("nobody hears of this run any more")
        finally:
            for asked in self._asked.values():
                asked.cancel()

    def _begin_news(self) -> None:
        self._actors: dict[Address, Lately] = {}
        self._latencies = np.zeros(histogram.BUCKETS, np.int64)

    async def _ask(self) -> None:
        """Ask everybody who does not owe an answer, and wait for a while for the answers."""
        for address in self._crew.of("replica", "coordinator", "fleet"):
            is_waited_for = address in self._asked and not self._asked[address].done()
            if address not in self._crew.paused and not is_waited_for:
                self._asked[address] = asyncio.create_task(self._hear(address))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=PATIENCE_S)

    async def _hear(self, address: Address) -> None:
        with suppress(Gone, ClusterError):  # Whoever dies is missed by others.
            await self._hear_meter(address)
            if address.role == "fleet":
                await self._hear_latencies(address)

    async def _hear_meter(self, address: Address) -> None:
        since_s = self._asked_s.get(address, -math.inf)
        table: MeterTable = await self._crew.answer(address, "measurements", since_s)
        if not len(table.rows):
            return
        first_s, last_s = map(float, table.column("time_s")[[0, -1]])
        self._asked_s[address] = last_s
        if math.isinf(since_s):  # The first sample is the zero of the counts.
            since_s, table = first_s, table._replace(rows=table.rows[1:])
        if last_s > since_s:
            self._actors[address] = Lately(since_s, table)

    async def _hear_latencies(self, fleet: Address) -> None:
        first = self._open_bins.get(fleet, 0)
        table: LatencyTable = await self._crew.answer(fleet, "latencies", first)
        still_open = self._open_bins[fleet] = first + len(table.completed) - 1
        has_ended = table.bins < still_open
        self._latencies += histogram.merge(table.buckets[has_ended], table.counts[has_ended])
