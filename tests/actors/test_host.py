"""A host with a scripted node and a transport that only remembers."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path

import pytest

from actors import host as host_module
from actors.core.effects import Effect, Rewrite, Send, SetTimer, Store, Throttle
from actors.core.errors import LocalProtocolError, RemoteProtocolError
from actors.core.ids import Address
from actors.core.messages import Accept, Alive, Decide, Message, Replies
from actors.host import Host
from actors.storage.errors import StorageError
from actors.storage.journal import Journal
from actors.transport.base import Endpoint
from actors.transport.codec import encode

ME, A, B = (Address("replica", number) for number in range(3))
FLEET = Address("fleet", 0)
COORDINATOR = Address("coordinator", ME.number)
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""


class ScriptedNode:
    """Logs what it is told; each drain hands over the next list of effects that was scripted."""

    def __init__(self, *drains: list[Effect]) -> None:
        self.script: deque[list[Effect]] = deque(drains)
        self.log: list[object] = []
        self.refused: Message | None = None
        self.bug: Exception | None = None
        self.sampled = 0
        self.change = asyncio.Event()

    def start(self, now: float) -> None:
        self._note("start")

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        if message == self.refused:
            raise RemoteProtocolError("no correct peer would say that")
        self._note(message)

    def on_timer(self, name: str, now: float) -> None:
        self._note(name)

    def drain(self) -> Sequence[Effect]:
        self._note("drain")
        return self.script.popleft() if self.script else []

    def gauges(self) -> dict[str, float]:
        self.sampled += 1
        self.change.set()
        if self.bug:
            raise self.bug
        return {"queue": 7.0}

    def counts(self) -> dict[str, float]:
        return {"steps": float(len(self.log))}

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until what was told makes `claim` true."""
        while not claim():
            self.change.clear()
            await self.change.wait()

    def _note(self, event: object) -> None:
        self.log.append(event)
        self.change.set()
        if self.bug:
            raise self.bug


class MemoryTransport:
    """Remembers what it is asked to do."""

    def __init__(self) -> None:
        self.sent: list[tuple[Address, list[bytes], bool]] = []
        self.throttled: list[bool] = []
        self.too_large = False
        self.sent_more = asyncio.Event()

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        return Endpoint(host, port)

    def dial(self, peers: dict[Address, Endpoint]) -> None:
        pass

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None:
        pass

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        if self.too_large:
            raise LocalProtocolError("larger than a frame may be")
        self.sent.append((to, list(encoded), apart))
        self.sent_more.set()
        return True

    def throttle(self, on: bool) -> None:
        self.throttled.append(on)

    def queued_bytes(self) -> int:
        return 11

    def counts(self) -> dict[str, float]:
        return {"network_frames_out": float(len(self.sent))}

    async def close(self) -> None:
        pass

    async def until_sent(self, calls: int) -> None:
        """Wait until `send` was called that often."""
        while len(self.sent) < calls:
            self.sent_more.clear()
            await self.sent_more.wait()


class SlowJournal:
    """Remembers what is stored; each sync waits until the test lets it end."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.durable: list[bytes] = []
        self.may_end = threading.Semaphore(0)
        self.is_broken = False
        self.is_closed = False

    def append(self, record: bytes) -> None:
        self.stored.append(record)

    def rewrite(self, records: Sequence[bytes]) -> None:
        self.stored = list(records)

    def sync(self) -> None:
        durable = list(self.stored)
        assert self.may_end.acquire(timeout=PATIENCE_S)
        if self.is_broken:
            raise StorageError("cannot store: the disk is full")
        self.durable = durable

    def counts(self) -> dict[str, float]:
        return {"syncs": 3.0}

    def close(self) -> None:
        self.is_closed = True


class Rig:
    """A host on its own, and both its ends."""

    def __init__(
        self, *drains: list[Effect], me: Address = ME, journal: Journal | None = None
    ) -> None:
        self.node = ScriptedNode(*drains)
        self.transport = MemoryTransport()
        self.host = Host(me, self.node, lambda _: self.transport, journal)

    def receive(self, *messages: Message, sender: Address = A) -> None:
        self.host.received(sender, list(messages), [len(encode(each)) for each in messages])


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))


# --- Step, drain, perform -------------------------------------------------------------------------


def test_starting_drains_the_node_until_nothing_is_left() -> None:
    async def test() -> None:
        rig = Rig([Send((A,), Accept(0, 0))], [Send((A,), Accept(0, 1))], [])
        rig.host.start()
        assert rig.node.log == ["start", "drain", "drain", "drain"]
        assert [encoded for _, encoded, _ in rig.transport.sent] == [
            [encode(Accept(0, 0))],
            [encode(Accept(0, 1))],
        ]

    run(test)


def test_messages_of_one_read_are_stepped_in_order_before_the_node_is_drained() -> None:
    async def test() -> None:
        rig = Rig()
        rig.receive(Accept(0, 0), Accept(0, 1), Decide(0, 2))
        assert rig.node.log == [Accept(0, 0), Accept(0, 1), Decide(0, 2), "drain"]

    run(test)


def test_a_message_is_encoded_once_for_several_receivers() -> None:
    async def test() -> None:
        rig = Rig([Send((A, B), Decide(0, 1))])
        rig.host.start()
        [(_, [to_a], _), (_, [to_b], _)] = rig.transport.sent
        assert to_a is to_b

    run(test)


def test_messages_of_one_drain_to_one_peer_are_handed_over_together_and_in_order() -> None:
    async def test() -> None:
        one, two, three = Accept(0, 0), Accept(0, 1), Alive(0, 0, 0)
        rig = Rig([Send((A,), one), Send((B,), two), Send((A, B), three)])
        rig.host.start()
        assert rig.transport.sent == [
            (A, [encode(one), encode(three)], False),
            (B, [encode(two), encode(three)], False),
        ]

    run(test)


@pytest.mark.parametrize(
    ("me", "to", "apart"),
    [(ME, A, False), (ME, COORDINATOR, False), (ME, FLEET, True), (FLEET, ME, True)],
)
def test_only_between_fleets_and_hosts_is_every_message_a_frame_of_its_own(me, to, apart) -> None:
    """There `requests_per_frame_max` has said already what shares a frame."""

    async def test() -> None:
        rig = Rig([Send((to,), Replies(b"1")), Send((to,), Replies(b"2"))], me=me)
        rig.host.start()
        assert rig.transport.sent == [(to, [encode(Replies(b"1")), encode(Replies(b"2"))], apart)]

    run(test)


def test_throttling_reaches_the_transport() -> None:
    async def test() -> None:
        rig = Rig([Throttle(True)], [Throttle(False)])
        rig.host.start()
        assert rig.transport.throttled == [True, False]

    run(test)


# --- Timers ---------------------------------------------------------------------------------------


def test_a_timer_expires_and_the_node_is_drained() -> None:
    async def test() -> None:
        rig = Rig([SetTimer("t", time.monotonic() + 0.01)], [], [Send((A,), Accept(0, 0))])
        rig.host.start()
        await rig.node.until(lambda: "t" in rig.node.log)
        assert rig.node.log == ["start", "drain", "drain", "t", "drain", "drain"]
        assert len(rig.transport.sent) == 1

    run(test)


def test_a_timer_of_the_past_expires_at_once_but_in_a_step_of_its_own() -> None:
    async def test() -> None:
        rig = Rig([SetTimer("t", time.monotonic() - 60)])
        rig.host.start()
        assert "t" not in rig.node.log
        await rig.node.until(lambda: "t" in rig.node.log)

    run(test)


def test_a_timer_replaces_the_one_of_its_name() -> None:
    async def test() -> None:
        now = time.monotonic()
        sooner, later = SetTimer("t", now + 0.01), SetTimer("t", now + 3600)
        other = SetTimer("other", now + 0.02)
        rig = Rig([sooner, later, other])
        rig.host.start()
        await rig.node.until(lambda: "other" in rig.node.log)
        assert "t" not in rig.node.log
        rig.node.script.append([later, sooner])
        rig.receive(Accept(0, 0))
        await rig.node.until(lambda: "t" in rig.node.log)

    run(test)


def test_a_timer_may_be_set_again_by_its_own_expiry() -> None:
    async def test() -> None:
        again = [SetTimer("t", 0.0)]
        rig = Rig(again, [], again, [], again)
        rig.host.start()
        await rig.node.until(lambda: rig.node.log.count("t") == 3)

    run(test)


# --- Failures -------------------------------------------------------------------------------------


async def _assert_stopped_by(rig: Rig, bug: Exception) -> None:
    """Check that the host has failed with `bug`, and takes no more events."""
    assert rig.host.failed.exception() is bug
    rig.node.bug = None
    steps, sent = list(rig.node.log), list(rig.transport.sent)
    rig.node.script.append([Send((A,), Accept(9, 9))])
    rig.receive(Accept(1, 1))
    await asyncio.sleep(0)  # A due timer would expire now.
    assert (rig.node.log, rig.transport.sent) == (steps, sent)


def test_a_bug_in_taking_a_message_stops_the_host_with_it() -> None:
    async def test() -> None:
        rig = Rig([SetTimer("t", 0.0)])
        rig.host.start()
        rig.node.bug = bug = ZeroDivisionError("by zero")
        rig.receive(Accept(0, 0))
        await _assert_stopped_by(rig, bug)
        assert "t" not in rig.node.log

    run(test)


def test_a_bug_in_a_timer_stops_the_host_with_it() -> None:
    async def test() -> None:
        rig = Rig([SetTimer("t", time.monotonic() + 0.01)])
        rig.host.start()
        rig.node.bug = bug = ZeroDivisionError("by zero")
        await rig.node.until(lambda: "t" in rig.node.log)
        await _assert_stopped_by(rig, bug)

    run(test)


def test_a_bug_in_draining_stops_the_host_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        rig = Rig()
        bug = ZeroDivisionError("by zero")

        def drain() -> Sequence[Effect]:
            raise bug

        with monkeypatch.context() as patched:
            patched.setattr(rig.node, "drain", drain)
            rig.receive(Accept(0, 0))
        await _assert_stopped_by(rig, bug)

    run(test)


def test_a_bug_in_what_a_node_tells_of_itself_stops_the_host_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a run would go on without measurements, and nobody would notice."""
    monkeypatch.setattr(host_module, "BIN_S", 0.01)

    async def test() -> None:
        rig = Rig()
        rig.host.start()
        rig.host.begin()
        rig.node.bug = bug = ZeroDivisionError("by zero")
        await rig.node.until(lambda: rig.node.sampled == 2)
        await _assert_stopped_by(rig, bug)

    run(test)


def test_a_message_too_large_to_send_stops_the_host() -> None:
    async def test() -> None:
        rig = Rig([Send((A,), Accept(0, 0))])
        rig.transport.too_large = True
        rig.host.start()
        assert isinstance(rig.host.failed.exception(), LocalProtocolError)

    run(test)


def test_a_peers_fault_passes_to_the_transport_and_what_came_before_it_is_drained() -> None:
    async def test() -> None:
        rig = Rig([Send((A,), Decide(0, 1))])
        rig.node.refused = Accept(6, 6)
        with pytest.raises(RemoteProtocolError, match="no correct peer"):
            rig.receive(Accept(0, 0), Accept(6, 6), Accept(0, 1))
        assert rig.node.log == [Accept(0, 0), "drain", "drain"]
        assert rig.transport.sent == [(A, [encode(Decide(0, 1))], False)]
        assert not rig.host.failed.done()
        rig.receive(Accept(0, 2), sender=B)
        assert Accept(0, 2) in rig.node.log

    run(test)


def test_a_host_that_is_stopped_takes_no_more_events() -> None:
    async def test() -> None:
        rig = Rig([SetTimer("t", 0.0)])
        rig.host.start()
        rig.host.begin()
        rig.host.stop()
        assert rig.host.failed.cancelled()
        rig.receive(Accept(0, 0))
        await asyncio.sleep(0)
        assert rig.node.log == ["start", "drain", "drain"]
        rig.host.stop()

    run(test)


# --- Storing --------------------------------------------------------------------------------------


def test_what_follows_a_stored_record_is_sent_after_its_sync_and_nothing_else_waits() -> None:
    async def test() -> None:
        early, later = Accept(0, 0), Accept(0, 1)
        journal = SlowJournal()
        rig = Rig(
            [Send((A,), early), Store(b"promise"), Send((A,), later), Throttle(True)],
            [SetTimer("t", 0.0)],
            journal=journal,
        )
        rig.host.start()
        await rig.node.until(lambda: "t" in rig.node.log)
        assert rig.transport.sent == [(A, [encode(early)], False)]
        assert rig.transport.throttled == [True]
        journal.may_end.release()
        await rig.transport.until_sent(2)
        assert journal.durable == [b"promise"]
        assert rig.transport.sent[1:] == [(A, [encode(later)], False)]

    run(test)


def test_what_many_drains_send_during_a_sync_leaves_together_after_the_next() -> None:
    async def test() -> None:
        accepts = [Accept(0, number) for number in range(20)]
        journal = SlowJournal()
        rig = Rig(journal=journal)
        for number, accept in enumerate(accepts):
            rig.node.script.extend([[Store(b"%d" % number), Send((A, B), accept)], []])
            rig.receive(accept)
        journal.may_end.release()
        await rig.transport.until_sent(2)
        journal.may_end.release()
        await rig.transport.until_sent(4)
        assert [encoded for to, encoded, _ in rig.transport.sent if to == A] == [
            [encode(accepts[0])],
            [encode(each) for each in accepts[1:]],
        ]
        assert journal.durable == [b"%d" % number for number in range(20)]

    run(test)


def test_lazy_records_hold_nothing_up() -> None:
    async def test() -> None:
        rig = Rig([Store(b"a", lazy=True), Send((A,), Accept(0, 0))], journal=SlowJournal())
        rig.host.start()
        assert len(rig.transport.sent) == 1

    run(test)


def test_a_host_that_cannot_store_stops_and_sends_nothing_that_it_held_back() -> None:
    """A replica that votes for what it may forget would break a promise."""

    async def test() -> None:
        journal = SlowJournal()
        journal.is_broken = True
        vote = [Store(b"vote"), Send((A,), Accept(0, 0))]
        rig = Rig(vote, [], vote, journal=journal)
        rig.host.start()
        rig.receive(Accept(0, 0))
        waiting = asyncio.create_task(rig.host.until(lambda: False, PATIENCE_S))
        journal.may_end.release()
        with pytest.raises(StorageError, match="the disk is full") as raised:
            await waiting
        await _assert_stopped_by(rig, raised.value)
        assert rig.transport.sent == []
        rig.host.stop()
        assert journal.is_closed

    run(test)


def test_a_record_that_the_journal_does_not_take_stops_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        journal = SlowJournal()
        bug = StorageError("takes no record of that size")

        def append(record: bytes) -> None:
            raise bug

        monkeypatch.setattr(journal, "append", append)
        rig = Rig([Store(b"too large"), Send((A,), Accept(0, 0))], journal=journal)
        rig.host.start()
        await _assert_stopped_by(rig, bug)
        assert rig.transport.sent == []

    run(test)


def test_a_bug_during_a_sync_keeps_back_what_was_held() -> None:
    async def test() -> None:
        journal = SlowJournal()
        rig = Rig([Store(b"vote"), Send((A,), Accept(0, 0))], journal=journal)
        rig.host.start()
        rig.node.bug = bug = ZeroDivisionError("by zero")
        rig.receive(Accept(0, 0))
        await _let_sync_end(journal)
        await _assert_stopped_by(rig, bug)
        assert rig.transport.sent == []

    run(test)


def test_what_was_held_back_and_is_too_large_to_send_stops_the_host() -> None:
    async def test() -> None:
        journal = SlowJournal()
        rig = Rig([Store(b"vote"), Send((A,), Accept(0, 0))], journal=journal)
        rig.transport.too_large = True
        rig.host.start()
        journal.may_end.release()
        with pytest.raises(LocalProtocolError):
            await rig.host.failed

    run(test)


def test_stopping_during_a_sync_closes_the_journal_and_sends_nothing_more() -> None:
    async def test() -> None:
        journal = SlowJournal()
        rig = Rig([Store(b"vote"), Send((A,), Accept(0, 0))], journal=journal)
        rig.host.start()
        rig.host.stop()
        assert journal.is_closed
        await _let_sync_end(journal)
        assert rig.transport.sent == []
        assert rig.host.failed.cancelled()

    run(test)


async def _let_sync_end(journal: SlowJournal) -> None:
    """Wait until the sync that runs has ended, and the event loop has heard of it."""
    journal.may_end.release()
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)


def test_storing_without_a_journal_is_a_bug() -> None:
    async def test() -> None:
        for effect in (Store(b"a"), Rewrite((b"a",))):
            rig = Rig([effect])
            rig.host.start()
            error = rig.host.failed.exception()
            assert isinstance(error, AssertionError)
            assert str(error).startswith(f"{ME} has no journal for {type(effect).__name__}(")

    run(test)


def test_what_a_host_stored_is_there_for_its_next_life(tmp_path: Path) -> None:
    async def test() -> None:
        votes = [Store(b"vote"), Send((A,), Accept(0, 0))]
        first = Rig(votes, journal=Journal.open(tmp_path))
        first.host.start()
        await first.transport.until_sent(1)
        first.host.stop()
        rewritten = [Rewrite((b"state", b"vote")), Send((A,), Accept(0, 1)), *votes]
        second = Rig(rewritten, journal=Journal.open(tmp_path))
        second.host.start()
        await second.transport.until_sent(1)
        second.host.begin()
        table = second.host.table()
        counted = dict(zip(table.columns, table.rows[0], strict=True))
        second.host.stop()
        assert counted["syncs"] == 1
        assert counted["stored_records"] == 3
        assert counted["stored_bytes"] > len(b"state" + 2 * b"vote")
        third = Journal.open(tmp_path)
        assert list(third.records) == [b"state", b"vote", b"vote"]
        third.close()

    run(test)


def test_only_a_host_that_has_a_journal_counts_what_is_stored() -> None:
    async def test() -> None:
        for journal in (None, SlowJournal()):
            rig = Rig(journal=journal)
            rig.host.begin()
            assert ("syncs" in rig.host.table().columns) == (journal is not None)

    run(test)


# --- Waiting --------------------------------------------------------------------------------------


def test_until_returns_at_once_what_holds_already() -> None:
    async def test() -> None:
        assert await Rig().host.until(lambda: True, 0.0)

    run(test)


def test_until_wakes_those_whose_condition_a_step_made_true() -> None:
    async def test() -> None:
        rig = Rig()
        first, second = (
            asyncio.create_task(
                rig.host.until(lambda wanted=wanted: wanted in rig.node.log, PATIENCE_S)
            )
            for wanted in (Accept(0, 1), Accept(0, 2))
        )
        await asyncio.sleep(0)
        rig.receive(Accept(0, 1))
        assert await first
        assert not second.done()
        rig.receive(Accept(0, 2))
        assert await second

    run(test)


def test_until_says_when_it_took_too_long_and_harms_no_later_step() -> None:
    async def test() -> None:
        rig = Rig()
        assert not await rig.host.until(lambda: False, 0.0)
        rig.receive(Accept(0, 0))
        assert not rig.host.failed.done()

    run(test)


def test_until_raises_what_stopped_the_host() -> None:
    """What is waited for will never hold."""

    async def test() -> None:
        rig = Rig()
        waiting = asyncio.create_task(rig.host.until(lambda: False, PATIENCE_S))
        await asyncio.sleep(0)
        rig.node.bug = bug = ZeroDivisionError("by zero")
        rig.receive(Accept(0, 0))
        with pytest.raises(ZeroDivisionError) as raised:
            await waiting
        assert raised.value is bug

    run(test)


# --- Measuring ------------------------------------------------------------------------------------


def test_a_host_is_sampled_in_every_bin_from_begin_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bin_s = 0.01
    monkeypatch.setattr(host_module, "BIN_S", bin_s)

    async def test() -> None:
        rig = Rig()
        rig.host.start()
        assert len(rig.host.table().rows) == 0
        rig.host.begin()
        await rig.node.until(lambda: rig.node.sampled == 4)
        await asyncio.sleep(0)
        table = rig.host.table()
        column = dict(zip(table.columns, table.rows.T, strict=True))
        assert 3 <= len(table.rows) <= 4
        assert len(set(column["bin"])) == len(table.rows)
        for number, time_s in zip(column["bin"], column["time_s"], strict=True):
            assert number == math.floor(time_s / bin_s + 1e-3)
        assert set(column["queue"]) == {7.0}
        assert set(column["queued_bytes"]) == {11.0}
        assert column["steps"].sum() == len(rig.node.log)

    run(test)


def test_messages_are_counted_by_type_size_and_whether_they_leave_the_host() -> None:
    async def test() -> None:
        accept, alive = Accept(0, 0), Alive(0, 0, 0)
        rig = Rig([Send((A, B), accept), Send((COORDINATOR,), alive)])
        rig.host.start()
        rig.receive(accept, alive)
        rig.receive(alive, sender=COORDINATOR)
        rig.host.begin()
        table = rig.host.table()
        counted = dict(zip(table.columns, table.rows[0], strict=True))
        assert counted["network_messages_out.Accept"] == 2
        assert counted["network_bytes_out.Accept"] == 2 * len(encode(accept))
        assert counted["local_messages_out.Alive"] == 1
        assert counted["network_messages_in.Alive"] == counted["local_messages_in.Alive"] == 1
        assert counted["network_frames_out"] == len(rig.transport.sent)

    run(test)
