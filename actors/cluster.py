"""A cluster: the actors of one run on Ray, placed, wired, started, watched, loaded and stopped.

Ray carries the control plane only: data goes over TCP. The actors belong to the driver, so that Ray
ends them should the driver die; a cluster that is left by an error or by Ctrl-C stops them itself.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Self

import numpy as np
import ray.util
from numpy.typing import NDArray

from actors import interrupts
from actors.client import drain_timeout_s
from actors.core.client import share_of_clients
from actors.core.config import LoadConfig
from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.core.verdict import Evidence, verdict
from actors.errors import ClusterError
from actors.faults import Timeline
from actors.injector import Injector
from actors.keepers import Keepers
from actors.measurements import EventRow, Measurements
from actors.metering import MeterTable
from actors.news import Listener
from actors.newsroom import Newsroom
from actors.place import ANYWHERE, Placement
from actors.stage import CALL_TIMEOUT_S, Stage

SETTLE_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class Cluster:
    """The actors of one configuration. A context manager: started inside, gone outside.

    `run_id` is what the run is called in the logs of its actors. `keepers` are those of runs before
    and after this one; without them it has its own.
    """

    def __init__(
        self,
        config: LoadConfig,
        placement: Placement = ANYWHERE,
        run_id: str = "",
        keepers: Keepers | None = None,
    ) -> None:
        self._config = config
        self._own_keepers = Keepers()
        self._stage = Stage(config, placement, run_id, keepers or self._own_keepers)
        self._crew = self._stage.crew
        self._meters: list[tuple[Address, MeterTable]] = []
        self._latencies: dict[Address, LatencyTable] = {}
        self._services: dict[Address, LatencyTable] = {}
        self._events: list[EventRow] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Place, create and connect all actors; start the hosts. Raises ClusterError."""
        interrupts.run(self._crew.guard(self._stage.open()))

    def run(
        self,
        load_s: float,
        faults: Timeline | None = None,
        window_start_s: float = 0.0,
        listeners: Collection[Listener] = (),
    ) -> None:
        """Load the system for `load_s` seconds, until every request is answered.

        Meanwhile `faults` happen, whose times count from `window_start_s` seconds after the load
        begins, and `listeners` hear what is measured. Raises ClusterError if an actor ends that is
        not to, or requests stay unanswered, or a replica that is up lags behind in the end.
        """
        interrupts.run(self._crew.guard(self._run(load_s, faults, window_start_s, listeners)))

    def measurements(self) -> Measurements:
        """Collect what was measured, and the verdict on those who are up."""
        return interrupts.run(self._crew.guard(self._measurements()))

    def stop(self) -> None:
        """End all actors, wait until they are gone, and leave nothing behind."""
        try:
            self._stage.close()
        finally:
            self._own_keepers.dismiss()

    # --- Running ---

    async def _run(
        self,
        load_s: float,
        faults: Timeline | None,
        window_start_s: float,
        listeners: Collection[Listener],
    ) -> None:
        async with self._told_to(listeners):
            await self._loaded(load_s, faults, window_start_s)
        await self._settle()

    @asynccontextmanager
    async def _told_to(self, listeners: Collection[Listener]) -> AsyncIterator[None]:
        """Tell listeners meanwhile what is measured."""
        newsroom = Newsroom(self._stage.secret, listeners, self._events)
        try:
            if listeners:
                await self._have_reported_to(newsroom)
            yield
        finally:
            newsroom.close()

    async def _have_reported_to(self, newsroom: Newsroom) -> None:
        try:
            where = await newsroom.open(ray.util.get_node_ip_address())
        except OSError as error:  # Who watches must not cost a run.
            _log.warning("nobody hears of this run: %s", error)
        else:
            await self._stage.report_to(where)

    async def _loaded(self, load_s: float, faults: Timeline | None, window_start_s: float) -> None:
        if faults is None or faults.next_s == math.inf:
            await self._begin()
            await self._load(load_s)
        else:
            self._stage.check_can_lose(faults.nodes_at_stake)
            await self._stage.be_ready()  # First: the clocks of hosts and clients begin together.
            await self._begin()
            await self._load_with_faults(load_s, faults, window_start_s)

    async def _begin(self) -> None:
        """Have the hosts begin to measure."""
        await self._crew.ask(self._crew.of("replica", "coordinator"), "begin", CALL_TIMEOUT_S)

    async def _load(self, load_s: float) -> None:
        run_s = load_s + drain_timeout_s(self._config)
        timeout_s = run_s * self._config.dilation + CALL_TIMEOUT_S
        answered = await self._crew.ask(self._crew.of("fleet"), "run", timeout_s, load_s)
        for fleet, all_answered in answered.items():
            if not all_answered:
                raise ClusterError(f"{fleet} still waits for replies after the run")

    async def _load_with_faults(
        self, load_s: float, faults: Timeline, window_start_s: float
    ) -> None:
        injector = Injector(
            self._stage,
            faults,
            self._config,
            window_start_s=window_start_s,
            before_kill=self._collect,
            events=self._events,
        )
        await asyncio.gather(self._load(load_s), injector.run(load_s))

    async def _settle(self) -> None:
        """Wait until every replica has executed what the first has, so that they compare."""
        replicas = self._crew.of("replica")
        batches = await self._crew.ask(replicas, "executed_batches", CALL_TIMEOUT_S)
        most = max(batches.values(), default=0)
        settle_s = SETTLE_TIMEOUT_S * self._config.dilation
        timeout_s = settle_s + CALL_TIMEOUT_S
        settled = await self._crew.ask(replicas, "wait_executed", timeout_s, most, settle_s)
        for replica, in_time in settled.items():
            if not in_time:
                raise ClusterError(
                    f"{replica} has not executed all of {most} batches "
                    f"{SETTLE_TIMEOUT_S:g} s after the run"
                )

    # --- Measuring ---

    async def _measurements(self) -> Measurements:
        await self._collect(self._crew.of("replica", "coordinator", "fleet"))
        replicas, fleets = self._crew.of("replica"), self._crew.of("fleet")
        evidence = await self._crew.ask(replicas, "evidence", CALL_TIMEOUT_S)
        acknowledged = await self._crew.ask(fleets, "acknowledged", CALL_TIMEOUT_S)
        said = self._acknowledged(acknowledged, list(evidence.values()))
        safety = verdict(list(evidence.values()), said)
        events = sorted(self._events)
        nodes = self._stage.node_count
        return Measurements(self._meters, self._latencies, self._services, safety, events, nodes)

    async def _collect(self, addresses: Collection[Address]) -> None:
        """Keep what actors have measured."""
        meters = await self._crew.ask(addresses, "measurements", CALL_TIMEOUT_S)
        fleets = [address for address in addresses if address.role == "fleet"]
        self._meters += meters.items()
        self._latencies |= await self._crew.ask(fleets, "latencies", CALL_TIMEOUT_S)
        if self._config.arrival_rate_rps:
            self._services |= await self._crew.ask(fleets, "services", CALL_TIMEOUT_S)

    def _acknowledged(
        self, by_fleet: dict[Address, NDArray[np.uint32]], evidence: Sequence[Evidence]
    ) -> NDArray[np.uint32]:
        """Return how many requests of each client were answered.

        What the clients of a killed fleet have heard is lost with it: they are given what was
        executed, which leaves them out of the judgement.
        """
        longest = max(evidence, key=lambda replica: replica.batches, default=None)
        counts = np.zeros(self._config.clients, np.uint32)
        if longest is not None:
            counts = longest.executions.copy()
        for fleet, acknowledged in by_fleet.items():
            share = share_of_clients(self._config, fleet.number)
            counts[share.start : share.stop] = acknowledged
        return counts
