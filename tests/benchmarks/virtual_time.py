"""What a second of virtual time costs, lightly loaded and near the limit: run by hand.

    python -m tests.benchmarks.virtual_time [--protocol P --replicas N --clients C --load-s S]

Simulates one case, or all those of docs/scaling.md, each in a process of its own, with the hosts of
`srds12`. Prints a line a case: requests a second of its time beside what the hosts can do at most
(`experiments.limits`), CPU of a second of its time and of a message, messages a request, and the
most memory that the process held. Of the CPU only the load counts, from its second bin on: not how
the system is built, how clients send their first requests, how it comes to rest and is judged.
"""

import argparse
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.core.config import LoadConfig
from actors.host import BIN_S
from actors.metering import MeterTable
from actors.model.profiles import PROFILES
from actors.sim.cluster import SimulatedCluster
from experiments.limits import limit


class Case(NamedTuple):
    """A system and its load, of whole bins, at least two."""

    protocol: str
    replicas: int
    clients: int
    load_s: float

    def config(self) -> LoadConfig:
        """Return the configuration: no client is so impatient that it asks twice."""
        settings = {**self._asdict(), "client_timeout_ms": 60_000.0}
        del settings["load_s"]
        return msgspec.convert({**PROFILES["srds12"], **settings}, LoadConfig)


class Cost(NamedTuple):
    """What was found, in the part of the load that counts."""

    window_s: float
    requests: float
    messages: float
    cpu_s: float
    memory_bytes: float
    """The most that the process held in its life."""


LIGHT = (
    Case("jpaxos", 3, 6, 1.0),
    Case("jpaxos", 11, 22, 1.0),
    Case("jpaxos", 31, 62, 1.0),
    Case("jpaxos", 101, 202, 1.0),
    Case("spaxos", 3, 6, 1.0),
    Case("spaxos", 11, 22, 1.0),
    Case("spaxos", 31, 62, 0.5),
    Case("spaxos", 101, 202, 0.2),
)
"""Two clients a replica: batches hold next to nothing, whatever the hosts could do."""

FULL = (
    Case("jpaxos", 3, 8000, 3.0),
    Case("jpaxos", 11, 8000, 3.0),
    Case("jpaxos", 31, 24_000, 3.0),
    Case("jpaxos", 101, 40_000, 3.0),
    Case("spaxos", 3, 24_000, 3.0),
    Case("spaxos", 11, 90_000, 3.0),
    Case("spaxos", 31, 250_000, 1.0),
    Case("spaxos", 101, 100_000, 0.2),
)
"""Enough clients for full batches; of 101 hosts in S-Paxos as many as one has the patience for."""


def measured(case: Case) -> Cost:
    """Simulate a case, which must be all right."""
    cluster = SimulatedCluster(case.config())
    watch = _Watch(cluster._clock.run, case.load_s)
    cluster._clock.run = watch.run  # type: ignore[method-assign] # It has no other seam.
    found = cluster.run(case.load_s)
    assert found.safety == "ok", found.safety
    bins = round(case.load_s / BIN_S)
    return Cost(
        case.load_s - BIN_S,
        float(sum(table.completed[1:bins].sum() for table in found.latencies.values())),
        sum(_messages(table, case.load_s) for _, table in found.meters),
        watch.cpu_s,
        _most_memory_bytes(),
    )


class _Watch:
    """Takes the CPU time in which a clock runs from the second bin to the end of the load."""

    def __init__(self, run: Callable[..., bool], load_s: float) -> None:
        self._run = run
        self._load_s = load_s
        self.cpu_s = 0.0

    def run(self, until_s: float, is_over: Callable[[], bool] | None = None) -> bool:
        """Do as the clock does."""
        if until_s != self._load_s:
            return self._run(until_s, is_over)
        self._run(BIN_S)
        began_s = time.process_time()
        ended = self._run(until_s, is_over)
        self.cpu_s = time.process_time() - began_s
        return ended


def _messages(table: MeterTable, load_s: float) -> float:
    """Return how many messages arrived in the part of the load that counts."""
    time_s = table.rows[:, table.columns.index("time_s")]
    counts = (time_s > 1.5 * BIN_S) & (time_s < load_s + 0.5 * BIN_S)  # Each tells of its past.
    arrived = [name.partition(".")[0].endswith("_messages_in") for name in table.columns]
    return float(table.rows[counts][:, arrived].sum())


def _most_memory_bytes() -> float:
    """Return the most memory that this process held; that of its parent is not among it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "/proc/self/status says nothing of memory"
    return float(found[1]) * 1024


def tell(cases: Iterable[Case] = (*LIGHT, *FULL)) -> None:
    """Measure cases, each in a process of its own, and print a line of each."""
    for case in cases:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            cost = process.submit(measured, case).result()
        print(_line(case, cost, limit(case.config()).throughput_rps), flush=True)


def _line(case: Case, cost: Cost, most_rps: float) -> str:
    return (
        f"{case.protocol}, n = {case.replicas:3}, {case.clients:9,} clients, {case.load_s:.1f} s: "
        f"{cost.requests / cost.window_s:9,.0f} of {most_rps:9,.0f} requests/s, "
        f"CPU {cost.cpu_s / cost.window_s:7.2f} s a second "
        f"and {cost.cpu_s / cost.messages * 1e6:6.1f} us a message, "
        f"{cost.messages / cost.requests:8.2f} messages a request, "
        f"{cost.memory_bytes / 1e6:6.0f} MB"
    )


def main() -> None:
    """Measure one case or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", help="the one case to measure")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--load-s", type=float, default=1.0)
    of = parser.parse_args()
    if of.protocol:
        tell([Case(of.protocol, of.replicas, of.clients, of.load_s)])
    else:
        tell()


if __name__ == "__main__":
    main()
