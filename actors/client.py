"""A fleet of clients as an actor."""

import asyncio

import numpy as np

from actors.core import histogram
from actors.core.client import Clients
from actors.core.columns import U32s
from actors.core.config import LoadConfig
from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.core.registry import PROTOCOLS
from actors.hosted import Hosted
from actors.news import Latencies
from actors.services import registry as services


def drain_timeout_s(config: LoadConfig) -> float:
    """Return how long the last replies of a run are awaited: a lost one is asked for again."""
    return 10.0 + 2 * config.client_timeout_ms / 1e3


class ClientFleet(Hosted):
    """Some of the clients of a run."""

    def __init__(self, fleet: int, config: LoadConfig, secret: bytes, *, run_id: str = "") -> None:
        workload = services.find(config.service).workload(config)
        self._drain_timeout_s = drain_timeout_s(config)
        talk_to = PROTOCOLS[config.protocol].clients_talk_to
        self._clients = Clients(fleet, config, workload, talk_to)
        self._open_bin = 0
        """Of latencies: those before it are known, and have been reported."""
        me = Address("fleet", fleet)
        super().__init__(me, self._clients, config, secret, run_id=run_id)

    async def run(self, load_s: float) -> bool:
        """Load the system for `load_s` seconds; return whether every request was answered then."""
        await self.begin()
        await self.start()
        await asyncio.sleep(load_s * self._config.dilation)
        self._clients.stop()
        timeout_s = self._drain_timeout_s * self._config.dilation
        return await self._host.until(lambda: not self._clients.outstanding, timeout_s)

    def _recent_latencies(self) -> Latencies:
        table = self._clients.record.table(self._open_bin)
        self._open_bin += len(table.completed) - 1
        has_ended = table.bins < self._open_bin
        counts = histogram.merge(table.buckets[has_ended], table.counts[has_ended])
        buckets = np.flatnonzero(counts)
        return dict(zip(buckets.tolist(), counts[buckets].tolist(), strict=True))

    async def latencies(self) -> LatencyTable:
        """Return latencies and completions in bins since `run`."""
        return self._clients.record.table()

    async def services(self) -> LatencyTable:
        """Return the same as latencies since requests were sent, where that differs."""
        return self._clients.service_record.table()

    async def acknowledged(self) -> U32s:
        """Return how many requests of each client were answered."""
        return self._clients.acknowledged()
