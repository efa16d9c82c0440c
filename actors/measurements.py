"""What a run leaves behind, on Ray or in virtual time."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.metering import MeterTable

EventRow = tuple[float, str, str, str]
"""When it took effect, in seconds since the load began; what happened; to whom; details."""


class Measurements(NamedTuple):
    """What the actors of a run measured, by their addresses."""

    meters: Sequence[tuple[Address, MeterTable]]
    """One for each life of an actor, in order."""
    latencies: dict[Address, LatencyTable]
    """By fleet: from when a request was wanted."""
    services: dict[Address, LatencyTable]
    """The same of open-loop clients, from when it was sent; none of closed-loop ones."""
    safety: str
    events: Sequence[EventRow] = ()
    nodes: int = 0
    """How many nodes of Ray the hosts lived on; none in virtual time."""
