"""Tells whoever watches a run what one actor measures, while the run goes on.

Reports are pushed over a connection of their own: that costs an actor a small part of what it costs
to be asked by a Ray call. Nothing waits for them, and who cannot be told costs nobody anything: a
report that would have to wait is left out, and what it would have said is in the next one. A
connection that is lost is made again, and what was measured meanwhile told then.
"""

import asyncio
import logging
import math
from collections.abc import Callable

from actors.core.ids import Address
from actors.news import PERIOD_S, Report, encode
from actors.transport.base import Endpoint
from actors.transport.framing import frame
from actors.transport.handshake import introduce

REDIAL_DELAY_S = 1.0
DIALS_MAX = 10
"""How often a newsroom is dialled that takes no report: it is gone when a run has ended."""

_log = logging.getLogger(__name__)


class Reporter:
    """Reports for `me`, who knows the `secret` of the run.

    `report` returns what was measured later than a time, None where that is nothing.
    """

    def __init__(
        self, me: Address, secret: bytes, report: Callable[[float], Report | None]
    ) -> None:
        self._me = me
        self._secret = secret
        self._report = report
        self._told_s = -math.inf

    async def run(self, to: Endpoint) -> None:
        """Report to a newsroom until cancelled, or until it has taken nothing for long.

        Where it cannot go on by a fault of ours it ends, too, and leaves that to the log.
        """
        try:
            await self._keep_reporting(to)
            _log.info("%s reports no more: nobody takes it", self._me)
        except Exception:  # Who reports must not cost a run.
            _log.exception("%s reports no more", self._me)

    async def _keep_reporting(self, to: Endpoint) -> None:
        in_vain = 0
        while in_vain < DIALS_MAX:
            before_s = self._told_s
            await self._report_once(to)
            in_vain = in_vain + 1 if self._told_s == before_s else 0
            await asyncio.sleep(REDIAL_DELAY_S)

    async def _report_once(self, to: Endpoint) -> None:
        """Connect, and report until the connection is lost."""
        try:
            reader, writer = await asyncio.open_connection(to.host, to.port)
            try:
                await self._tell(reader, writer)
            finally:
                writer.close()
        except OSError as error:
            _log.debug("%s cannot report: %s", self._me, error)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(introduce(self._me, self._secret)))
        while True:
            await asyncio.sleep(PERIOD_S)
            if reader.at_eof() or writer.is_closing():
                return
            is_late = writer.transport.get_write_buffer_size() > 0
            report = None if is_late else self._report(self._told_s)
            if report is not None:
                writer.write(frame(encode(report)))
                self._told_s = report.until_s
