"""The keeper of a node, without Ray."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from actors.keeper import Keeper


def test_its_folder_is_there_until_it_leaves_with_all_that_is_in_it() -> None:
    async def test() -> None:
        keeper, other = Keeper(), Keeper()
        folder = Path(await keeper.folder())
        assert folder.is_dir()
        assert await keeper.folder() == str(folder) != await other.folder()
        (folder / "replica-0").mkdir()
        (folder / "replica-0" / "journal").write_bytes(b"x")
        await other.leave()
        assert folder.is_dir()
        await keeper.leave()
        assert not folder.exists()

    asyncio.run(test())


def test_signals_reach_who_is_there_and_miss_who_is_not() -> None:
    async def test() -> None:
        keeper = Keeper()
        one, other = (
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            for _ in range(2)
        )
        await keeper.signal([one.pid, other.pid], signal.SIGKILL)
        assert one.wait() == other.wait() == -signal.SIGKILL
        await keeper.signal([one.pid], 0)  # Its number may belong to somebody else by now.
        await keeper.leave()

    asyncio.run(test())
