"""Faulty links over a transport that only remembers, and over TCP."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence

from actors.core.ids import Address
from actors.links import Links
from actors.transport.base import Endpoint

A, B = Address("replica", 1), Address("replica", 2)
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""
NEVER_MS = 1e6
"""A delay that no test waits for."""
QUEUE_BYTES_MAX = 100


class Recorder:
    """A transport that sends nothing and remembers all."""

    def __init__(self) -> None:
        self.sent: list[tuple[Address, bytes]] = []
        self.apart: list[bool] = []
        self.change = asyncio.Event()

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        return Endpoint(host, port)

    def dial(self, peers: dict[Address, Endpoint]) -> None: ...

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None: ...

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        self.sent += [(to, each) for each in encoded]
        self.apart.append(apart)
        self.change.set()
        return True

    def throttle(self, on: bool) -> None: ...

    def queued_bytes(self) -> int:
        return 7

    def counts(self) -> dict[str, float]:
        return {"frames_dropped": 3}

    async def close(self) -> None: ...

    async def until_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self.change.clear()
            await self.change.wait()


Test = Callable[[Links, Recorder], Coroutine[None, None, None]]


def run(test: Test) -> None:
    async def running() -> None:
        recorder = Recorder()
        await asyncio.wait_for(test(Links(recorder, QUEUE_BYTES_MAX), recorder), PATIENCE_S)

    asyncio.run(running())


def test_a_whole_link_costs_nothing() -> None:
    """Whoever sends calls the transport itself: before any fault, and again after the last."""

    async def test(links: Links, recorder: Recorder) -> None:
        assert links.send == recorder.send
        links.cut([A])
        assert links.send != recorder.send
        links.heal()
        assert links.send == recorder.send

    run(test)


def test_what_is_sent_on_a_cut_link_is_lost_and_counted_and_others_are_spared() -> None:
    async def test(links: Links, recorder: Recorder) -> None:
        links.cut([A])
        assert not links.send(A, [b"1", b"2"])
        assert links.send(B, [b"3"], apart=True)
        assert recorder.sent == [(B, b"3")]
        assert recorder.apart == [True]
        links.heal()
        assert links.send(A, [b"4"])
        assert recorder.sent[1:] == [(A, b"4")]
        assert links.counts() == {"frames_dropped": 3, "messages_cut": 2}

    run(test)


def test_a_slow_link_delivers_later_and_in_order_also_when_it_gets_faster() -> None:
    async def test(links: Links, recorder: Recorder) -> None:
        links.slow([A], 20)
        links.send(A, [b"1", b"2"], apart=True)
        links.slow([A], 0)
        links.send(A, [b"3"])
        links.send(B, [b"4"])
        assert recorder.sent == [(B, b"4")]
        await recorder.until_sent(4)
        assert recorder.sent[1:] == [(A, b"1"), (A, b"2"), (A, b"3")]
        assert recorder.apart == [False, True, False]

    run(test)


def test_a_slow_link_that_is_healed_delivers_at_once() -> None:
    async def test(links: Links, recorder: Recorder) -> None:
        links.slow([A], NEVER_MS)
        links.send(A, [b"12"])
        links.send(A, [b"345"])
        assert links.queued_bytes() == 7 + 5
        links.heal()
        links.send(A, [b"6"])
        assert recorder.sent == [(A, b"12"), (A, b"345"), (A, b"6")]
        assert links.queued_bytes() == 7

    run(test)


def test_a_cut_does_not_reach_what_is_on_its_way() -> None:
    async def test(links: Links, recorder: Recorder) -> None:
        links.slow([A], 1)
        links.send(A, [b"1"])
        links.cut([A])
        links.send(A, [b"2"])
        await recorder.until_sent(1)
        assert recorder.sent == [(A, b"1")]
        assert links.counts()["messages_cut"] == 1

    run(test)


def test_a_slow_link_holds_no_more_than_a_queue_may() -> None:
    """One call may exceed the limit, so that any frame fits."""

    async def test(links: Links, recorder: Recorder) -> None:
        links.slow([A], NEVER_MS)
        sent = [links.send(A, [bytes(QUEUE_BYTES_MAX)]) for _ in range(3)]
        assert sent == [True, True, False]
        assert links.queued_bytes() == 7 + 2 * QUEUE_BYTES_MAX
        assert links.counts()["messages_cut"] == 1

    run(test)
