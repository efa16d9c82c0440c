"""What the actors of a run tell of it while it goes on."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from actors.core.errors import RemoteProtocolError
from actors.core.histogram import BUCKETS, Counts
from actors.core.ids import Address
from actors.measurements import EventRow

PERIOD_S = 0.4
"""Time between two reports of an actor, and between two news."""

Latencies = dict[int, int]
"""How many latencies fell into a bucket of `core.histogram`."""

_Bucket = Annotated[int, Meta(ge=0, lt=BUCKETS)]
_Count = Annotated[int, Meta(ge=1, lt=1 << 53)]


class Report(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one actor counted from one time of the run to another."""

    since_s: float
    until_s: float
    growth: dict[str, float]
    """By how much counts grew; those that did not may be missing."""
    latencies: dict[_Bucket, _Count]
    """Of requests answered in bins that ended: only fleets have any."""
    gauges: dict[str, float]
    """How things stood at the end."""

    def rate(self, count: str) -> float:
        """Return by how much a count grew per second; 0 where nothing is counted so."""
        return self.growth.get(count, 0.0) / (self.until_s - self.since_s)

    def followed_by(self, later: "Report") -> "Report":
        """Return what this and the next report of the actor say together."""
        return Report(
            self.since_s,
            later.until_s,
            {
                count: self.growth.get(count, 0.0) + later.growth.get(count, 0.0)
                for count in self.growth | later.growth
            },
            {
                bucket: self.latencies.get(bucket, 0) + later.latencies.get(bucket, 0)
                for bucket in self.latencies | later.latencies
            },
            later.gauges,
        )


_report = msgspec.msgpack.Decoder(Report)


def encode(report: Report) -> bytes:
    """Return the body of the frame that carries a report."""
    return msgspec.msgpack.encode(report)


def decode(body: bytes) -> Report:
    """Return the report that a body carries; raises RemoteProtocolError where it is none."""
    try:
        report = _report.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise RemoteProtocolError("malformed report") from None
    if not report.since_s < report.until_s:
        raise RemoteProtocolError("a report of no time")
    return report


class News(NamedTuple):
    """What was heard since the last news."""

    actors: dict[Address, Report]
    """Of those who reported."""
    latencies: Counts
    """Of all that they reported; shape (histogram.BUCKETS,)."""
    events: Sequence[EventRow]
    """All that happened so far."""


Listener = Callable[[News], None]
"""Who is told news."""
