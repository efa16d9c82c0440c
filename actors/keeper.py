"""What is done on a node of Ray from outside of the actors of a run: signals, and a folder."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress

from actors.storage.errors import StorageError


class Keeper:
    """The keeper of one node. Its folder is there from its start until it is told to `leave`.

    Raises StorageError where there is no room for that.
    """

    def __init__(self) -> None:
        try:
            self._folder = tempfile.mkdtemp(prefix="paxoscope-")
        except OSError as error:
            right = "set TMPDIR to one that can be written to, on a disk with room"
            raise StorageError(f"cannot make a temporary folder: {error}; {right}") from error

    async def watch(self) -> None:
        """Outlast the keeper: whoever waits for this learns of its end."""
        await asyncio.Event().wait()

    async def folder(self) -> str:
        """Return the path of a folder for this run alone."""
        return self._folder

    async def signal(self, processes: Iterable[int], number: int) -> None:
        """Send a signal to processes of this node, as far as they are still there."""
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    async def leave(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
