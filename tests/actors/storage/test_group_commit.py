"""The rule of `effects.Store`, with syncs that end when the test says so."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.effects import Effect, Rewrite, Send, SetTimer, Store, Throttle
from actors.core.ids import Address
from actors.core.messages import Accept
from actors.storage.errors import StorageError
from actors.storage.group_commit import GroupCommit

A = Address("replica", 1)


def send(number: int) -> Send:
    return Send((A,), Accept(0, number))


class OneByOne(ThreadPoolExecutor):
    """Keeps what it is to execute until the test has it done."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Callable[[], object], Future[object]]] = []

    def submit(self, fn: Callable[[], object]) -> Future[object]:
        future: Future[object] = Future()
        self.waiting.append((fn, future))
        return future


class Notebook:
    """A journal in memory: what it was told, and how much of it is durable."""

    def __init__(self) -> None:
        self.told: list[Effect] = []
        self.durable = 0
        self.syncs = 0
        self.is_broken = False
        self.is_closed = False

    def append(self, record: bytes) -> None:
        self.told.append(Store(record))

    def rewrite(self, records: Sequence[bytes]) -> None:
        self.told.append(Rewrite(tuple(records)))

    def sync(self) -> None:
        if self.is_broken:
            raise StorageError("broken")
        self.syncs += 1

    def close(self) -> None:
        self.is_closed = True


class Rig:
    """A group commit, and everything around it."""

    def __init__(self) -> None:
        self.journal = Notebook()
        self.left: list[Effect] = []
        self.errors: list[Exception] = []
        self._executor = OneByOne()
        asyncio.get_running_loop().set_default_executor(self._executor)
        self._commit = GroupCommit(self.journal, self.left.extend, self.errors.append)
        self._covers: list[int] = []

    @property
    def is_syncing(self) -> bool:
        return bool(self._executor.waiting)

    def admit(self, *effects: Effect) -> None:
        before = len(self._executor.waiting)
        self.left += self._commit.admit(effects)
        self._note_begun(before)

    async def end_sync(self) -> None:
        """End the sync that runs: it covers no more than what was told before it began."""
        [(sync, future)] = self._executor.waiting
        self._executor.waiting.clear()
        covers = self._covers.pop()
        try:
            sync()
        except StorageError as error:
            future.set_exception(error)
        else:
            self.journal.durable = covers
            future.set_result(None)
        await self.turns()
        self._note_begun(0)

    async def turns(self) -> None:
        """Let the event loop do what is due."""
        for _ in range(4):
            await asyncio.sleep(0)

    def stop(self) -> None:
        self._commit.stop()

    def _note_begun(self, before: int) -> None:
        assert len(self._executor.waiting) <= 1, "two syncs at a time"
        if len(self._executor.waiting) > before:
            self._covers.append(len(self.journal.told))


def run(test: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        await test(Rig())

    asyncio.run(main())


def test_what_follows_a_record_leaves_after_the_sync() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(send(0), Store(b"a"), send(1), send(2))
        assert rig.left == [send(0)]
        rig.admit(send(3))
        assert rig.left == [send(0)]
        await rig.end_sync()
        assert rig.left == [send(0), send(1), send(2), send(3)]
        rig.admit(send(4))
        assert rig.left[-1] == send(4)
        assert not rig.is_syncing

    run(test)


def test_a_rewrite_holds_back_like_a_record() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(Rewrite((b"a", b"b")), send(1))
        assert rig.left == []
        await rig.end_sync()
        assert rig.left == [send(1)]
        assert rig.journal.told == [Rewrite((b"a", b"b"))]

    run(test)


def test_timers_and_throttling_wait_for_nothing() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(Store(b"a"), send(1), SetTimer("t", 1.0), Throttle(True))
        assert rig.left == [SetTimer("t", 1.0), Throttle(True)]

    run(test)


def test_all_that_is_stored_during_a_sync_shares_the_next() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(Store(b"0"), send(0))
        for number in range(1, 100):
            rig.admit(Store(b"%d" % number), send(number))
        await rig.end_sync()
        assert rig.left == [send(0)]
        await rig.end_sync()
        assert rig.left == [send(number) for number in range(100)]
        assert rig.journal.syncs == 2
        assert not rig.is_syncing

    run(test)


def test_lazy_records_hold_nothing_up_and_go_with_the_next_that_is_not() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(Store(b"a", lazy=True), send(1))
        assert rig.left == [send(1)]
        assert not rig.is_syncing
        rig.admit(Store(b"b"))
        rig.admit(Store(b"c", lazy=True), send(2))
        await rig.end_sync()
        assert rig.left == [send(1), send(2)]
        assert rig.journal.durable == 2
        assert not rig.is_syncing

    run(test)


def test_a_sync_that_fails_keeps_back_for_good_what_waits_for_it_and_after_it() -> None:
    async def test(rig: Rig) -> None:
        rig.journal.is_broken = True
        rig.admit(Store(b"a"), send(1), Store(b"b"), send(2))
        rig.admit(Store(b"c"), send(3))
        await rig.end_sync()
        assert [str(error) for error in rig.errors] == ["broken"]
        rig.admit(send(4), Store(b"d"), send(5))
        assert rig.left == []
        assert not rig.is_syncing

    run(test)


def test_after_stopping_nothing_leaves_and_nothing_is_synced() -> None:
    async def test(rig: Rig) -> None:
        rig.admit(Store(b"a"), send(1))
        rig.admit(Store(b"b"), send(2))
        rig.stop()
        assert rig.journal.is_closed
        await rig.turns()
        [(_, running)] = rig._executor.waiting
        assert running.cancelled(), "a sync that had not begun must not begin"
        assert rig.left == []
        assert rig.errors == []

    run(test)


EFFECTS = st.lists(
    st.sampled_from(["send", "send", "store", "lazy", "rewrite", "timer", "end of drain", "synced"])
)


@given(EFFECTS)
@settings(max_examples=500)
def test_whatever_happens_messages_leave_in_order_and_none_before_what_it_waits_for(words) -> None:
    """The rule, in its own words, against any course of drains and syncs."""

    async def test(rig: Rig) -> None:
        drain: list[Effect] = []
        waits_for: list[int] = []
        stored = owed = 0

        def check() -> None:
            left = [effect for effect in rig.left if isinstance(effect, Send)]
            assert left == [send(number) for number in range(len(left))], "out of order"
            assert all(needed <= rig.journal.durable for needed in waits_for[: len(left)])
            kept = waits_for[len(left) : admitted]
            assert not kept or kept[0] > rig.journal.durable, "held back for nothing"

        admitted = 0
        for word in [*words, "end of drain"]:
            if word == "send":
                drain.append(send(len(waits_for)))
                waits_for.append(owed)
            elif word == "timer":
                drain.append(SetTimer("t", 1.0))
            elif word in {"store", "lazy", "rewrite"}:
                drain.append(Rewrite(()) if word == "rewrite" else Store(b"", lazy=word == "lazy"))
                stored += 1
                owed = owed if word == "lazy" else stored
            elif word == "synced" and rig.is_syncing:
                await rig.end_sync()
            elif word == "end of drain":
                rig.admit(*drain)
                drain, admitted = [], len(waits_for)
            check()
        while rig.is_syncing:
            await rig.end_sync()
            check()
        assert sum(isinstance(effect, Send) for effect in rig.left) == len(waits_for)
        assert rig.journal.durable >= owed

    run(test)
