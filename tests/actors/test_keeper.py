"""The keeper of a node, without Ray."""

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from actors.keeper import Keeper
from actors.storage.errors import StorageError


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


def test_no_room_for_its_folder_is_told_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StorageError) as told:
        Keeper()
    assert re.fullmatch(
        rf"cannot make a temporary folder: .*No such file.*{tmp_path}/gone/paxoscope-.*; "
        "set TMPDIR to one that can be written to, on a disk with room",
        str(told.value),
    )


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
