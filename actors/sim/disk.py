"""The disk of one node: what is synced survives a crash, and of the rest any first part may.

What a node sends after it stored a record waits here until that record is synced. One sync runs at
a time and covers all that was written before it began (group commit).
"""

import random
from collections import deque

from actors.core.effects import Rewrite, Send, Store


class DiskFullError(Exception):
    """There is no room for a record."""


class Disk:
    """Records of one address, which outlive its node."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        """What is on stable storage: what a restart gets."""
        self.is_full = False
        """Whether every further write fails."""
        self.holds_up = False
        """Whether what is sent now has to wait."""
        self.is_syncing = False
        self._unsynced: deque[Store | Rewrite] = deque()
        self._written = 0  # How many writes there were; the numbers below count the same.
        self._needed = 0  # What is sent now waits for so many writes to be synced.
        self._covered = 0  # The sync under way covers so many.
        self._waiting: deque[tuple[int, Send]] = deque()

    def write(self, effect: Store | Rewrite) -> None:
        """Append to the unsynced writes; raises DiskFullError where there is no room."""
        if self.is_full:
            raise DiskFullError
        self._unsynced.append(effect)
        self._written += 1
        if isinstance(effect, Rewrite) or not effect.lazy:
            self._needed = self._written
            self.holds_up = True

    def hold(self, effect: Send) -> None:
        """Keep what is sent until all that must be synced before it is."""
        self._waiting.append((self._needed, effect))

    def begin_sync(self) -> None:
        """Begin to sync all that is written so far; no other sync is under way."""
        assert not self.is_syncing
        self.is_syncing = True
        self._covered = self._written

    def end_sync(self) -> list[Send]:
        """Complete the sync under way; return, in order, what may leave now."""
        self.is_syncing = False
        first_unsynced = self._written - len(self._unsynced)
        for _ in range(first_unsynced, self._covered):
            self._apply(self._unsynced.popleft())
        self.holds_up = self._needed > self._covered
        released: list[Send] = []
        while self._waiting and self._waiting[0][0] <= self._covered:
            released.append(self._waiting.popleft()[1])
        return released

    def crash(self, rng: random.Random) -> None:
        """Keep a drawn first part of what is not synced; forget the rest, and what waits."""
        for _ in range(rng.randint(0, len(self._unsynced)) if self._unsynced else 0):
            self._apply(self._unsynced.popleft())
        self._unsynced.clear()
        self._waiting.clear()
        self.is_syncing = self.holds_up = False
        self._needed = self._covered = self._written

    def _apply(self, effect: Store | Rewrite) -> None:
        if isinstance(effect, Rewrite):
            self.records = list(effect.records)
        else:
            self.records.append(effect.record)
