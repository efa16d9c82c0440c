"""What an actor measures reaches the newsroom, and no actor that is slow or gone keeps it there."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine

import pytest

from actors import newsroom as newsroom_module
from actors import reporter as reporter_module
from actors.core.ids import Address
from actors.measurements import EventRow
from actors.news import News, Report, encode
from actors.newsroom import REPORT_BYTES_MAX, Newsroom
from actors.reporter import Reporter
from actors.transport.base import Endpoint
from actors.transport.framing import LENGTH, frame
from actors.transport.handshake import introduce

REPLICA, FLEET = Address("replica", 0), Address("fleet", 0)
SECRET = b"s" * 32
PATIENCE_S = 30.0


class Measured:
    """Reports of an actor, one after the other; then there is nothing to report."""

    def __init__(self, *reports: Report) -> None:
        self.reports = deque(reports)
        self.asked: list[float] = []

    def __call__(self, after_s: float) -> Report | None:
        self.asked.append(after_s)
        return self.reports.popleft() if self.reports else None


class Scene:
    """A newsroom, reporters, and the news that are told, one after the other."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []
        self._news: asyncio.Queue[News] = asyncio.Queue()
        self.newsroom = Newsroom(SECRET, [self._news.put_nowait], self.events)
        self.endpoint: Endpoint
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        self.endpoint = await self.newsroom.open("127.0.0.1")

    def report(self, who: Address, report: Measured, secret: bytes = SECRET) -> asyncio.Task[None]:
        reporting = asyncio.create_task(Reporter(who, secret, report).run(self.endpoint))
        self._tasks.append(reporting)
        return reporting

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.endpoint.host, self.endpoint.port)
        return reader, writer

    async def next(self) -> News:
        return await self._news.get()

    async def until(self, holds: Callable[[News], bool]) -> News:
        while not holds(news := await self.next()):
            pass
        return news

    async def close(self) -> None:
        self.newsroom.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def run(test: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    async def playing() -> None:
        scene = Scene()
        await scene.open()
        try:
            await asyncio.wait_for(test(scene), PATIENCE_S)
        finally:
            await scene.close()

    asyncio.run(playing())


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter_module, "PERIOD_S", 0.01)
    monkeypatch.setattr(reporter_module, "REDIAL_DELAY_S", 0.01, raising=False)
    monkeypatch.setattr(newsroom_module, "PERIOD_S", 0.01)


def test_what_is_reported_is_told() -> None:
    async def test(scene: Scene) -> None:
        scene.report(FLEET, Measured(Report(1.0, 1.5, {"completed": 50.0}, {7: 3, 9: 1}, {})))
        news = await scene.until(lambda news: bool(news.actors))
        assert news.actors.keys() == {FLEET}
        assert (news.actors[FLEET].since_s, news.actors[FLEET].until_s) == (1.0, 1.5)
        assert news.actors[FLEET].rate("completed") == 100.0
        assert news.actors[FLEET].rate("votes") == 0.0
        assert (news.latencies[7], news.latencies[9], news.latencies.sum()) == (3, 1, 4)
        assert not (await scene.next()).latencies.any()

    run(test)


def test_each_report_begins_where_the_one_before_ended() -> None:
    async def test(scene: Scene) -> None:
        measured = Measured(Report(0.0, 0.5, {}, {}, {}), Report(0.5, 1.0, {}, {}, {}))
        scene.report(REPLICA, measured)
        await scene.until(lambda news: REPLICA in news.actors and news.actors[REPLICA].until_s == 1)
        assert measured.asked[:2] == [-math.inf, 0.5]

    run(test)


def test_reports_between_two_news_are_told_as_one() -> None:
    one = Report(0.0, 0.5, {"sent": 10.0, "votes": 1.0}, {3: 1}, {"view": 1.0, "open": 2.0})
    later = Report(0.5, 1.0, {"sent": 20.0, "kept": 4.0}, {3: 2, 8: 5}, {"view": 3.0})
    both = one.followed_by(later)
    growth = {"sent": 30.0, "votes": 1.0, "kept": 4.0}
    assert both == Report(0.0, 1.0, growth, {3: 3, 8: 5}, {"view": 3.0})

    async def test(scene: Scene) -> None:
        _, writer = await scene.dial()
        writer.write(frame(introduce(FLEET, SECRET)))
        writer.write(frame(encode(one)) + frame(encode(Report(0.5, 1.0, {"sent": 20.0}, {}, {}))))
        news = await scene.until(lambda news: bool(news.actors))
        while news.actors[FLEET].until_s < 1.0:  # They may have come just before and after news.
            news = await scene.until(lambda news: bool(news.actors))
        assert news.actors[FLEET].rate("sent") in (30.0, 40.0)
        writer.close()

    run(test)


def test_events_are_told_as_they_happen() -> None:
    async def test(scene: Scene) -> None:
        assert (await scene.next()).events == []
        scene.events.append((1.0, "kill", "host-2", ""))
        news = await scene.until(lambda news: bool(news.events))
        assert news.events == [(1.0, "kill", "host-2", "")]

    run(test)


@pytest.mark.parametrize(
    "said",
    [
        frame(introduce(REPLICA, b"w" * 32)),
        LENGTH.pack(1 << 30),
        frame(introduce(REPLICA, SECRET)) + LENGTH.pack(REPORT_BYTES_MAX + 1),
        frame(introduce(REPLICA, SECRET)) + frame(b"\xc1"),
        frame(introduce(REPLICA, SECRET)) + frame(encode(Report(1.0, 1.0, {}, {}, {}))),
        frame(introduce(REPLICA, SECRET)) + frame(encode(Report(0.0, 1.0, {}, {1024: 1}, {}))),
        frame(introduce(REPLICA, SECRET)) + frame(encode(Report(0.0, math.nan, {}, {}, {}))),
    ],
    ids=["secret", "hello", "length", "msgpack", "no time", "bucket", "nan"],
)
def test_who_breaks_the_rules_is_disconnected_and_the_others_are_heard(said: bytes) -> None:
    async def test(scene: Scene) -> None:
        reader, writer = await scene.dial()
        writer.write(said)
        assert await reader.read() == b""
        writer.close()
        scene.report(FLEET, Measured(Report(0.0, 0.5, {}, {}, {})))
        news = await scene.until(lambda news: bool(news.actors))
        assert news.actors.keys() == {FLEET}

    run(test)


def test_who_is_gone_is_missing_until_it_reports_again() -> None:
    async def test(scene: Scene) -> None:
        scene.report(FLEET, Measured(*(Report(n / 2, n / 2 + 0.5, {}, {}, {}) for n in range(900))))
        former = scene.report(REPLICA, Measured(Report(0.0, 0.5, {}, {}, {})))
        await scene.until(lambda news: REPLICA in news.actors)
        former.cancel()
        await asyncio.wait((former,))
        assert (await scene.until(lambda news: bool(news.actors))).actors.keys() == {FLEET}
        scene.report(REPLICA, Measured(Report(3.0, 3.5, {}, {}, {})))
        await scene.until(lambda news: REPLICA in news.actors)

    run(test)


class SlowWriter:
    """A connection on which so many bytes wait each time that somebody looks; then it closes."""

    def __init__(self, *waiting: int) -> None:
        self._waiting = deque(waiting)
        self.frames: list[bytes] = []
        self.transport = self
        self.close = self.frames.copy
        self.write = self.frames.append

    def is_closing(self) -> bool:
        return not self._waiting

    def get_write_buffer_size(self) -> int:
        return self._waiting.popleft()


def test_a_report_that_would_have_to_wait_is_left_out_and_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = SlowWriter(0, 7, 7, 0)

    async def connect(*_: object) -> tuple[asyncio.StreamReader, SlowWriter]:
        return asyncio.StreamReader(), writer

    monkeypatch.setattr(asyncio, "open_connection", connect)
    measured = Measured(Report(0.0, 0.5, {}, {}, {}), Report(0.5, 2.0, {}, {}, {}))
    asyncio.run(Reporter(FLEET, SECRET, measured).run(Endpoint("127.0.0.1", 1)))
    assert measured.asked == [-math.inf, 0.5]
    hello = frame(introduce(FLEET, SECRET))
    assert [each for each in writer.frames if each != hello] == [
        frame(encode(Report(0.0, 0.5, {}, {}, {}))),
        frame(encode(Report(0.5, 2.0, {}, {}, {}))),
    ]


def test_a_reporter_without_a_newsroom_ends_quietly() -> None:
    async def test(scene: Scene) -> None:
        measured = Measured()
        await scene.close()
        await Reporter(FLEET, SECRET, measured).run(scene.endpoint)
        assert measured.asked == []

    run(test)


def test_who_was_cut_off_reports_again_from_where_it_was() -> None:
    async def test(scene: Scene) -> None:
        measured = Measured(Report(0.0, 0.5, {}, {}, {}))
        reporters = scene.newsroom._reporters
        scene.report(FLEET, measured)
        for until_s in (0.5, 1.0, 1.5):
            await scene.until(lambda news: FLEET in news.actors)
            former = reporters[FLEET]
            former.transport.abort()
            await scene.until(lambda _, f=former: reporters.get(FLEET) not in (None, f))
            measured.reports.append(Report(until_s, until_s + 0.5, {}, {}, {}))
        await scene.until(lambda news: FLEET in news.actors)
        assert list(dict.fromkeys(measured.asked))[:4] == [-math.inf, 0.5, 1.0, 1.5]

    run(test)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_newsroom_that_takes_no_report_is_dialled_only_so_often(
    monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    dials: list[object] = []

    async def connect(*where: object) -> tuple[asyncio.StreamReader, SlowWriter]:
        dials.append(where)
        if not is_there:
            raise ConnectionRefusedError
        return asyncio.StreamReader(), SlowWriter()

    monkeypatch.setattr(asyncio, "open_connection", connect)
    measured = Measured()
    asyncio.run(Reporter(FLEET, SECRET, measured).run(Endpoint("127.0.0.1", 1)))
    assert len(dials) == reporter_module.DIALS_MAX
    assert measured.asked == []


def test_what_a_reporter_cannot_do_anything_about_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def report(_: float) -> Report:
        raise ZeroDivisionError("by zero")

    async def test(scene: Scene) -> None:
        await Reporter(FLEET, SECRET, report).run(scene.endpoint)

    run(test)
    assert "fleet-0 reports no more" in caplog.messages
    assert "ZeroDivisionError: by zero" in caplog.text


def test_reporters_end_with_the_newsroom() -> None:
    async def test(scene: Scene) -> None:
        reporting = scene.report(FLEET, Measured(Report(0.0, 0.5, {}, {}, {})))
        await scene.until(lambda news: FLEET in news.actors)
        scene.newsroom.close()
        await reporting

    run(test)


def test_news_that_one_does_not_take_are_told_to_the_others_and_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def listening() -> None:
        taken: asyncio.Queue[News] = asyncio.Queue()

        def refuse(_: News) -> None:
            raise ValueError("no room")

        newsroom = Newsroom(SECRET, [refuse, taken.put_nowait], [])
        await newsroom.open("127.0.0.1")
        for _ in range(3):
            await asyncio.wait_for(taken.get(), PATIENCE_S)
        newsroom.close()

    asyncio.run(listening())
    assert caplog.text.count("ValueError: no room") == 1


def test_a_run_that_breaks_off_with_actors_connected_leaves_no_word_of_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As one does from which a node was lost: the event loop ends first, and all that is in it."""

    async def broken_off() -> None:
        scene = Scene()
        await scene.open()
        _, writer = await scene.dial()
        writer.write(frame(introduce(FLEET, SECRET)))
        writer.write(frame(encode(Report(0.0, 0.5, {}, {}, {}))))
        await scene.until(lambda news: bool(news.actors))

    asyncio.run(broken_off())
    assert caplog.messages == []


def test_only_so_many_strangers_are_kept_and_actors_are_heard_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newsroom_module, "STRANGERS_MAX", 3)
    monkeypatch.setattr(newsroom_module, "HELLO_TIMEOUT_S", 10 * PATIENCE_S)

    async def test(scene: Scene) -> None:
        known = Measured(Report(0.0, 0.5, {}, {}, {}))
        scene.report(REPLICA, known)
        await scene.until(lambda news: REPLICA in news.actors)
        strangers = [await scene.dial() for _ in range(3)]
        reader, writer = await scene.dial()
        assert await reader.read() == b""
        writer.close()
        known.reports.append(Report(0.5, 1.0, {}, {}, {}))
        await scene.until(lambda news: REPLICA in news.actors)
        for _, stranger in strangers:
            stranger.close()

    run(test)


def test_of_two_connections_of_an_actor_the_later_is_heard() -> None:
    async def test(scene: Scene) -> None:
        connections = []
        for until_s in (0.5, 1.0):
            reader, writer = await scene.dial()
            said = encode(Report(0.0, until_s, {}, {}, {}))
            writer.write(frame(introduce(REPLICA, SECRET)) + frame(said))
            news = await scene.until(lambda news: REPLICA in news.actors)
            assert news.actors[REPLICA].until_s == until_s
            connections.append((reader, writer))
        (former, _), (_, latest) = connections
        assert await former.read() == b""
        latest.write(frame(encode(Report(1.0, 1.5, {}, {}, {}))))
        await scene.until(lambda news: REPLICA in news.actors)
        for _, writer in connections:
            writer.close()

    run(test)
