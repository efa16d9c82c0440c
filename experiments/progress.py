"""How far a sweep has come: a file in its result folder, there as long as the sweep goes on.

Whoever sweeps writes it anew about twice a second (`experiments.monitor`), whoever wants to watch
reads it: in another process, or on another machine that sees the same files.
"""

import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

PROGRESS_FILE = "progress.json"

SILENT_S = 5.0
"""Time without a sign of life after which a sweep must have ended without saying so."""

_BYTES_MAX = 4_000_000

_log = logging.getLogger(__name__)

# What is read may come from anybody, and all of it is drawn: no file may make that too long, or
# hold a number that cannot be written.
_MANY = 1000
EVENTS_MAX = 1000
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
Replicas = Annotated[int, Meta(ge=1, le=_MANY)]


class HostUsage(Struct, frozen=True):
    """What one host used lately."""

    host: Count
    cpu_cores: Number
    network_mbit_s_out: Number
    network_mbit_s_in: Number


class Moment(Struct, frozen=True, kw_only=True):
    """What actors reported from one news to the next; latencies are None without a reply."""

    time_s: Number
    """The end, since the clients began."""
    throughput_rps: Number
    latency_ms_p50: Number | None
    latency_ms_p99: Number | None
    hosts: Annotated[tuple[HostUsage, ...], Meta(max_length=_MANY)]


class Happening(Struct, frozen=True):
    """A fault, or what it led to; as in the table of events."""

    time_s: Number
    event: str
    target: str
    detail: str


class CurrentRun(Struct, frozen=True, kw_only=True):
    """A run that is under way."""

    run_id: str
    name: str
    """What it is among the runs of its suite."""
    protocol: str
    replicas: Replicas
    is_live: bool
    """Whether moments are to come; others, such as those in virtual time, tell at the end."""
    warmup_s: Number
    duration_s: Number
    load_s: Number
    moments: Annotated[tuple[Moment, ...], Meta(max_length=_MANY)] = ()
    """The latest of them, in order."""
    events: Annotated[tuple[Happening, ...], Meta(max_length=EVENTS_MAX)] = ()
    """The latest of them, in order."""


class Progress(Struct, frozen=True, kw_only=True):
    """What is known of a sweep."""

    suite: str
    runs: Count
    ended: Count
    failed: Count
    """How many of those that ended are not sound."""
    told_at_s: Number
    """Since the epoch, by the clock of whoever sweeps."""
    remaining_s: Number
    run: CurrentRun | None = None
    """Of the runs that are under way, the one that began first."""
    beside: Count = 0
    """How many others are under way."""


class ProgressFile:
    """The file of a folder, as one of those who may write it does, and as far as that goes.

    Who cannot watch costs nobody anything else: what cannot be written is logged, once. `whose` is
    what is to be watched, in words.
    """

    def __init__(self, folder: Path, whose: str) -> None:
        self._folder = folder
        self._whose = whose
        self._content = b""
        self._has_failed = False

    def write(self, progress: Progress) -> None:
        """Write the file anew."""
        try:
            self._content = write(self._folder, progress)
        except OSError as error:
            if not self._has_failed:
                _log.warning("%s cannot be watched: %s", self._whose, error)
            self._has_failed = True

    def remove(self) -> None:
        """Remove the file, unless somebody else has written it since."""
        try:
            if self._content and _content(self._folder) == self._content:
                (self._folder / PROGRESS_FILE).unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("%s stays behind: %s", PROGRESS_FILE, error)


def write(folder: Path, progress: Progress) -> bytes:
    """Write the file of a folder anew, and make that where needed; return what the file holds.

    Whoever reads meanwhile gets the old or the new. Raises OSError.
    """
    content = msgspec.json.encode(progress)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{PROGRESS_FILE}.{secrets.token_hex(4)}"  # Others may write at the same time.
    try:
        fresh.write_bytes(content)
        fresh.replace(folder / PROGRESS_FILE)
    finally:
        fresh.unlink(missing_ok=True)
    return content


def is_of_progress(name: str) -> bool:
    """Say whether a file of that name tells of progress, or was about to."""
    return name == PROGRESS_FILE or name.startswith(f"{PROGRESS_FILE}.")


def read(folder: Path) -> Progress | None:
    """Return what the file of a folder says; None where there is none, or it makes no sense."""
    try:
        return msgspec.json.decode(_content(folder), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None


def _content(folder: Path) -> bytes:
    """Return what the file of a folder holds, nothing where it is no file; raises OSError."""
    with open(folder / PROGRESS_FILE, "rb", opener=_opened) as file:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(_BYTES_MAX) if is_file else b""


def _opened(path: str, flags: int) -> int:
    """Open a file, but no link to elsewhere, and without waiting for whoever writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
