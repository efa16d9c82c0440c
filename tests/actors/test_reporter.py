"""A reporter asks for what is new, and no actor that is slow, paused or dead keeps it from that."""

import asyncio
import math
from collections.abc import Callable, Coroutine

import numpy as np
import pytest

from actors import reporter as reporter_module
from actors.core import histogram
from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.crew import Crew
from actors.measurements import EventRow
from actors.metering import MeterTable
from actors.news import News
from actors.reporter import Reporter
from tests.actors.cast import Actor

REPLICA, FLEET = Address("replica", 0), Address("fleet", 0)
PATIENCE_S = 30.0


def samples(*rows: tuple[float, float]) -> MeterTable:
    """Return samples: time_s and the growth of `completed`."""
    return MeterTable(("time_s", "completed"), np.array(rows, np.float64).reshape(-1, 2))


def latencies(first: int, *counts: int) -> LatencyTable:
    """Return so many latencies of a millisecond in each bin, the last of which is open."""
    bins = np.arange(first, first + len(counts), dtype=np.int32)
    buckets = np.full(len(counts), histogram.buckets_of(np.array([1e-3]))[0], np.int32)
    completed = np.array(counts, np.int64)
    return LatencyTable(bins, buckets, completed, completed, completed * 1e-3)


class Scene:
    """A replica and a fleet, and the news that are told of them, one after the other."""

    def __init__(self) -> None:
        self.crew = Crew()
        self.replica = Actor(measurements=samples((0.0, 9.0), (0.2, 0.0)))
        self.fleet = Actor(
            measurements=samples((0.0, 0.0), (0.1, 5.0), (0.2, 10.0)),
            latencies=latencies(0, 5, 10, 2),
        )
        self.crew.join(REPLICA, self.replica)
        self.crew.join(FLEET, self.fleet)
        self.events: list[EventRow] = []
        self._news: asyncio.Queue[News] = asyncio.Queue()
        self.reporter = Reporter(self.crew, self._news.put_nowait, self.events)

    async def next(self) -> News:
        return await self._news.get()


def run(test: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    async def running() -> None:
        scene = Scene()

        async def playing() -> None:
            reporting = scene.crew.beside(scene.reporter.run())
            await asyncio.wait_for(test(scene), PATIENCE_S)
            reporting.cancel()

        await scene.crew.guard(playing())

    asyncio.run(running())


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter_module, "PERIOD_S", 0.01)
    monkeypatch.setattr(reporter_module, "PATIENCE_S", 0.01)


def test_the_first_sample_is_the_zero_and_the_open_bin_waits() -> None:
    async def test(scene: Scene) -> None:
        news = await scene.next()
        assert (news.actors[FLEET].since_s, news.actors[FLEET].until_s) == (0.0, 0.2)
        assert news.actors[FLEET].rate("completed") == pytest.approx(75.0)
        assert news.actors[REPLICA].rate("completed") == 0.0
        assert news.latencies.sum() == 15

    run(test)


def test_each_is_asked_only_for_what_came_since() -> None:
    async def test(scene: Scene) -> None:
        await scene.next()
        scene.fleet.answers["measurements"] = samples((0.4, 30.0))
        scene.fleet.answers["latencies"] = latencies(2, 4, 1)
        scene.replica.answers["measurements"] = samples()
        news = await scene.next()
        assert scene.fleet.called("measurements")[:2] == [[-math.inf], [0.2]]
        assert scene.fleet.called("latencies")[:2] == [[0], [2]]
        assert news.actors.keys() == {FLEET}
        assert news.actors[FLEET].rate("completed") == pytest.approx(150.0)
        assert news.latencies.sum() == 4

    run(test)


def test_events_are_told_as_they_happen() -> None:
    async def test(scene: Scene) -> None:
        assert (await scene.next()).events == []
        scene.events.append((1.0, "kill", "host-2", ""))
        news = await scene.next()
        while not news.events:
            news = await scene.next()
        assert news.events == [(1.0, "kill", "host-2", "")]

    run(test)


def test_who_is_paused_is_not_asked() -> None:
    async def test(scene: Scene) -> None:
        scene.crew.paused.add(REPLICA)
        news = await scene.next()
        assert news.actors.keys() == {FLEET}
        assert scene.replica.called("measurements") == []

    run(test)


def test_who_is_late_is_left_out_and_told_of_when_its_answer_comes() -> None:
    async def test(scene: Scene) -> None:
        scene.replica.answers["measurements"] = Ellipsis  # Until its future is set.
        assert (await scene.next()).actors.keys() == {FLEET}
        await scene.next()
        assert len(scene.replica.called("measurements")) == 1
        scene.replica.open["measurements"].set_result(samples((0.0, 0.0), (0.2, 1.0)))
        news = await scene.next()
        while REPLICA not in news.actors:
            news = await scene.next()
        assert news.actors[REPLICA].until_s == 0.2

    run(test)


def test_who_dies_is_left_out() -> None:
    async def test(scene: Scene) -> None:
        scene.replica.die()
        assert (await scene.next()).actors.keys() == {FLEET}
        scene.crew.leave(REPLICA)
        assert (await scene.next()).actors.keys() <= {FLEET}

    run(test)


def test_news_that_are_not_taken_end_and_the_run_goes_on() -> None:
    async def test(scene: Scene) -> None:
        told = asyncio.Event()

        def refuse(_: News) -> None:
            told.set()
            raise ValueError("no room")

        reporting = scene.crew.beside(Reporter(scene.crew, refuse, []).run())
        await told.wait()
        await reporting
        assert (await scene.next()).actors  # What is guarded goes on.

    run(test)
