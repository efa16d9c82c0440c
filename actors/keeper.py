"""What is done on a node of Ray from outside of the actors of runs: signals, a folder, its end.

A folder belongs to the process that holds its lock. Who is killed leaves its folder behind, without
a lock: the next keeper there removes it.
"""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from actors.storage.errors import StorageError

PREFIX = "paxoscope-keeper-"
_FOLDER = re.compile(rf"{PREFIX}\w{{8}}")
"""How `tempfile` names the folders: nobody else's are to be removed."""

ANSWER_S = 0.5
"""How long a keeper outlives its node, so that its answer still leaves."""


class Keeper:
    """The keeper of one node. Its folder is there from its start until it is told to `leave`.

    Raises StorageError where there is no room for that.
    """

    def __init__(self) -> None:
        _remove_what_was_left()
        try:
            self._folder, self._lock = _locked_folder()
        except OSError as error:
            right = "set TMPDIR to one that can be written to, on a disk with room"
            raise StorageError(f"cannot make a temporary folder: {error}; {right}") from error

    async def watch(self) -> None:
        """Outlast the keeper: whoever waits for this learns of its end."""
        await asyncio.Event().wait()

    async def folder(self, run: str = "") -> str:
        """Return the path of the folder of a run; of that of all runs, without."""
        folder = Path(self._folder, run)
        folder.mkdir(exist_ok=True)
        return str(folder)

    async def empty(self) -> None:
        """Remove all that is in the folder: a run is over."""
        for left in Path(self._folder).iterdir():
            left.unlink() if left.is_file() else shutil.rmtree(left)

    async def signal(self, processes: Iterable[int], number: int) -> None:
        """Send a signal to processes of this node, as far as they are still there."""
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    async def end_node(self) -> None:
        """Kill this node's part of Ray and all processes below it, and then this one."""
        raylet = psutil.Process().parent()
        assert raylet is not None, "Ray starts its workers"
        everybody = [raylet, *raylet.children(recursive=True)]
        await self.signal(
            [each.pid for each in everybody if each.pid != os.getpid()], signal.SIGKILL
        )
        asyncio.get_running_loop().call_later(ANSWER_S, os.kill, os.getpid(), signal.SIGKILL)

    async def leave(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def _locked_folder() -> tuple[str, int]:
    """Make a folder, and lock it for the life of this process; return its path and its lock."""
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        # Another keeper may take it for one that was left until it is locked.
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(Path(folder))
            if os.path.isdir(folder):
                return folder, lock
            os.close(lock)


def _lock(folder: Path) -> int:
    """Return the lock of a folder, which is the open folder; raises OSError where it is held."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise
    return opened


def _remove_what_was_left() -> None:
    """Remove the folders of keepers of this user who were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            is_mine = folder.stat(follow_symlinks=False).st_uid == os.geteuid()
            if not is_mine or not _FOLDER.fullmatch(folder.name):
                continue
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
