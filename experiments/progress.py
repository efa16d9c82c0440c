"""How far a sweep has come: a file in its result folder, there as long as the sweep goes on.

Whoever sweeps writes it anew about twice a second (`experiments.monitor`), whoever wants to watch
reads it: in another process, or on another machine that sees the same files.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

PROGRESS_FILE = "progress.json"

SILENT_S = 5.0
"""Time without a sign of life after which a sweep must have ended without saying so."""

_BYTES_MAX = 4_000_000


class HostUsage(Struct, frozen=True):
    """What one host used lately."""

    host: int
    cpu_cores: float
    network_mbit_s_out: float
    network_mbit_s_in: float


class Moment(Struct, frozen=True, kw_only=True):
    """What was measured between two rounds of questions; latencies are None without a reply."""

    time_s: float
    """The end, since the clients began."""
    throughput_rps: float
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    hosts: tuple[HostUsage, ...]


class Happening(Struct, frozen=True):
    """A fault, or what it led to; as in the table of events."""

    time_s: float
    event: str
    target: str
    detail: str


class CurrentRun(Struct, frozen=True, kw_only=True):
    """The run that is under way."""

    run_id: str
    name: str
    """What it is among the runs of its suite."""
    protocol: str
    replicas: int
    is_live: bool
    """Whether moments are to come; others, such as those in virtual time, tell at the end."""
    warmup_s: float
    duration_s: float
    load_s: float
    moments: tuple[Moment, ...] = ()
    """The latest of them, in order."""
    events: tuple[Happening, ...] = ()


class Progress(Struct, frozen=True, kw_only=True):
    """What is known of a sweep. Times `_at_s` are seconds since the epoch."""

    suite: str
    runs: int
    ended: int
    failed: int
    """How many of those that ended are not sound."""
    began_at_s: float
    told_at_s: float
    remaining_s: float
    run: CurrentRun | None = None


def write(folder: Path, progress: Progress) -> None:
    """Write the file anew; whoever reads meanwhile gets the old or the new. Raises OSError."""
    fresh = folder / f"{PROGRESS_FILE}.new"
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(folder / PROGRESS_FILE)


def read(folder: Path) -> Progress | None:
    """Return what the file of a folder says; None where there is none, or it makes no sense."""
    try:
        with (folder / PROGRESS_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_BYTES_MAX), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None


def remove(folder: Path) -> None:
    """Remove the file: the sweep has ended. Raises OSError."""
    (folder / PROGRESS_FILE).unlink(missing_ok=True)
