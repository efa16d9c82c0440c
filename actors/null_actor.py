"""Calls of an actor that does nothing: the least that anything by calls of Ray actors costs.

Each client of the configuration calls again when its call has returned; so the measurements are
those of a run, with calls in the place of requests. The actor stands for the host, callers for the
fleets: they live where these would.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import ray

from actors import interrupts
from actors.core.client import share_of_clients
from actors.core.config import LoadConfig
from actors.core.histogram import LatencyRecord, LatencyTable
from actors.core.ids import Address
from actors.core.verdict import OK
from actors.crew import Crew
from actors.host import BIN_S
from actors.measurements import Measurements
from actors.metering import Meter, MeterTable
from actors.place import ANYWHERE, Place, Placement
from actors.stage import CALL_TIMEOUT_S, START_TIMEOUT_S

HOST = Address("replica", 0)


class Metered:
    """An actor that is metered from `begin` on."""

    def __init__(self) -> None:
        self._meter = Meter(BIN_S)

    async def watch(self) -> None:
        """Outlast the actor: whoever waits for this learns of its end."""
        await asyncio.Event().wait()

    async def begin(self) -> None:
        """Begin to measure."""
        self._began_at = time.monotonic()
        self._sampling = asyncio.create_task(self._sample())

    async def measurements(self) -> MeterTable:
        """Return what was metered since `begin`."""
        return self._meter.table()

    async def _sample(self) -> None:
        while True:
            since_s = self._since_s()
            self._meter.sample(since_s, self._gauges(), self._counts())
            await asyncio.sleep(BIN_S - since_s % BIN_S)

    def _since_s(self) -> float:
        return time.monotonic() - self._began_at

    def _gauges(self) -> Mapping[str, float]:
        raise NotImplementedError

    def _counts(self) -> Mapping[str, float]:
        return {}


class Call:
    """Names what the null actor receives, among messages."""


class NullActor(Metered):
    """The actor that does nothing but count."""

    @ray.method(enable_task_events=False)  # As with the calls that carry messages.
    async def nothing(self) -> None:
        """Do nothing."""
        self._meter.received(Call, size=0, local=False)

    def _gauges(self) -> Mapping[str, float]:
        return {"leads": 1}


class Callers(Metered):
    """The clients of a fleet, who call."""

    def __init__(self, fleet: int, config: LoadConfig, actor: Any) -> None:
        super().__init__()
        self._clients = len(share_of_clients(config, fleet))
        self._actor = actor
        self._record = LatencyRecord(BIN_S)
        self._outstanding = 0
        self._completed = 0

    async def run(self, load_s: float) -> None:
        """Call for `load_s` seconds, until all calls have returned."""
        await self.begin()
        await asyncio.gather(*(self._call(load_s) for _ in range(self._clients)))

    async def latencies(self) -> LatencyTable:
        """Return the round trips of the calls since `run`."""
        return self._record.table()

    async def _call(self, load_s: float) -> None:
        while (called_s := self._since_s()) < load_s:
            self._outstanding += 1
            await self._actor.nothing.remote()
            self._outstanding -= 1
            self._completed += 1
            returned_s = self._since_s()
            self._record.record(np.array([returned_s - called_s]), returned_s)

    def _gauges(self) -> Mapping[str, float]:
        return {"outstanding": self._outstanding, "waiting": 0}

    def _counts(self) -> Mapping[str, float]:
        return {"completed": self._completed, "retried": 0, "calls_out": self._completed}


# The only actors that `place` finds room for and does not create: they are no nodes.
_NULL_ACTOR: Any = ray.remote(NullActor)
_CALLERS: Any = ray.remote(Callers)


class NullCalls:
    """A null actor and its callers, with the methods of `cluster.Cluster`."""

    def __init__(self, config: LoadConfig, placement: Placement = ANYWHERE) -> None:
        self._config = config
        self._place = Place(config, placement)
        self._crew = Crew()

    def __enter__(self) -> Self:
        try:
            interrupts.run(self._crew.guard(self._open()))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, load_s: float, *_: object) -> None:
        """Have the actor called for `load_s` seconds. Raises ClusterError if an actor ends."""
        interrupts.run(self._crew.guard(self._run(load_s)))

    def measurements(self) -> Measurements:
        """Collect what was measured; there is nothing that could be unsafe."""
        return interrupts.run(self._crew.guard(self._measurements()))

    def stop(self) -> None:
        """End all actors and wait until they are gone."""
        self._crew.stop()
        self._place.give_back()

    async def _open(self) -> None:
        """Create the actors; raises ClusterError where there is no room for them."""
        await self._place.reserve()
        fleets = [Address("fleet", number) for number in range(self._config.fleets)]
        actor = _NULL_ACTOR.options(**self._place.options(HOST, len(fleets))).remote()
        self._crew.join(HOST, actor)
        for fleet in fleets:
            there = self._place.options(fleet, peers=1)
            self._crew.join(
                fleet, _CALLERS.options(**there).remote(fleet.number, self._config, actor)
            )
        await self._crew.ask(self._everybody, "measurements", START_TIMEOUT_S)
        for address in self._everybody:
            self._crew.watch(address)

    async def _run(self, load_s: float) -> None:
        await self._crew.ask([HOST], "begin", CALL_TIMEOUT_S)
        timeout_s = load_s + CALL_TIMEOUT_S
        await self._crew.ask(self._crew.of("fleet"), "run", timeout_s, load_s)

    async def _measurements(self) -> Measurements:
        meters = await self._crew.ask(self._everybody, "measurements", CALL_TIMEOUT_S)
        fleets = self._crew.of("fleet")
        latencies = await self._crew.ask(fleets, "latencies", CALL_TIMEOUT_S)
        return Measurements(list(meters.items()), latencies, {}, OK, nodes=self._place.node_count)

    @property
    def _everybody(self) -> list[Address]:
        return self._crew.of("replica", "fleet")
