"""What a node must not forget, by crash model, and how it is written down.

- `crash_stop`: nothing is written, and nobody returns.
- `epoch`: one number per start. A replica that returns has forgotten its votes and its payloads:
  it takes part again only when `recovery` lets it.
- `full`: every promise and vote, and every payload before it is acknowledged. What is known to be
  decided follows lazily: it only saves a restarted replica from asking. A checkpoint takes the
  place of all that came before it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RestartError
from actors.core.ids import Instance, View


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all that is written down: encoded like a message, with its number in `tag`."""


class Started(Record, frozen=True, tag=1):
    """The node has started for the `epoch`th time."""

    epoch: int


class Promise(Record, frozen=True, tag=2):
    """The replica is in `view` and answers nothing of lower ones."""

    view: View


class Vote(Record, frozen=True, tag=3):
    """The replica has accepted `value` in `instance` and `view`."""

    instance: Instance
    view: View
    value: bytes


class Decided(Record, frozen=True, tag=4):
    """Below `undecided`, what this journal holds as accepted last, or learnt, is decided."""

    undecided: Instance


class Learnt(Record, frozen=True, tag=5):
    """Another replica has said that `value` is decided in `instance`."""

    instance: Instance
    value: bytes


class Stored(Record, frozen=True, tag=6):
    """The replica holds the payload of a batch (S-Paxos)."""

    origin: int
    sequence: int
    requests: bytes


class Checkpoint(Record, frozen=True, tag=7):
    """State after executing everything below `instance`."""

    instance: Instance
    snapshot: bytes


AnyRecord = Started | Promise | Vote | Decided | Learnt | Stored | Checkpoint

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyRecord)


def decode(records: Iterable[bytes]) -> list[AnyRecord]:
    """Read what a former life of a node had written; raises RestartError where it is not that."""
    try:
        return [_decoder.decode(record) for record in records]
    except msgspec.DecodeError as error:
        raise RestartError(f"the journal holds a record that makes no sense: {error}") from error


class Journal:
    """Writes down what the crash model asks for. `records`: what the node's former lives wrote.

    Raises RestartError where a node that has lived before must not return.
    """

    def __init__(self, config: Config, out: Outbox, records: Sequence[bytes]) -> None:
        self.is_full = config.crash_model == "full"
        self.former = decode(records)
        """What the node's former lives wrote, in order."""
        starts = [record.epoch for record in self.former if isinstance(record, Started)]
        self.epoch = max(starts, default=0) + 1
        """How often the node has started, this time included."""
        self._keeps_epoch = config.crash_model != "crash_stop"
        self._out = out
        self._bytes = sum(map(len, records))
        self._bytes_max = config.journal_bytes_max
        if records and not self._keeps_epoch:
            raise RestartError(
                "crash_model = crash_stop: who forgets its votes must not return; use epoch or full"
            )

    def start(self) -> None:
        """Write down that the node has started, before it says anything."""
        if self._keeps_epoch:
            self._store(Started(self.epoch))

    def promise(self, view: View) -> None:
        """Write down a promise."""
        if self.is_full:
            self._store(Promise(view))

    def vote(self, instance: Instance, view: View, value: bytes) -> None:
        """Write down a vote."""
        if self.is_full:
            self._store(Vote(instance, view, value))

    def learn(self, instance: Instance, value: bytes) -> None:
        """Write down a decision that was learnt from another replica."""
        if self.is_full:
            self._store(Learnt(instance, value), lazy=True)

    def decide(self, undecided: Instance) -> None:
        """Write down how far all is decided."""
        if self.is_full:
            self._store(Decided(undecided), lazy=True)

    def payload(self, origin: int, sequence: int, requests: bytes) -> None:
        """Write down a payload."""
        if self.is_full:
            self._store(Stored(origin, sequence, requests))

    @property
    def is_long(self) -> bool:
        """Whether a checkpoint should take the place of what is written."""
        return self.is_full and self._bytes > self._bytes_max

    def outdate(self) -> None:
        """Note that what is written no longer leads to this replica's state."""
        self._bytes = self._bytes_max + 1

    def rewrite(self, records: Iterable[AnyRecord]) -> None:
        """Have `records` take the place of all that was written but the number of starts."""
        if self.is_full:
            encoded = [_encoder.encode(record) for record in (Started(self.epoch), *records)]
            self._bytes = 0  # What a checkpoint itself takes is not held against it.
            self._out.rewrite(encoded)

    def _store(self, record: AnyRecord, *, lazy: bool = False) -> None:
        encoded = _encoder.encode(record)
        self._bytes += len(encoded)
        self._out.store(encoded, lazy=lazy)
