"""The keeper of a node, without Ray."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from actors.keeper import Keeper
from actors.storage.errors import StorageError

PATIENCE_S = 60.0
"""How long a test waits for what must happen; reaching it is a failure."""


def test_its_folder_is_there_until_it_leaves_and_emptied_in_between() -> None:
    async def test() -> None:
        keeper, other = Keeper(), Keeper()
        folder = Path(await keeper.folder())
        assert folder.is_dir()
        assert await keeper.folder() == str(folder) != await other.folder()
        (folder / "replica-0").mkdir()
        (folder / "replica-0" / "journal").write_bytes(b"x")
        (folder / "host-0.budget").write_bytes(b"x")
        run = Path(await keeper.folder("a run"))
        assert run.parent == folder
        assert run.is_dir()
        await keeper.empty()
        assert not any(folder.iterdir())
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


def test_what_a_killed_keeper_left_is_removed_by_the_next_one_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = (
        "import asyncio, os\n"
        "from actors.keeper import Keeper\n"
        "print(asyncio.run(Keeper().folder()), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )

    async def test() -> None:
        mine = Keeper()
        told = subprocess.run(
            [sys.executable, "-c", killed],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        left = Path(told.stdout.strip())
        (left / "replica-0").mkdir()
        (left / "replica-0" / "journal").write_bytes(b"x")
        results = tmp_path / "paxoscope-keeper-results"
        results.mkdir()
        Keeper()
        assert not left.exists()
        assert results.is_dir()
        assert Path(await mine.folder()).is_dir()

    asyncio.run(test())


def test_the_end_of_a_node_is_that_of_its_raylet_and_all_below_it() -> None:
    """Here a shell stands for the raylet, with a keeper and another child."""
    keeper = (
        "import asyncio\n"
        "from actors.keeper import Keeper\n"
        "async def end():\n"
        "    await Keeper().end_node()\n"
        "    print('answered', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(end())\n"
    )
    shell = ["sh", "-c", 'sleep 1000 & echo $!; "$@"; true', "sh", sys.executable, "-c", keeper]
    raylet = subprocess.Popen(shell, stdout=subprocess.PIPE, text=True)
    told, _ = raylet.communicate(timeout=PATIENCE_S)  # Until nobody is left who could write.
    number, *answers = told.split()
    assert answers == ["answered"]
    assert raylet.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(int(number)) or psutil.Process(int(number)).status() == "zombie"


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
