"""Nothing that a node sends leaves before what it stored first is durable.

Syncs run in a thread, one at a time. What the node stores meanwhile goes with the next one, however
much it is: the slower the disk, the larger the groups.
"""

import asyncio
from collections.abc import Callable, Sequence

from actors.core.effects import Effect, Rewrite, Send, Store
from actors.storage.journal import Journal


class GroupCommit:
    """Stores what a node asks to, and holds its messages back meanwhile, in order.

    `release` is called with messages that may leave; `fail` with the error of a sync, after which
    nothing that is held back ever leaves.
    """

    def __init__(
        self,
        journal: Journal,
        release: Callable[[Sequence[Send]], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._journal = journal
        self._release = release
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Future[None] | None = None
        """The sync that runs, or that has failed."""
        self._held: list[Send] = []
        """Wait for the sync that runs."""
        self._is_owed = False
        """Whether a record that may not wait was stored since that sync began."""
        self._held_longer: list[Send] = []
        """Wait for the sync after it."""

    def admit(self, effects: Sequence[Effect]) -> list[Effect]:
        """Store what is to be stored; return, in order, those effects that wait for no sync."""
        at_once: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Store):
                self._journal.append(effect.record)
                self._is_owed |= not effect.lazy
            elif isinstance(effect, Rewrite):
                self._journal.rewrite(effect.records)
                self._is_owed = True
            elif isinstance(effect, Send) and self._is_owed:
                self._held_longer.append(effect)
            elif isinstance(effect, Send) and self._running is not None:
                self._held.append(effect)
            else:
                at_once.append(effect)
        self._sync_if_owed()
        return at_once

    def stop(self) -> None:
        """Hold back for good what is held back, and close the journal once no sync runs."""
        if self._running is not None:
            self._running.cancel()
        self._journal.close()

    def _sync_if_owed(self) -> None:
        if self._is_owed and self._running is None:
            self._held, self._held_longer = self._held_longer, []
            self._is_owed = False
            self._running = self._loop.run_in_executor(None, self._journal.sync)
            self._running.add_done_callback(self._synced)

    def _synced(self, ended: asyncio.Future[None]) -> None:
        if ended.cancelled():
            return
        try:
            ended.result()
        except Exception as error:
            self._fail(error)
            return
        self._running = None
        released, self._held = self._held, []
        self._sync_if_owed()  # First, so that the disk works while the messages are encoded.
        self._release(released)
