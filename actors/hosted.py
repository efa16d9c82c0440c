"""What every actor has: a node on a host, a transport, and the steps to start it.

The classes here and in `replica`, `coordinator` and `client` are plain: `cluster` turns them into
Ray actors, tests use them as they are.
"""

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ray
import ray.util

from actors import logs
from actors.clock import MachineClock
from actors.core.config import Config
from actors.core.effects import Node
from actors.core.errors import RestartError
from actors.core.ids import Address
from actors.host import Host
from actors.links import Links
from actors.metering import MeterTable
from actors.model.budget import Budget, cells_needed
from actors.model.cells import SharedCells
from actors.model.limited import Limited
from actors.news import Latencies, Report
from actors.reporter import Reporter
from actors.storage.journal import Journal
from actors.transport.base import Endpoint, Receiver, Transport
from actors.transport.ray_call import OrderError, RayTransport
from actors.transport.tcp import TcpTransport

_log = logging.getLogger(__name__)

AnyNode = TypeVar("AnyNode", bound=Node)


class Process(NamedTuple):
    """A process of the operating system, somewhere on the cluster."""

    node: str
    """Id of the Ray node."""
    number: int
    """What the operating system knows it by there."""


class Hosted:
    """A node that listens, connects, runs, and is asked for its measurements.

    `journal` is where the node stores, if it may: its records are what the node was made from.
    `run_id` is what the run is called in logs.
    """

    _name = "an actor in the making"
    """Ray asks for it also where the making fails."""
    _host: Host
    _links: Links
    _calls: RayTransport

    def __init__(
        self,
        me: Address,
        node: Node,
        config: Config,
        secret: bytes,
        journal: Journal | None = None,
        *,
        run_id: str = "",
    ) -> None:
        self._me = me
        self._run_id = run_id
        self._name = f"{me} of {run_id}" if run_id else str(me)
        self._hosted = node
        self._config = config
        self._secret = secret
        self._journal = journal
        self._reporting: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Return the name by which Ray's lists of actors show this one."""
        return self._name

    async def sign_logs(self) -> None:
        """Say in the log of this actor's process whose it is."""
        logs.sign(self._run_id, self._me)

    async def listen(self, ip: str | None = None, budgets: str | None = None) -> Endpoint:
        """Listen at `ip`, by default this Ray node's, on a free port; return where.

        A host with limits shares its budget with the others of it in a file of the folder
        `budgets`.
        """
        self._pin()
        self._clock = MachineClock(self._config.dilation)
        is_limited = self._config.is_limited and self._me.role != "fleet"
        connect = partial(self._connect_limited, budgets) if is_limited else self._connect
        self._host = Host(self._me, self._hosted, connect, self._journal, clock=self._clock)
        endpoint = await self._host.transport.listen(ip or ray.util.get_node_ip_address())
        _log.info("%s listens at %s", self._me, endpoint.host)
        return endpoint

    def _pin(self) -> None:
        """Keep the thread that does all the work to the cores of this host, if it has its own."""
        count = self._config.cores_per_host
        if count and self._me.role != "fleet":
            machine, first = sorted(os.sched_getaffinity(0)), self._me.number * count
            mine = {machine[core % len(machine)] for core in range(first, first + count)}
            os.sched_setaffinity(0, mine)

    def _connect_limited(self, budgets: str | None, receiver: Receiver) -> Transport:
        assert budgets is not None, "a host with limits has its budget somewhere"
        path = Path(budgets) / f"host-{self._me.number}.budget"
        budget = Budget(self._config, SharedCells(path, cells_needed(self._config)))
        return Limited(
            self._me,
            self._config,
            budget,
            self._clock,
            receiver,
            connect=self._connect,
            executed=self._executed_requests,
        )

    def _executed_requests(self) -> int:
        """Return how many requests this node has executed."""
        return 0

    def _connect(self, receiver: Receiver) -> Links:
        limits = {
            "frame_bytes_max": self._config.frame_bytes_max,
            "queue_bytes_max": self._config.queue_bytes_max,
        }
        transport: Transport
        if self._config.transport == "ray":
            transport = self._calls = RayTransport(self._me, receiver, _this_actor, **limits)
        else:
            transport = TcpTransport(self._me, self._secret, receiver, **limits)
        self._links = Links(transport, self._config.queue_bytes_max, self._clock)
        return self._links

    async def meet(self, peer: Address, number: int, endpoint: Endpoint) -> None:
        """Take in a connection of a peer whose messages are calls."""
        self._calls.meet(peer, number, endpoint)

    # No record of every message for Ray's dashboard: keeping that would be a load of its own.
    @ray.method(enable_task_events=False)
    async def take(self, call: bytes) -> bool:
        """Take messages of such a peer; return whether its connection still stands."""
        try:
            return await self._calls.take(call)
        except OrderError as error:
            self._host.fail(error)
            raise

    async def connect(
        self, dial: dict[Address, Endpoint], expect: list[Address], timeout_s: float
    ) -> None:
        """Dial some peers; wait for these and for the `expect`ed ones.

        Raises TimeoutError that names who is missing.
        """
        self._host.transport.dial(dial)
        await self._host.transport.wait_connected([*dial, *expect], timeout_s)

    async def reconnect(
        self, dial: dict[Address, Endpoint], expect: list[Address], timeout_s: float
    ) -> None:
        """Connect as far as it goes in time: any peer may be down."""
        with suppress(TimeoutError):
            await self.connect(dial, expect, timeout_s)

    async def start(self) -> None:
        """Start the node."""
        # What the imports left behind is not garbage: looking through it again would be a pause.
        gc.collect()
        gc.freeze()
        self._host.start()
        _log.info("%s starts", self._me)

    async def begin(self, ago_s: float = 0.0) -> None:
        """Begin to measure, in a run that began so long ago."""
        self._host.begin(ago_s)

    async def watch(self) -> str:
        """Return, once this actor takes no more events, why: in one line."""
        failed = self._host.failed
        await asyncio.wait((failed,))
        error = None if failed.cancelled() else failed.exception()
        return "as asked" if error is None else in_one_line(error)

    async def process(self) -> Process:
        """Return which process this actor is."""
        return Process(ray.get_runtime_context().get_node_id(), os.getpid())

    async def cut(self, peers: Collection[Address]) -> None:
        """Lose what is sent to `peers` from now on."""
        _log.info("%s loses what it sends to %s", self._me, _listed(peers))
        self._links.cut(peers)

    async def slow(self, peers: Collection[Address], delay_ms: float) -> None:
        """Delay what is sent to `peers` from now on."""
        _log.info("%s delays what it sends to %s by %g ms", self._me, _listed(peers), delay_ms)
        self._links.slow(peers, delay_ms)

    async def heal(self) -> None:
        """End all cuts and delays."""
        _log.info("%s sends to all again", self._me)
        self._links.heal()

    async def report(self, to: Endpoint) -> None:
        """Report to a newsroom from now on what is measured."""
        reporter = Reporter(self._me, self._secret, self._report)
        self._reporting = asyncio.create_task(reporter.run(to))

    def _report(self, after_s: float) -> Report | None:
        """Return what was measured later than `after_s` of the run, None if nothing was yet."""
        growth = self._host.growth(after_s)
        if growth is None:
            return None
        latencies = self._recent_latencies()
        return Report(growth.since_s, growth.until_s, growth.counts, latencies, growth.gauges)

    def _recent_latencies(self) -> Latencies:
        """Return which latencies have become known since this was called last."""
        return {}

    async def measurements(self) -> MeterTable:
        """Return what was metered since `begin`."""
        return self._host.table()

    async def stop(self) -> None:
        """Stop the node and close all connections."""
        if self._reporting is not None:
            self._reporting.cancel()
        self._host.stop()
        await self._host.transport.close()


def _listed(peers: Collection[Address]) -> str:
    return ", ".join(map(str, peers))


def _this_actor() -> Any:
    """Return the handle of the actor that this process is; Ray types its handles as Any."""
    return ray.get_runtime_context().current_actor


def restored(
    folder: str | None, build: Callable[[Sequence[bytes]], AnyNode]
) -> tuple[AnyNode, Journal | None]:
    """Build a node from what it has stored in a folder, if it stores; return its journal, too.

    Raises StorageError where that cannot be read, RestartError where it does not do.
    """
    if folder is None:
        return build(()), None
    journal = Journal.open(Path(folder))
    try:
        return build(journal.records), journal
    except RestartError as error:
        journal.close()
        raise RestartError(f"{folder}: {error}") from error


def in_one_line(error: BaseException) -> str:
    """Say what an exception is and says, however many lines it has."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
