"""What the actors of a run tell of it while it goes on."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.core.histogram import Counts
from actors.core.ids import Address
from actors.measurements import EventRow
from actors.metering import MeterTable


class Lately(NamedTuple):
    """What one actor counted since it was asked last."""

    since_s: float
    samples: MeterTable
    """At least one."""

    @property
    def until_s(self) -> float:
        """When the last sample was taken; times are those of the run."""
        return float(self.samples.column("time_s")[-1])

    def rate(self, count: str) -> float:
        """Return by how much a count grew per second; 0 where nothing is counted so."""
        return float(self.samples.column(count).sum()) / (self.until_s - self.since_s)


class News(NamedTuple):
    """What was measured since the last news."""

    actors: dict[Address, Lately]
    """Of those who answered."""
    latencies: Counts
    """Of all requests answered in bins that have ended since; shape (histogram.BUCKETS,)."""
    events: Sequence[EventRow]
    """All that happened so far."""
