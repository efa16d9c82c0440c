"""Progress on its way home: what is told arrives, and what is wrong with it is dropped."""

import inspect
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.dashboard.modules.job.pydantic_models import JobDetails
from ray.job_submission import JobStatus

from experiments import progress, relay, relayed
from experiments.jobs import Jobs, JobsError
from experiments.monitor import MOMENTS_MAX
from experiments.progress import PROGRESS_FILE, Happening, Progress
from experiments.relay import MOST_PER_LINE
from experiments.relayed import RENEWED_AFTER_BYTES, Relayed, by_the_clock_here, joined
from tests.actors.on_ray import PATIENCE_S
from tests.experiments.going_on import RUN, moment
from tests.experiments.test_progress import PROGRESS


def told(*times_s: float, **changes: Any) -> Progress:
    """Return the progress of a sweep whose current run has moments at these times."""
    run = msgspec.structs.replace(RUN, moments=tuple(map(moment, times_s)))
    return msgspec.structs.replace(PROGRESS, run=run, **changes)


def _lines(before: Progress | None, now: Progress) -> list[str]:
    return list(relay.lines(before and _state(before), _state(now)))


def _state(of: Progress) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(msgspec.json.encode(of))
    return state


def _arrived(before: Progress | None, lines: list[str]) -> Progress:
    for line in lines:
        before = joined(before, line)
    assert before is not None
    return before


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relayed, "ENDING_S", 0.1)


# --- What is told, and what arrives -------------------------------------------------------------

_KILL = Happening(1.0, "kill", "host-0", "")
_RESTART = Happening(2.0, "restart", "host-0", "")
_MOMENTS = st.lists(st.sampled_from([moment(0.5), moment(1.0), moment(1.5)]), max_size=50)
_RUNS = st.builds(
    msgspec.structs.replace,
    st.just(RUN),
    run_id=st.sampled_from(["a", "b"]),
    moments=_MOMENTS.map(tuple),
    events=st.lists(st.sampled_from([_KILL, _RESTART]), max_size=50).map(tuple),
)
_SWEEPS = st.lists(
    st.builds(msgspec.structs.replace, st.just(PROGRESS), run=st.none() | _RUNS), min_size=1
)


@given(_SWEEPS)
def test_what_is_told_arrives_whatever_happens(sweep: list[Progress]) -> None:
    """Also where moments are alike, run follows on run, or what was there comes to differ."""
    here = None
    for before, now in itertools.pairwise([None, *sweep]):
        here = _arrived(here, _lines(before, now))
        assert here == now


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 40), st.lists(st.integers(0, 60)))
def test_of_a_run_that_grows_each_moment_is_told_once(
    times_s: list[float], most: int, lengths: list[int]
) -> None:
    """Only so many of the latest are kept, and who listens may begin in the middle."""
    times_s = sorted(set(times_s))
    here, before, heard = None, None, 0
    for length in sorted(lengths):
        now = told(*times_s[:length][-most:])
        lines = _lines(before, now)
        heard += sum(len(json.loads(line)["progress"]["run"]["moments"]) for line in lines)
        here, before = _arrived(here, lines), now
        assert here == now
    assert heard <= len(times_s)


def test_of_a_run_with_faults_each_is_told_once() -> None:
    run = msgspec.structs.replace(RUN, events=(_KILL,) * 1000)
    before = msgspec.structs.replace(PROGRESS, run=run)
    more = msgspec.structs.replace(run, events=(_KILL,) * 999 + (_RESTART,))
    now = msgspec.structs.replace(PROGRESS, run=msgspec.structs.replace(more, moments=()))
    (line,) = _lines(before, before)
    assert len(line) < 1000
    assert _arrived(before, _lines(before, now)) == now


def test_a_line_that_is_lost_costs_what_it_told_and_no_more() -> None:
    """What comes afterwards is shown all the same, and in the end nothing is missing."""
    states = [told(*range(max(0, last - 9), last + 1)) for last in range(40)]
    here = before = None
    for last, now in enumerate(states):
        lines = _lines(before, now)
        before = now
        if last not in (0, 3, 20):
            here = _arrived(here, lines)
            assert here.run is not None
            assert here.run.moments[-1] == moment(last)
            assert len(here.run.moments) <= 10
    assert here == states[-1]


def test_of_a_run_whose_first_line_is_lost_nothing_of_another_is_shown() -> None:
    former = told(1.0, 2.0, 3.0)
    run = msgspec.structs.replace(RUN, run_id="another", moments=(moment(1.0),))
    begun = msgspec.structs.replace(PROGRESS, run=run)
    now = msgspec.structs.replace(
        PROGRESS, run=msgspec.structs.replace(run, moments=(moment(1.0), moment(2.0)))
    )
    here = _arrived(former, _lines(begun, now))
    assert here.run is not None
    assert here.run.moments == (moment(2.0),)


def test_what_is_told_in_the_middle_of_a_run_comes_in_lines_that_are_not_long() -> None:
    now = told(*range(300))
    lines = _lines(None, now)
    assert len(lines) == 300 / MOST_PER_LINE
    assert max(map(len, lines)) < 20_000
    assert _arrived(None, lines) == now


def test_what_is_told_at_first_is_far_from_all_that_a_relay_may_tell() -> None:
    """Else each would be replaced at once by another, which tells the same again."""
    moments = [moment(time_s, hosts=tuple(range(100))) for time_s in range(MOMENTS_MAX)]
    now = msgspec.structs.replace(
        PROGRESS, run=msgspec.structs.replace(RUN, moments=tuple(moments))
    )
    assert sum(map(len, _lines(None, now))) < RENEWED_AFTER_BYTES / 3


def test_times_are_those_of_the_clock_here() -> None:
    """The cluster's may be hours ahead."""
    assert by_the_clock_here(told(told_at_s=9110.0), 50.0) == told(told_at_s=50.0)


def _text_of_the_program() -> list[str]:
    """Return the lines with which its log begins: Ray says what it runs."""
    return f"Running entrypoint for job x: {inspect.getsource(relay)}".splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "",
        *_text_of_the_program(),
        "{}",
        '{"kept": 0, "progress": {}}',
        '{"kept": 0, "progress": null}',
        _lines(None, told(1.0))[0].replace('"moments":0', '"moments":-1'),
        _lines(None, told(1.0))[0].replace('"replicas":3', '"replicas":3e9'),
    ],
)
def test_what_is_no_progress_is_not_taken_for_some(line: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        joined(None, line)


def test_what_came_bit_by_bit_may_be_no_longer_than_what_comes_at_once() -> None:
    known = told(*range(999))
    for line in _lines(known, told(*range(1000))):
        known = joined(known, line)
    (line,) = _lines(known, told(*range(1001)))
    with pytest.raises(msgspec.DecodeError):
        joined(known, line)


# --- The program on the head --------------------------------------------------------------------


class Program:
    """The relay as a job runs it, and its log."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self.log = log

    def wait_for(self, now: Progress) -> None:
        """Wait until the last that was told is `now`."""
        _eventually(lambda: self._heard() == now)

    def _heard(self) -> Progress | None:
        lines = self.log.read_text().split("\n")[:-1]
        return _arrived(None, lines) if lines else None

    def assert_it_ends_and_leaves_nothing(self) -> None:
        assert self.process.wait(PATIENCE_S) == 0
        assert self.log.read_bytes() == b""


@contextmanager
def _program(folder: Path) -> Iterator[Program]:
    log = folder / "log"
    command = [sys.executable, "-I", "-S", relay.__file__, str(folder / PROGRESS_FILE)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, text=True) as process:
        try:
            yield Program(process, log)
        finally:
            process.kill()


def _eventually(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_the_program_needs_nothing_tells_what_is_new_and_ends_with_the_sweep(
    tmp_path: Path,
) -> None:
    with _program(tmp_path) as program:  # The sweep begins later.
        for now in (told(1.0), told(1.0, 2.0), told(2.0, 3.0, ended=2)):
            progress.write(tmp_path, now)
            program.wait_for(now)
        (tmp_path / PROGRESS_FILE).unlink()
        program.assert_it_ends_and_leaves_nothing()


def test_the_program_ends_where_nobody_listens_any_more(tmp_path: Path) -> None:
    progress.write(tmp_path, told(1.0))
    with _program(tmp_path) as program:
        program.wait_for(told(1.0))
        program.process.terminate()
        program.assert_it_ends_and_leaves_nothing()


@pytest.mark.parametrize("sweep", [None, told(1.0)], ids=["that never began", "that was killed"])
def test_the_program_does_not_wait_for_ever_for_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: Progress | None
) -> None:
    monkeypatch.setattr(relay, "PERIOD_S", 0.01)
    monkeypatch.setattr(relay, "PATIENCE_S", 0.5)
    if sweep:
        progress.write(tmp_path, sweep)
    expected = [_state(sweep)] if sweep else []
    assert list(relay.states(tmp_path / PROGRESS_FILE)) == expected


def test_the_program_ends_before_its_log_fills_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listened may have been killed, and the sweep go on for days."""
    sizes = []

    def forever(_file: Path) -> Iterator[dict[str, Any]]:
        for number in itertools.count():
            sizes.append((tmp_path / "log").stat().st_size)
            yield _state(told(number))

    monkeypatch.setattr(relay, "states", forever)
    monkeypatch.setattr(relay, "LOG_BYTES_MAX", 10_000)
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stdout", log)
        relay.main(tmp_path / PROGRESS_FILE)
    assert 9_000 < max(sizes) <= 10_000
    assert os.path.getsize(tmp_path / "log") == 0


# --- At home ------------------------------------------------------------------------------------


class Cluster(Jobs):
    """A cluster on which a job runs, and relays that tell what a test puts into their logs."""

    def __init__(self, status: JobStatus = JobStatus.RUNNING) -> None:
        self.status = status
        self.status_of_relays = JobStatus.SUCCEEDED
        self.done: list[str] = []
        self.relays: SimpleQueue[tuple[str, SimpleQueue[str]]] = SimpleQueue()
        self._logs: dict[str, SimpleQueue[str]] = {}
        self._stopped: set[str] = set()
        self.is_quiet = Event()

    def start(self, job_id: str, entrypoint: str, *_: object) -> None:
        self.done.append("start")
        self._logs[job_id] = SimpleQueue()
        self.relays.put((entrypoint, self._logs[job_id]))

    def details(self, job_id: str) -> JobDetails:
        if job_id in self._stopped:
            return _details(JobStatus.STOPPED)
        return _details(self.status_of_relays if job_id in self._logs else self.status)

    def log(self, job_id: str) -> Iterator[str]:
        yield "Running entrypoint for job x\n"
        yield from iter(self._logs[job_id].get, "")

    def stop(self, job_id: str) -> None:
        self.done.append("stop")
        self._stopped.add(job_id)
        self._logs[job_id].put("")
        self.is_quiet.set()

    def next_relay(self) -> "SimpleQueue[str]":
        """Return the log of the relay that was started next; to write into."""
        return self.relays.get(timeout=PATIENCE_S)[1]


def _details(status: JobStatus, message: str | None = None) -> JobDetails:
    return JobDetails(type="SUBMISSION", status=status, entrypoint="", message=message)


def _tell(log: "SimpleQueue[str]", before: Progress | None, now: Progress) -> None:
    log.put("".join(f"{line}\n" for line in _lines(before, now)))


def _is_kept(home: Path, now: Progress) -> bool:
    """Say whether that is what is known at home, by its own clock."""
    here = progress.read(home)
    return here is not None and here == by_the_clock_here(now, here.told_at_s)


def test_while_a_job_is_followed_its_progress_is_at_home_and_then_it_is_gone(
    tmp_path: Path,
) -> None:
    home, cluster = tmp_path / "results" / "demo", Cluster()
    with Relayed(cluster, "job", "~/a folder", home):
        command, log = cluster.relays.get(timeout=PATIENCE_S)
        assert command.startswith("exec python3 -P -c ")
        assert command.endswith(f" ~/'a folder/{PROGRESS_FILE}'")
        began_s = time.time()
        for before, now in itertools.pairwise([None, told(1.0), told(1.0, 2.0)]):
            assert now is not None
            _tell(log, before, now)
            _eventually(lambda now=now: _is_kept(home, now))
        here = progress.read(home)
        assert here is not None
        assert began_s <= here.told_at_s <= time.time()
    assert list(home.iterdir()) == []
    assert cluster.is_quiet.is_set()


def test_what_is_no_progress_is_dropped(tmp_path: Path) -> None:
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path):
        log = cluster.next_relay()
        log.put('{"kept": 7}\n[]\n\x00\n')
        _tell(log, None, told(1.0, runs=10**10))
        assert not list(tmp_path.iterdir())
        _tell(log, None, told(1.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0)))


def test_what_comes_late_is_not_kept(tmp_path: Path) -> None:
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path) as following:
        log = cluster.next_relay()
        _tell(log, None, told(1.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0)))
    following._keep(told(2.0))
    assert list(tmp_path.iterdir()) == []


def test_a_relay_whose_log_becomes_long_is_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is heard until the other is there: watchers are to notice little of it."""
    monkeypatch.setattr(relayed, "RENEWED_AFTER_BYTES", 10_000)
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path):
        log = cluster.next_relay()
        _tell(log, None, told(1.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0)))
        cluster.status_of_relays = JobStatus.PENDING
        log.put(f"{'x' * 10_000}\n")
        other = cluster.next_relay()
        _tell(log, told(1.0), told(1.0, 2.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0, 2.0)))
        assert cluster.done == ["start", "start"]
        cluster.status_of_relays = JobStatus.RUNNING
        _tell(log, told(1.0, 2.0), told(1.0, 2.0, 3.0))
        _tell(other, None, told(2.0, 3.0, 4.0))
        _eventually(lambda: _is_kept(tmp_path, told(2.0, 3.0, 4.0)))
        assert cluster.done == ["start", "start", "stop"]


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED])
def test_a_job_that_has_ended_is_not_watched(tmp_path: Path, status: JobStatus) -> None:
    cluster = Cluster(status)
    with Relayed(cluster, "job", "there", tmp_path) as following:
        _eventually(following._over.is_set)
    assert cluster.done == []


def test_a_job_that_has_not_begun_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayed, "POLL_S", 0.01)
    cluster = Cluster(JobStatus.PENDING)
    with Relayed(cluster, "job", "there", tmp_path):
        cluster.status = JobStatus.RUNNING
        cluster.next_relay()


def test_a_relay_that_fails_costs_the_watchers_their_view_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    failed = _details(JobStatus.FAILED, "sh: python3:\n not found")
    with Relayed(cluster, "job", "there", tmp_path) as following:
        log = cluster.next_relay()
        _tell(log, None, told(1.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0)))
        monkeypatch.setattr(cluster, "details", lambda _: failed)
        log.put("")
        _eventually(following._over.is_set)
    assert "cannot be watched: job-progress-" in caplog.text
    assert "sh: python3: not found" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_where_a_relay_ends_and_the_job_does_not_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path) as following:
        log = cluster.next_relay()
        _tell(log, None, told(1.0))
        _eventually(lambda: _is_kept(tmp_path, told(1.0)))
        log.put("")
        _eventually(following._over.is_set)
    assert "this job cannot be watched any more: job-progress-" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_where_a_relay_ends_with_the_job_nothing_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path) as following:
        log = cluster.next_relay()
        cluster.status = JobStatus.SUCCEEDED
        log.put("")
        _eventually(following._over.is_set)
    assert caplog.text == ""


def test_a_cluster_that_is_lost_costs_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise JobsError("http://head:8265: nobody answers there")

    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path) as following:
        log = cluster.next_relay()
        monkeypatch.setattr(cluster, "stop", lost)
        log.put("")
        _eventually(following._over.is_set)
    assert "nobody answers there" in caplog.text


def test_a_cluster_that_is_silent_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayed, "FAREWELL_S", 0.01)
    cluster, answers = Cluster(), Event()
    with Relayed(cluster, "job", "there", tmp_path):
        cluster.next_relay()
        monkeypatch.setattr(cluster, "stop", lambda _: answers.wait())
    answers.set()


def test_a_home_that_cannot_be_written_to_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cluster = Cluster()
    with Relayed(cluster, "job", "there", tmp_path / "file" / "home") as following:
        log = cluster.next_relay()
        _tell(log, None, told(1.0))
        _tell(log, told(1.0), told(1.0, 2.0))
        _eventually(lambda: "cannot be watched" in caplog.text)
        assert not following._over.is_set()
    assert caplog.text.count("this job cannot be watched") == 1
    assert "stays behind" not in caplog.text
