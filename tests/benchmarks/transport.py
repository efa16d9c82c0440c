"""How fast frames travel over loopback, and what calls of Ray actors do: run by hand.

    python -m tests.benchmarks.transport [--stock-loop]
    python -m tests.benchmarks.transport --ray [--calls 2000] [--seconds 3]

Prints, for each size of frame, frames/s and MB/s (10^6 bytes), framing included; both ends are in
one process. With `--ray`, on a local Ray: how many calls from one actor to another come after one
that was made later, if so many are under way at once; how many calls of large arguments a second
an actor takes from two others, of which each has one under way; and what a request costs by either
transport, in CPU time of the actors and of all that Ray has running beside them.
"""

import argparse
import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
import psutil
import ray
import uvloop

from actors.cluster import Cluster
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.core.messages import Message, Requests
from actors.transport.codec import encode
from actors.transport.tcp import TcpTransport
from experiments.connection import Connection
from tests.actors.on_ray import processes

SENDER = Address("fleet", 0)
SINK = Address("replica", 0)
FRAMING_BYTES = 8
"""Frame length, array head, tag and the head of the payload: enough to name the sizes below."""

SIZES_AND_COUNTS = [(45, 300_000), (1_000, 200_000), (65_536, 30_000), (100_000, 20_000)]
"""Bytes in a frame, about, and how many such frames to send."""

AT_ONCE = (1, 4, 16)
SMALL_BYTES = 100
LARGE_BYTES = (99_000, 200_000, 2_000_000)
"""On both sides of what Ray sends along with a call: beyond, an argument is in its object store."""

CLIENTS = 1000


class Sink:
    """Counts the messages that arrive and tells when all have."""

    def __init__(self) -> None:
        self.missing = 0
        self.reads = 0
        self.all_arrived = asyncio.Event()

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        """Count messages."""
        self.reads += 1
        self.missing -= len(messages)
        if self.missing <= 0:
            self.all_arrived.set()

    def connected(self, peer: Address) -> None:
        """Ignore a new peer."""

    def disconnected(self, peer: Address) -> None:
        """Ignore a lost peer."""


async def measure(frame_bytes: int, count: int) -> None:
    """Send `count` frames of about `frame_bytes` and print how fast they arrived."""
    sink = Sink()
    sink.missing = count
    limits = {"frame_bytes_max": 16 << 20, "queue_bytes_max": 64 << 20}
    sender, receiver = (TcpTransport(who, b"secret", sink, **limits) for who in (SENDER, SINK))
    sender.dial({SINK: await receiver.listen("127.0.0.1")})
    await sender.wait_connected([SINK], 5)
    message = encode(Requests(bytes(frame_bytes - FRAMING_BYTES)))
    began = time.perf_counter()
    for _ in range(count):
        sender.send(SINK, [message])
        if sender.queued_bytes() > 1 << 20:
            await asyncio.sleep(0)
    await sink.all_arrived.wait()
    elapsed_s = time.perf_counter() - began
    megabytes = receiver.counts()["network_bytes_in"] / 1e6
    print(
        f"{frame_bytes:7} B: {count / elapsed_s:9,.0f} frames/s {megabytes / elapsed_s:7,.0f} MB/s "
        f"{count / sink.reads:6.1f} frames a read"
    )
    await sender.close()
    await receiver.close()


# --- Calls of actors ----------------------------------------------------------------------------


class Taker:
    """An actor that is called."""

    def __init__(self) -> None:
        self._latest = -1
        self._overtaken = 0

    @ray.method(enable_task_events=False)  # As with the calls that carry messages.
    async def take(self, number: int, _: bytes) -> None:
        """Take a call, and see whether it was overtaken."""
        self._overtaken += number < self._latest
        self._latest = max(self._latest, number)

    async def overtaken(self) -> int:
        """Return how many calls came after one that was made later."""
        return self._overtaken


class Caller:
    """An actor that calls another."""

    async def call(self, taker: Any, size: int, at_once: int, calls: int) -> None:
        """Make so many calls with `size` bytes, of which so many are under way."""
        argument, numbers = bytes(size), count()

        async def one_after_the_other() -> None:
            while (number := next(numbers)) < calls:
                await taker.take.remote(number, argument)

        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))


def overtaken(at_once: int, calls: int) -> float:
    """Return the share of calls that were overtaken."""
    taker, caller = _created(Taker, Caller)
    ray.get(caller.call.remote(taker, SMALL_BYTES, at_once, calls))
    return int(ray.get(taker.overtaken.remote())) / calls


def calls_per_s(size: int, calls: int) -> float:
    """Return how many calls of `size` bytes an actor takes from two, each with one under way."""
    taker, *callers = _created(Taker, Caller, Caller)
    ray.get([caller.call.remote(taker, size, 1, 10) for caller in callers])
    began = time.perf_counter()
    ray.get([caller.call.remote(taker, size, 1, calls) for caller in callers])
    return 2 * calls / (time.perf_counter() - began)


def _created(*kinds: type) -> list[Any]:
    """Return actors; Ray types its handles as Any."""
    return [ray.remote(kind).remote() for kind in kinds]


def cost_of_a_request(config: LoadConfig, load_s: float) -> tuple[float, float, float]:
    """Return requests/s, and the CPU of one: of all actors, and of Ray's other processes.

    These are its raylet, in which the object store is, its GCS, and agents.
    """
    with Cluster(config) as cluster:
        actors = list(processes(cluster).values())
        others = set(psutil.Process().children(recursive=True)) - set(actors)
        before = _cpu_s(actors), _cpu_s(others)
        cluster.run(load_s)
        after = _cpu_s(actors), _cpu_s(others)
        latencies = cluster.measurements().latencies
    requests = float(sum(table.completed.sum() for table in latencies.values()))
    actors_s, others_s = (then - once for once, then in zip(before, after, strict=True))
    return requests / load_s, actors_s / requests, others_s / requests


def _cpu_s(of: Collection[psutil.Process]) -> float:
    """Return the CPU time that processes have used, of those that are still there."""
    used_s = 0.0
    for process in of:
        with suppress(psutil.NoSuchProcess):
            used_s += sum(process.cpu_times()[:2])
    return used_s


def tell_of_calls(calls: int, load_s: float) -> None:
    """Measure and print what is said above of Ray."""
    with Connection():
        for at_once in AT_ONCE:
            share = overtaken(at_once, calls)
            print(f"{at_once:3} calls under way: {share:6.1%} overtaken", flush=True)
        for size in LARGE_BYTES:
            rate = calls_per_s(size, calls // 10)
            print(f"{size:9,} B: {rate:7,.0f} calls/s {rate * size / 1e6:7,.0f} MB/s", flush=True)
        for protocol, replicas in (("unreplicated", 1), ("jpaxos", 3), ("spaxos", 3)):
            for transport in ("tcp", "ray"):
                settings = {"protocol": protocol, "replicas": replicas, "transport": transport}
                config = msgspec.convert({**settings, "clients": CLIENTS}, LoadConfig)
                _tell_cost(config, load_s)


def _tell_cost(config: LoadConfig, load_s: float) -> None:
    rate, actors_s, others_s = cost_of_a_request(config, load_s)
    print(
        f"{config.protocol:12} by {config.transport}: {rate:11,.0f} requests/s, CPU of a request: "
        f"{actors_s * 1e6:7.1f} us of actors, {others_s * 1e6:7.1f} us of Ray's other processes, "
        f"which is {others_s * rate:.2f} s of each second",
        flush=True,
    )


def main() -> None:
    """Measure every size on uvloop or on asyncio's own loop, or calls of Ray actors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stock-loop", action="store_true", help="asyncio's own event loop")
    parser.add_argument("--ray", action="store_true", help="calls of Ray actors instead")
    parser.add_argument("--calls", type=int, default=2000, help="to count those overtaken")
    parser.add_argument("--seconds", type=float, default=3.0, help="load to measure CPU time by")
    options = parser.parse_args()
    if options.ray:
        tell_of_calls(options.calls, options.seconds)
        return
    for frame_bytes, frames in SIZES_AND_COUNTS:
        loop = None if options.stock_loop else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(measure(frame_bytes, frames))


if __name__ == "__main__":
    main()
