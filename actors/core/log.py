"""The ordered log of one replica: what it accepted, and what is decided.

Invariants: what is decided never changes; `undecided` is the first instance whose decision is not
known here; everything below `start` was executed here and is gone: who still needs it takes a
snapshot.
"""

from collections.abc import Iterator

from actors.core.ids import Instance, View
from actors.core.messages import Accepted
from actors.core.quorum import Votes

ENTRY_BYTES = 256
"""About what an instance takes in memory beside its value."""


class Entry:
    """What a replica knows of one instance.

    The accepted value is kept apart from the votes: an Accept of a higher view that overtakes its
    Propose starts a new count but must not erase the older accepted value, which may be the only
    copy that a future leader can learn.
    """

    __slots__ = ("accepted_view", "decided", "value", "votes")

    def __init__(self) -> None:
        self.accepted_view: View = -1
        self.value = b""
        self.votes = Votes()
        self.decided = False

    def accept(self, view: View, value: bytes) -> None:
        """Accept `value` in `view`, which is no lower than any accepted before."""
        assert view >= self.accepted_view, (view, self.accepted_view)
        assert not self.decided or value == self.value, "a decided value never changes"
        assert view > self.accepted_view or value == self.value, "one value per view"
        self.accepted_view = view
        self.value = value

    def is_chosen(self, majority: int) -> bool:
        """Say whether a majority is known to have accepted this very value."""
        return self.votes.view == self.accepted_view and len(self.votes) >= majority


class Log:
    """Entries by instance, and the decided ones in order."""

    def __init__(self) -> None:
        self.start: Instance = 0
        self.undecided: Instance = 0
        self._entries: dict[Instance, Entry] = {}
        self._untaken: Instance = 0
        self._decided_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, instance: Instance) -> Entry:
        """Return the entry of an instance at or after `start`, made when first asked for."""
        assert instance >= self.start, (instance, self.start)
        entry = self._entries.get(instance)
        if entry is None:
            entry = self._entries[instance] = Entry()
        return entry

    def find(self, instance: Instance) -> Entry | None:
        """Return the entry of an instance, if there is one."""
        return self._entries.get(instance)

    def entries_from(self, first: Instance) -> list[tuple[Instance, Entry]]:
        """Return the entries of the instances from `first` on, in order."""
        return sorted(
            ((i, entry) for i, entry in self._entries.items() if i >= first),
            key=lambda each: each[0],
        )

    def accepted_from(self, first: Instance) -> list[Accepted]:
        """Return what was accepted from `first` on, in order."""
        return [
            Accepted(instance, entry.accepted_view, entry.value)
            for instance, entry in self.entries_from(first)
            if entry.accepted_view >= 0
        ]

    def decide(self, instance: Instance, value: bytes) -> None:
        """Record a decision."""
        entry = self.entry(instance)
        assert not entry.decided or entry.value == value, f"two decisions in instance {instance}"
        if not entry.decided:
            self._decided_bytes += len(value) + ENTRY_BYTES
        entry.value = value
        entry.decided = True
        self._advance()

    def _advance(self) -> None:
        while (entry := self._entries.get(self.undecided)) and entry.decided:
            self.undecided += 1

    def decided_values(self, first: Instance, last: Instance, bytes_max: int) -> list[bytes]:
        """Return decided values from `first` up to `last`, as many as fit, at least one if any."""
        values: list[bytes] = []
        for instance in range(first, min(last, self.undecided)):
            value = self._entries[instance].value
            bytes_max -= len(value)
            if values and bytes_max < 0:
                break
            values.append(value)
        return values

    @property
    def has_untaken(self) -> bool:
        """Whether something is decided that `take_decided` has not yielded."""
        return self._untaken < self.undecided

    def take_decided(self) -> Iterator[tuple[Instance, bytes]]:
        """Yield decided instances in order, each once."""
        while self._untaken < self.undecided:
            instance = self._untaken
            self._untaken += 1
            yield instance, self._entries[instance].value

    def truncate(self, below: Instance) -> None:
        """Forget the instances below `below`, which are executed."""
        assert below <= self._untaken, (below, self._untaken)
        while self.start < below:
            self._forget_first()

    def shrink(self, bytes_max: int, below: Instance) -> None:
        """Forget executed instances, those below `below`, until what is decided takes few bytes."""
        while self._decided_bytes > bytes_max and self.start < below:
            self._forget_first()

    def _forget_first(self) -> None:
        self._decided_bytes -= len(self._entries.pop(self.start).value) + ENTRY_BYTES
        self.start += 1

    def jump(self, instance: Instance) -> None:
        """Go on at `instance`: all below it was executed elsewhere and is in a snapshot."""
        for passed in [i for i in self._entries if i < instance]:
            entry = self._entries.pop(passed)
            self._decided_bytes -= (len(entry.value) + ENTRY_BYTES) * entry.decided
        self.start = instance
        self._untaken = max(self._untaken, instance)
        self.undecided = max(self.undecided, instance)
        self._advance()
