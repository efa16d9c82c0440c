"""A sweep can be watched while it goes on, and is none the worse for it."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from actors.core import histogram
from actors.core.ids import Address
from actors.news import News, Report
from experiments import monitor as monitor_module
from experiments import progress
from experiments.monitor import HOST_MOMENTS_MAX, MOMENTS_MAX, Monitor
from experiments.progress import EVENTS_MAX, HostUsage, Progress
from experiments.spec import Suite
from experiments.sweep import expand

SUITE = Suite(name="small", axes={"protocol": ["jpaxos", "spaxos"]})
RUNS = expand(SUITE)
ROW = {"outcome": "ok", "safety": "ok", "wall_s": 1.0}
LATENCIES = np.bincount(
    histogram.buckets_of(np.array([1e-3] * 99 + [1.0])), minlength=histogram.BUCKETS
)


class Written:
    """What a monitor writes, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.progress: list[Progress] = []
        self._seen: Callable[[Progress], bool] = lambda _: False
        self._came = Event()
        write = progress.write

        def keep(folder: Path, told: Progress) -> bytes:
            content = write(folder, told)
            self.progress.append(told)
            if self._seen(told):
                self._came.set()
            return content

        monkeypatch.setattr(progress, "write", keep)
        monkeypatch.setattr(monitor_module, "PERIOD_S", 0.001)

    def wait_for(self, seen: Callable[[Progress], bool]) -> Progress:
        self._came.clear()
        self._seen = seen
        assert self._came.wait(30.0), self.progress[-1:]
        return next(each for each in reversed(self.progress) if seen(each))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


def report(since_s: float, until_s: float, **growth: float) -> Report:
    return Report(since_s, until_s, growth, {}, {})


def news(**changes: Any) -> News:
    actors = {
        Address("replica", 0): report(1.0, 1.5, cpu_s=0.1, network_bytes_out=125_000.0),
        Address("coordinator", 0): report(1.0, 1.5, cpu_s=0.2, network_bytes_in=62_500.0),
        Address("replica", 1): report(1.0, 1.4, cpu_s=0.1),
        Address("fleet", 0): report(1.0, 1.5, completed=500.0, cpu_s=9.0),
        Address("fleet", 1): report(1.0, 1.4, completed=400.0),
    }
    return News(actors, LATENCIES, [(1.2, "kill", "host-2", "")])._replace(**changes)


def test_while_a_sweep_goes_on_its_progress_is_there_and_then_it_is_gone(
    tmp_path: Path, written: Written
) -> None:
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        assert written.wait_for(lambda told: told.run is None).ended == 0
        monitor.started(RUNS[0])
        now = written.wait_for(lambda told: told.run is not None)
        assert now.run is not None
        assert (now.runs, now.run.run_id) == (2, RUNS[0].run_id)
        assert now.run.name == f"protocol={RUNS[0].config.protocol}"
        monitor.finished(RUNS[0], ROW)
        assert written.wait_for(lambda told: told.ended == 1).failed == 0
        monitor.started(RUNS[1])
        monitor.finished(RUNS[1], ROW | {"outcome": "no quorum"})
        assert written.wait_for(lambda told: told.ended == 2).failed == 1
    assert progress.read(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_of_several_runs_under_way_the_first_is_told_and_the_others_are_counted(
    tmp_path: Path, written: Written
) -> None:
    suite = Suite(name="small", repeats=2, axes={"protocol": ["jpaxos", "spaxos"]})
    runs = expand(suite)
    with Monitor(tmp_path, suite, runs) as monitor:
        for run in runs[:3]:
            monitor.started(run)
        all_three = written.wait_for(lambda told: told.beside == 2)
        monitor.finished(runs[1], ROW)
        without_another = written.wait_for(lambda told: told.beside == 1)
        monitor.finished(runs[0], ROW)
        alone = written.wait_for(lambda told: told.beside == 0)
    told = [each.run.run_id for each in (all_three, without_another, alone) if each.run]
    assert told == [runs[0].run_id, runs[0].run_id, runs[2].run_id]


def test_signs_of_life_come_also_where_nothing_happens(tmp_path: Path, written: Written) -> None:
    with Monitor(tmp_path, SUITE, RUNS):
        first = written.wait_for(lambda _: True)
        written.wait_for(lambda told: told.told_at_s > first.told_at_s)


def test_news_become_rates_of_clients_and_of_hosts(tmp_path: Path, written: Written) -> None:
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        monitor.tell(news())
        run = written.wait_for(lambda told: bool(told.run and told.run.moments)).run
    assert run is not None
    (moment,) = run.moments
    assert moment.time_s == 1.5
    assert moment.throughput_rps == pytest.approx(500 / 0.5 + 400 / 0.4)
    assert moment.latency_ms_p50 == pytest.approx(1.0, rel=0.01)
    assert moment.latency_ms_p99 == pytest.approx(1.0, rel=0.01)
    assert moment.hosts[0] == HostUsage(
        0, pytest.approx(0.6), pytest.approx(2.0), pytest.approx(1.0)
    )
    assert moment.hosts[1].cpu_cores == pytest.approx(0.25)
    assert [(each.event, each.target) for each in run.events] == [("kill", "host-2")]


def test_of_hosts_with_limits_the_modelled_cpu_is_told(tmp_path: Path, written: Written) -> None:
    limited = {
        Address("replica", 0): report(1.0, 2.0, cpu_s=0.9, modelled_cpu_s=0.25),
        Address("fleet", 0): report(1.0, 2.0, completed=1.0),
    }
    suite = Suite(name="limited", base={"cpu_us_per_message": 1.0})
    runs = expand(suite)
    with Monitor(tmp_path, suite, runs) as monitor:
        monitor.started(runs[0])
        monitor.tell(news(actors=limited))
        run = written.wait_for(lambda told: bool(told.run and told.run.moments)).run
    assert run is not None
    assert run.moments[0].hosts == (HostUsage(0, 0.25, 0.0, 0.0),)


def test_who_has_not_answered_yet_counts_as_before_but_not_for_long(
    tmp_path: Path, written: Written
) -> None:
    one, other = Address("fleet", 0), Address("fleet", 1)
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        both = {each: report(1.0, 1.5, completed=500.0) for each in (one, other)}
        monitor.tell(news(actors=both))
        monitor.tell(news(actors={one: report(1.5, 2.0, completed=500.0)}))
        monitor.tell(news(actors={one: report(2.0, 3.0, completed=1000.0)}))
        run = written.wait_for(lambda told: bool(told.run and len(told.run.moments) == 3)).run
    assert run is not None
    assert [moment.throughput_rps for moment in run.moments] == [2000.0, 2000.0, 1000.0]


def test_without_a_reply_there_is_no_latency(tmp_path: Path, written: Written) -> None:
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        monitor.tell(news(latencies=np.zeros(histogram.BUCKETS, np.int64)))
        run = written.wait_for(lambda told: bool(told.run and told.run.moments)).run
    assert run is not None
    assert run.moments[0].latency_ms_p50 is None


def test_before_the_clients_are_heard_of_there_is_no_moment(
    tmp_path: Path, written: Written
) -> None:
    hosts_alone = {Address("replica", 0): report(0.0, 0.4, cpu_s=0.1)}
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        monitor.tell(news(actors=hosts_alone))
        run = written.wait_for(lambda told: bool(told.run and told.run.events)).run
    assert run is not None
    assert run.moments == ()


def test_clients_who_are_heard_of_late_make_no_moment(tmp_path: Path, written: Written) -> None:
    """Their machine may be busy, or the network to it slow."""
    replica, fleet = Address("replica", 0), Address("fleet", 0)
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        monitor.tell(news(actors={replica: report(4.0, 4.4)}))
        monitor.tell(news(actors={fleet: report(2.0, 2.4, completed=1.0)}))
        monitor.tell(news(actors={fleet: report(2.4, 4.8, completed=480.0)}))
        run = written.wait_for(lambda told: bool(told.run and told.run.moments)).run
    assert run is not None
    assert [(moment.time_s, moment.throughput_rps) for moment in run.moments] == [
        (4.8, pytest.approx(200.0))
    ]


def test_a_run_begins_without_the_moments_of_the_one_before_and_keeps_the_latest(
    tmp_path: Path, written: Written
) -> None:
    fleet = Address("fleet", 0)
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        for second in range(MOMENTS_MAX + 5):
            actors = {fleet: report(second, second + 1.0, completed=500.0)}
            monitor.tell(news(actors=actors))
        last_s = MOMENTS_MAX + 5.0
        full = written.wait_for(
            lambda told: bool(
                told.run and told.run.moments and told.run.moments[-1].time_s == last_s
            )
        ).run
        monitor.finished(RUNS[0], ROW)
        monitor.started(RUNS[1])
        empty = written.wait_for(
            lambda told: told.run is not None and told.run.run_id == RUNS[1].run_id
        ).run
    assert full is not None
    assert empty is not None
    assert [moment.time_s for moment in full.moments] == [6.0 + each for each in range(MOMENTS_MAX)]
    assert empty.moments == ()


def test_of_very_many_events_the_latest_are_told(tmp_path: Path, written: Written) -> None:
    """Views that change again and again are events, too; the file must stay readable."""
    events = [(float(second), "view", "host-1", "") for second in range(2 * EVENTS_MAX)]
    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monitor.started(RUNS[0])
        monitor.tell(news(events=events))
        told = written.wait_for(lambda told: told.run is not None and bool(told.run.events))
    assert told.run is not None
    assert [each.time_s for each in told.run.events] == [row[0] for row in events[-EVENTS_MAX:]]


def test_the_file_can_be_read_also_where_there_are_many_hosts(
    tmp_path: Path, written: Written
) -> None:
    hosts = 201
    suite = Suite(name="large", base={"replicas": hosts})
    runs = expand(suite)
    usage = {"cpu_s": 1 / 3, "network_bytes_out": 1e7 / 3, "network_bytes_in": 1e7 / 3}
    replicas = {Address("replica", host): report(0.0, 0.4, **usage) for host in range(hosts)}
    told = news(actors=replicas | {Address("fleet", 0): report(0.0, 0.4, completed=1.0)})
    with Monitor(tmp_path, suite, runs) as monitor:
        monitor.started(runs[0])
        for _ in range(MOMENTS_MAX):
            monitor.tell(told)
        full = HOST_MOMENTS_MAX // hosts
        written.wait_for(lambda told: bool(told.run and len(told.run.moments) == full))
        there = progress.read(tmp_path)
    assert there is not None
    assert there.run is not None
    assert len(there.run.moments) == full


def test_a_folder_that_cannot_be_written_for_a_while_costs_the_sweep_nothing(
    tmp_path: Path,
    written: Written,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write, tried = progress.write, Event()

    def refuse(*_: object) -> bytes:
        tried.set()
        raise OSError(28, "No space left on device")

    with Monitor(tmp_path, SUITE, RUNS) as monitor:
        monkeypatch.setattr(progress, "write", refuse)
        assert tried.wait(30.0)
        monitor.started(RUNS[0])
        monitor.tell(news())
        monkeypatch.setattr(progress, "write", write)
        written.wait_for(lambda told: bool(told.run and told.run.moments))
    assert caplog.text.count("cannot be watched") == 1
    assert not list(tmp_path.iterdir())
