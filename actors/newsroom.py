"""Where the actors of a run report to, and from where news of the run are told.

It takes reports of whoever knows the secret of the run. Who is slow, paused or dead is missing in
the news until it reports again; nobody waits for it.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence

import numpy as np

from actors.core import histogram
from actors.core.errors import RemoteProtocolError
from actors.core.histogram import Counts
from actors.core.ids import Address
from actors.measurements import EventRow
from actors.news import PERIOD_S, Listener, News, Report, decode
from actors.transport.base import Endpoint
from actors.transport.framing import LENGTH
from actors.transport.handshake import HELLO_BYTES_MAX, STRANGERS_MAX, authenticate

REPORT_BYTES_MAX = 64 << 10
"""A few hundred counts and at most 1024 buckets take less."""

HELLO_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class Newsroom:
    """Hears reports, and tells `listeners` the news. `events` is the list that events are added to.

    An actor is heard at one connection, the latest.
    """

    def __init__(
        self,
        secret: bytes,
        listeners: Iterable[Listener],
        events: Sequence[EventRow],
    ) -> None:
        self._secret = secret
        self._desks = [_Desk(listener) for listener in listeners]
        self._events = events
        self._heard: dict[Address, Report] = {}
        self._strangers: set[asyncio.StreamWriter] = set()
        self._reporters: dict[Address, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._telling: asyncio.Task[None] | None = None

    async def open(self, ip: str) -> Endpoint:
        """Listen on a free port, and tell news from now on; return where. Raises OSError."""
        self._server = await asyncio.start_server(self._hear, ip, 0, limit=REPORT_BYTES_MAX)
        self._telling = asyncio.create_task(self._tell())
        return Endpoint(*self._server.sockets[0].getsockname()[:2])

    def close(self) -> None:
        """Tell nothing more, and disconnect everybody; without effect unless it is open."""
        if self._telling is not None:
            self._telling.cancel()
        if self._server is not None:
            self._server.close()
        for writer in [*self._strangers, *self._reporters.values()]:
            writer.close()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            heard, self._heard = self._heard, {}
            news = News(heard, _latencies(heard.values()), list(self._events))
            for desk in self._desks:
                desk.tell(news)

    # --- A connection ---

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            who = await self._introduced(reader, writer)
            await self._take_reports(who, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # It is gone, or never said who it is.
        except asyncio.CancelledError:
            pass  # The event loop ends, to which Python 3.11 would object here at length.
        except RemoteProtocolError as error:
            _log.warning("a report that is none: %s", error)
        finally:
            writer.close()

    async def _introduced(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Address:
        """Return who has connected; raises RemoteProtocolError, also at too many strangers."""
        if len(self._strangers) >= STRANGERS_MAX:
            raise RemoteProtocolError("too many strangers")
        self._strangers.add(writer)
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                return authenticate(await _body(reader, HELLO_BYTES_MAX), self._secret)
        finally:
            self._strangers.discard(writer)

    async def _take_reports(
        self, who: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if who in self._reporters:
            self._reporters[who].close()
        self._reporters[who] = writer
        try:
            while True:
                report = decode(await _body(reader, REPORT_BYTES_MAX))
                if self._reporters.get(who) is not writer:
                    return  # Another has taken its place.
                before = self._heard.get(who)
                self._heard[who] = report if before is None else before.followed_by(report)
        finally:
            if self._reporters.get(who) is writer:
                del self._reporters[who]


class _Desk:
    """Tells one listener. Should he not take the news, that costs the run nothing, nor others."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._has_failed = False

    def tell(self, news: News) -> None:
        try:
            self._listener(news)
        except Exception:
            if not self._has_failed:  # Once a run: it may well be the same each time.
                _log.exception("news of this run are not taken")
            self._has_failed = True


async def _body(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """Return the body of the next frame."""
    length: int = LENGTH.unpack(await reader.readexactly(LENGTH.size))[0]
    if length > bytes_max:
        raise RemoteProtocolError(f"frame of {length} bytes, {bytes_max} allowed")
    return await reader.readexactly(length)


def _latencies(reports: Iterable[Report]) -> Counts:
    said = [pair for report in reports for pair in report.latencies.items()]
    buckets, counts = np.array(said, np.int64).reshape(-1, 2).T
    return histogram.merge(buckets, counts)
