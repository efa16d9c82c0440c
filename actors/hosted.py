"""What every actor has: a node on a host, a transport, and the steps to start it.

The classes here and in `replica`, `coordinator` and `client` are plain: `cluster` turns them into
Ray actors, tests use them as they are.
"""

import asyncio
import gc

import ray.util

from actors.core.config import Config
from actors.core.effects import Node
from actors.core.ids import Address
from actors.host import Host
from actors.metering import MeterTable
from actors.transport.base import Endpoint, Receiver, Transport
from actors.transport.tcp import TcpTransport


class Hosted:
    """A node that listens, connects, runs, and is asked for its measurements."""

    _host: Host

    def __init__(self, me: Address, node: Node, config: Config, secret: bytes) -> None:
        self._me = me
        self._hosted = node
        self._config = config
        self._secret = secret

    async def listen(self, ip: str | None = None) -> Endpoint:
        """Listen at `ip`, by default this Ray node's, on a free port; return where."""
        self._host = Host(self._me, self._hosted, self._transport)
        return await self._host.transport.listen(ip or ray.util.get_node_ip_address())

    def _transport(self, receiver: Receiver) -> Transport:
        return TcpTransport(
            self._me,
            self._secret,
            receiver,
            frame_bytes_max=self._config.frame_bytes_max,
            queue_bytes_max=self._config.queue_bytes_max,
        )

    async def connect(
        self, dial: dict[Address, Endpoint], expect: list[Address], timeout_s: float
    ) -> None:
        """Dial some peers; wait for these and for the `expect`ed ones.

        Raises TimeoutError that names who is missing.
        """
        self._host.transport.dial(dial)
        await self._host.transport.wait_connected([*dial, *expect], timeout_s)

    async def start(self) -> None:
        """Start the node."""
        # What the imports left behind is not garbage: looking through it again would be a pause.
        gc.collect()
        gc.freeze()
        self._host.start()

    async def begin(self) -> None:
        """Begin to measure."""
        self._host.begin()

    async def watch(self) -> str:
        """Return, once this actor takes no more events, why: in one line."""
        failed = self._host.failed
        await asyncio.wait((failed,))
        error = None if failed.cancelled() else failed.exception()
        return "as asked" if error is None else in_one_line(error)

    async def measurements(self) -> MeterTable:
        """Return what was metered since `begin`."""
        return self._host.table()

    async def stop(self) -> None:
        """Stop the node and close all connections."""
        self._host.stop()
        await self._host.transport.close()


def in_one_line(error: BaseException) -> str:
    """Say what an exception is and says, however many lines it has."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
