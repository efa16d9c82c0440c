"""Snapshots on the way: a replica for whom the others' logs no longer reach far enough back.

A snapshot is taken when somebody asks, of what is executed then, and cut into parts. Who needs it
asks for one part after the other: nothing is queued that nobody reads. A source that stays silent
is asked for a part again, with patience, and then given up. A snapshot is forgotten with its
last part; who asks for more of a forgotten one gets the beginning of a new one.
"""

from collections.abc import Callable
from typing import NamedTuple

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Instance, ReplicaId
from actors.core.messages import FetchSnapshot, Snapshot
from actors.core.patience import ANSWER_BYTES, Patience

SNAPSHOT = "snapshot"

PART_BYTES = ANSWER_BYTES
ASKED_MAX = 3
"""How often a silent source is asked for a part."""
SNAPSHOT_BYTES_MAX = 1 << 34


class Taken(NamedTuple):
    """A snapshot: everything below `instance` is executed, and `batches` in all."""

    instance: Instance
    batches: int
    state: bytes


class Snapshots:
    """Gives snapshots to others, and takes one from another."""

    def __init__(self, config: Config, out: Outbox, take: Callable[[], Taken]) -> None:
        self.given = 0
        """Snapshots that were sent off whole."""
        self._take = take
        self._out = out
        self._delay_s = config.retransmit_timeout_ms / 1e3
        self._giving: Taken | None = None
        self._source: ReplicaId | None = None  # Whom a snapshot is being taken from.
        self._taking = 0  # Batches of that snapshot; 0 = of any.
        self._parts: list[bytes] = []
        self._received_bytes = 0
        self._patience = Patience()

    # --- Giving ---

    def on_fetch(self, sender: ReplicaId, message: FetchSnapshot, start: Instance) -> None:
        """Send a part of the snapshot asked for or, where that is gone, of a new one.

        `start`: where the log begins here; a snapshot from before it would lead nowhere.
        """
        giving = self._giving
        if giving is None or giving.instance < start or message.batches not in (0, giving.batches):
            giving = self._giving = self._take()
        # Equal numbers of executed batches mean equal states: parts of two such fit together.
        offset = message.offset if message.batches == giving.batches else 0
        whole = giving.state
        part = whole[offset : offset + PART_BYTES]
        answer = Snapshot(giving.batches, giving.instance, offset, len(whole), part)
        self._out.send(Address("replica", sender), answer)
        if offset + len(part) >= len(whole):
            self._giving = None
            self.given += 1

    # --- Taking ---

    def fetch(self, source: ReplicaId, now: float) -> None:
        """Take a snapshot from `source`, unless one is being taken."""
        if self._source is None:
            self._source = source
            self._begin(0)
            self._patience.renew()
            self._ask()
            self._out.set_timer(SNAPSHOT, now + self._delay_s)

    def on_part(self, sender: ReplicaId, message: Snapshot) -> Taken | None:
        """Take a part, ask for the next one; return the snapshot with its last part."""
        if sender != self._source:
            return None
        if not len(message.part) <= message.total_bytes <= SNAPSHOT_BYTES_MAX:
            raise RemoteProtocolError(f"a snapshot of {message.total_bytes} bytes")
        if message.batches != self._taking:
            self._begin(message.batches)
        if message.offset != self._received_bytes:
            return None  # Repeated, or of another snapshot.
        self._patience.renew()
        self._parts.append(message.part)
        self._received_bytes += len(message.part)
        if self._received_bytes < message.total_bytes:
            self._ask(between_looks=True)
            return None
        snapshot = Taken(message.instance, message.batches, b"".join(self._parts))
        self._end()
        return snapshot

    def on_timer(self, now: float) -> None:
        """Ask again where the source is silent, and give up where it stays so."""
        if self._source is None:
            return
        if self._patience.look():
            if self._patience.asked == ASKED_MAX:
                self._end()  # Catch-up goes on, and finds another.
                return
            self._ask()
        self._out.set_timer(SNAPSHOT, now + self._delay_s)

    def _begin(self, batches: int) -> None:
        self._taking = batches
        self._parts.clear()
        self._received_bytes = 0

    def _ask(self, *, between_looks: bool = False) -> None:
        assert self._source is not None
        self._patience.ask(between_looks=between_looks)
        question = FetchSnapshot(self._taking, self._received_bytes)
        self._out.send(Address("replica", self._source), question)

    def _end(self) -> None:
        self._source = None
        self._begin(0)
