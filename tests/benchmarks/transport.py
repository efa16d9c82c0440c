"""How fast frames travel over loopback, both ends in one process: run by hand.

    python -m tests.benchmarks.transport [--stock-loop]

Prints, for each size of frame, frames/s and MB/s (10^6 bytes), framing included.
"""

import argparse
import asyncio
import time

import uvloop

from actors.core.ids import Address
from actors.core.messages import Message, Requests
from actors.transport.codec import encode
from actors.transport.tcp import TcpTransport

SENDER = Address("fleet", 0)
SINK = Address("replica", 0)
FRAMING_BYTES = 8
"""Frame length, array head, tag and the head of the payload: enough to name the sizes below."""

SIZES_AND_COUNTS = [(45, 300_000), (1_000, 200_000), (65_536, 30_000), (100_000, 20_000)]
"""Bytes in a frame, about, and how many such frames to send."""


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


def main() -> None:
    """Measure every size on uvloop or on asyncio's own loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stock-loop", action="store_true", help="asyncio's own event loop")
    stock = parser.parse_args().stock_loop
    for frame_bytes, count in SIZES_AND_COUNTS:
        with asyncio.Runner(loop_factory=None if stock else uvloop.new_event_loop) as runner:
            runner.run(measure(frame_bytes, count))


if __name__ == "__main__":
    main()
