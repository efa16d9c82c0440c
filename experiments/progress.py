"""How far a sweep has come: a file in its result folder, there as long as the sweep goes on.

Whoever sweeps writes it anew about twice a second (`experiments.monitor`), whoever wants to watch
reads it: in another process, or on another machine that sees the same files.
"""

import os
import stat
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

PROGRESS_FILE = "progress.json"

SILENT_S = 5.0
"""Time without a sign of life after which a sweep must have ended without saying so."""

_BYTES_MAX = 4_000_000

# What is read may come from anybody, and all of it is drawn: no file may make that too long, or
# hold a number that cannot be written.
_MANY = 1000
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
    """What was measured between two rounds of questions; latencies are None without a reply."""

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
    """The run that is under way."""

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
    events: Annotated[tuple[Happening, ...], Meta(max_length=_MANY)] = ()


class Progress(Struct, frozen=True, kw_only=True):
    """What is known of a sweep. Times `_at_s` are seconds since the epoch."""

    suite: str
    runs: Count
    ended: Count
    failed: Count
    """How many of those that ended are not sound."""
    began_at_s: Number
    told_at_s: Number
    remaining_s: Number
    run: CurrentRun | None = None


def write(folder: Path, progress: Progress) -> None:
    """Write the file anew; whoever reads meanwhile gets the old or the new. Raises OSError."""
    fresh = folder / f"{PROGRESS_FILE}.new"
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(folder / PROGRESS_FILE)


def read(folder: Path) -> Progress | None:
    """Return what the file of a folder says; None where there is none, or it makes no sense."""
    try:
        with open(folder / PROGRESS_FILE, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return msgspec.json.decode(file.read(_BYTES_MAX), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None


def _opened(path: str, flags: int) -> int:
    """Open a file, but no link to elsewhere, and without waiting for whoever writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def remove(folder: Path) -> None:
    """Remove the file: the sweep has ended. Raises OSError."""
    (folder / PROGRESS_FILE).unlink(missing_ok=True)
