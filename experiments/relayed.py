"""Lets a job be watched at home: keeps there what the sweep's progress file says on the cluster.

A second job, `experiments.relay`, tells it by its log, which a thread follows. What comes is the
cluster's word: it is kept only where it is progress, and only while the job is followed. If it does
not come, that costs the watchers their view, and the following nothing.
"""

import logging
import secrets
import time
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Annotated, Self, TypeVar

import msgspec
from msgspec import Meta, Struct
from ray.job_submission import JobStatus

from experiments import errand, relay
from experiments.errors import Unreachable
from experiments.jobs import Jobs, JobsError
from experiments.progress import PROGRESS_FILE, Progress, ProgressFile
from experiments.unpack import whole_lines

POLL_S = 1.0

FAREWELL_S = 2.0
"""How long it may take to tell a relay that nobody listens any more."""

ENDING_S = 10.0
"""How long a job may take to end after its sweep, and so after its relay."""

RENEWED_AFTER_BYTES = relay.LOG_BYTES_MAX // 2
"""What a relay tells before another takes its place: its log lies on the head's disk."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Kept(Struct, frozen=True):
    """How many of what was told before of a run are still there: the last ones."""

    moments: Annotated[int, Meta(ge=0)]
    events: Annotated[int, Meta(ge=0)]


class Line(Struct, frozen=True):
    """What a relay tells."""

    kept: Kept
    progress: Progress
    """With the moments and events that come after those."""


def joined(before: Progress | None, line: str) -> Progress:
    """Return what a line tells to those who know what was told `before`.

    Where lines were lost, what they told is missing. Raises msgspec.DecodeError where this is no
    line of a relay.
    """
    heard = msgspec.json.decode(line, type=Line)
    run = heard.progress.run
    if run is None or before is None or before.run is None or before.run.run_id != run.run_id:
        return heard.progress
    moments = _last(before.run.moments, heard.kept.moments) + run.moments
    events = _last(before.run.events, heard.kept.events) + run.events
    run = msgspec.structs.replace(run, moments=moments, events=events)
    whole = msgspec.structs.replace(heard.progress, run=run)
    # Each part may be as long as the whole may.
    return msgspec.json.decode(msgspec.json.encode(whole), type=Progress)


def _last(known: tuple[T, ...], count: int) -> tuple[T, ...]:
    """Return the last of what is known, all where more was told."""
    return known[max(0, len(known) - count) :]


def by_the_clock_here(told: Progress, now_s: float) -> Progress:
    """Return what was told a moment ago as told when the clock here shows `now_s`."""
    return msgspec.structs.replace(told, told_at_s=now_s)


class Relayed:
    """Keeps the progress of a job in the folder `home`, while entered and as far as there is any.

    `folder` is the job's own on the cluster's head.
    """

    def __init__(self, jobs: Jobs, job_id: str, folder: str, home: Path) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._file = f"{folder}/{PROGRESS_FILE}"
        self._here = ProgressFile(home, "this job")
        self._relay_id = ""
        self._keeping, self._sending = Lock(), Lock()
        self._over = Event()

    def __enter__(self) -> Self:
        # Daemons: nobody waits for a cluster that does not answer.
        Thread(target=self._listen, name="relayed", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        farewell = Thread(target=self._say_farewell, name="farewell", daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)

    # --- What is kept ---

    def _keep(self, told: Progress) -> None:
        with self._keeping:
            if not self._over.is_set():
                self._here.write(by_the_clock_here(told, time.time()))

    def _forget(self) -> None:
        with self._keeping:
            self._here.remove()

    def _end(self) -> None:
        """Keep nothing more. From then on the file is somebody else's, if there is one."""
        with self._keeping:
            self._over.set()
            self._here.remove()

    # --- What is heard ---

    def _listen(self) -> None:
        try:
            if self._is_running():
                relay_id = self._send()
                while relay_id:
                    relay_id = self._follow(relay_id)
                self._forget()
                self._warn_unless_all_ends()
        except (JobsError, Unreachable, OSError) as error:
            if not self._over.is_set():
                _log.warning("this job cannot be watched: %s", error)
        finally:
            self._end()

    def _warn_unless_all_ends(self) -> None:
        """Wait a moment: where the sweep has ended the job does, too, and then the following."""
        if not self._over.wait(ENDING_S) and self._status(self._job_id) == JobStatus.RUNNING:
            _log.warning("this job cannot be watched any more: %s has ended", self._relay_id)

    def _is_running(self) -> bool:
        """Wait until the job runs; say whether it does, and is still followed."""
        while not self._over.is_set():
            status = self._status(self._job_id)
            if status != JobStatus.PENDING:
                return status == JobStatus.RUNNING
            self._over.wait(POLL_S)
        return False

    def _status(self, job_id: str) -> JobStatus:
        return self._jobs.details(job_id).status

    def _send(self) -> str:
        """Start a relay and return its name, empty where the job is not followed any more."""
        with self._sending:
            if self._over.is_set():
                return ""
            relay_id = f"{self._job_id}-progress-{secrets.token_hex(3)}"
            errand.start(self._jobs, relay_id, relay, self._file)
            self._relay_id = relay_id
            return relay_id

    def _follow(self, relay_id: str) -> str:
        """Keep what a relay tells, until it ends; return the one that takes its place, or empty."""
        told: Progress | None = None
        received, other = 0, ""
        try:
            for line in whole_lines(self._jobs.log(relay_id)):
                received += len(line)
                if received > RENEWED_AFTER_BYTES:
                    other = other or self._send()
                    if not other or self._status(other) != JobStatus.PENDING:
                        return other
                try:
                    told = joined(told, line)
                except msgspec.DecodeError:
                    continue  # Some other line of the log.
                self._keep(told)
        finally:
            self._jobs.stop(relay_id)
        ended = self._jobs.wait(relay_id)
        if ended.status == JobStatus.FAILED:
            raise JobsError(f"{relay_id}: {' '.join((ended.message or '').split())}")
        return ""

    def _say_farewell(self) -> None:
        """Tell the relay that nobody listens; without that it ends with the sweep."""
        try:
            with self._sending:
                if self._relay_id:
                    self._jobs.stop(self._relay_id)
        except (JobsError, Unreachable) as error:
            _log.info("%s goes on until the sweep ends: %s", self._relay_id, error)
