"""A journal in a real folder: what survives, and what is refused."""

import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from actors.storage import journal as journal_module
from actors.storage.errors import StorageError
from actors.storage.journal import FILE, NEEDS, NEW_FILE, RECORDS_PER_WRITE, Journal

PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "of" / "replica-0"


@contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    with closing(Journal.open(folder)) as journal:
        yield journal


def store(folder: Path, *records: bytes) -> None:
    with opened(folder) as journal:
        for record in records:
            journal.append(record)
        journal.sync()


def survivors(folder: Path) -> list[bytes]:
    with opened(folder) as journal:
        return list(journal.records)


# --- What survives --------------------------------------------------------------------------------


def test_a_new_journal_is_empty_and_makes_its_folder(folder: Path) -> None:
    assert survivors(folder) == []
    assert os.listdir(folder) == [FILE]


def test_synced_records_survive_in_order_over_many_lives(folder: Path) -> None:
    store(folder, b"a", b"", b"b" * 100_000)
    store(folder, b"c")
    store(folder)
    assert survivors(folder) == [b"a", b"", b"b" * 100_000, b"c"]


def test_more_records_than_one_system_call_takes_survive(folder: Path) -> None:
    records = [str(number).encode() for number in range(3 * RECORDS_PER_WRITE + 1)]
    store(folder, *records)
    assert survivors(folder) == records


def test_what_was_never_synced_is_lost(folder: Path) -> None:
    store(folder, b"a")
    with opened(folder) as journal:
        journal.append(b"b")
        journal.rewrite([b"c"])
    assert survivors(folder) == [b"a"]


def test_rewritten_records_take_the_place_of_all_before(folder: Path) -> None:
    store(folder, b"old")
    with opened(folder) as journal:
        journal.append(b"old too")
        journal.rewrite([b"new", b"newer"])
        journal.append(b"after")
        journal.sync()
        journal.append(b"later")
        journal.sync()
    store(folder, b"another life")
    assert survivors(folder) == [b"new", b"newer", b"after", b"later", b"another life"]
    assert os.listdir(folder) == [FILE]


def test_rewriting_to_nothing_leaves_nothing(folder: Path) -> None:
    store(folder, b"a")
    with opened(folder) as journal:
        journal.rewrite([])
        journal.sync()
    assert survivors(folder) == []


def test_a_torn_tail_is_cut_off_so_that_the_next_record_follows_the_last_whole_one(
    folder: Path,
) -> None:
    store(folder, b"a", b"b")
    for tail in (b"\x05\x00\x00", bytes(5000)):
        with (folder / FILE).open("ab") as file:
            file.write(tail)
        assert survivors(folder) == [b"a", b"b"]
    store(folder, b"c")
    assert survivors(folder) == [b"a", b"b", b"c"]


def test_a_file_cut_within_its_header_begins_anew(folder: Path) -> None:
    store(folder, b"a")
    os.truncate(folder / FILE, 7)
    store(folder, b"b")
    assert survivors(folder) == [b"b"]


def test_what_a_killed_process_had_synced_survives(folder: Path) -> None:
    endless = f"""
from pathlib import Path
from actors.storage.journal import Journal
journal = Journal.open(Path({str(folder)!r}))
number = 0
while True:
    number += 1
    journal.append(str(number).encode() * 50)
    if number % 100 == 0:
        journal.rewrite([str(n).encode() * 50 for n in range(1, number + 1)])
    journal.sync()
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = (int(process.stdout.readline()) for _ in range(250))
        *_, synced = lines
        process.kill()
    records = survivors(folder)
    assert len(records) >= synced
    assert records == [str(n).encode() * 50 for n in range(1, len(records) + 1)]


# --- What is refused ------------------------------------------------------------------------------


def test_a_flipped_bit_in_the_last_record_is_refused_in_one_line(folder: Path) -> None:
    store(folder, b"a", b"promised")
    path = folder / FILE
    path.write_bytes(path.read_bytes().replace(b"promised", b"promiseD"))
    with pytest.raises(StorageError, match=f"^{path} is damaged at byte \\d+: ") as refused:
        Journal.open(folder)
    assert len(str(refused.value).splitlines()) == 1
    assert b"promiseD" in path.read_bytes(), "evidence must stay"


def test_a_journal_in_use_is_refused_to_others_until_it_is_closed(folder: Path) -> None:
    opening = f"""
from pathlib import Path
from actors.storage.journal import Journal
Journal.open(Path({str(folder)!r}))
"""
    with opened(folder):
        other = subprocess.run(
            [sys.executable, "-c", opening], capture_output=True, text=True, check=False
        )
        assert other.stderr.endswith(f"StorageError: {folder / FILE} is in use\n")
        with pytest.raises(StorageError, match="is in use"):
            Journal.open(folder)
    assert survivors(folder) == []


def test_a_refused_journal_is_not_in_use(folder: Path) -> None:
    store(folder, b"a")
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(b"x" + whole)
    with pytest.raises(StorageError, match="damaged at byte 0"):
        Journal.open(folder)
    (folder / FILE).write_bytes(whole)
    assert survivors(folder) == [b"a"]


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=rf"cannot open .*file/journal: .*exists.*; {NEEDS}$"):
        Journal.open(tmp_path / "file")
    (tmp_path / "folder" / FILE).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"cannot open .*folder/journal: .*directory"):
        Journal.open(tmp_path / "folder")


def test_a_record_too_large_is_refused_before_it_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RECORD_BYTES_MAX", 10)
    with opened(folder) as journal:
        journal.append(bytes(10))
        with pytest.raises(StorageError, match="takes no record of 11 bytes"):
            journal.append(bytes(11))
        with pytest.raises(StorageError, match="takes no record of 12 bytes"):
            journal.rewrite([b"", bytes(12)])
        journal.sync()
    assert survivors(folder) == [bytes(10)]


def test_a_closed_journal_takes_nothing_more_and_may_be_closed_again(folder: Path) -> None:
    journal = Journal.open(folder)
    journal.close()
    journal.close()
    with pytest.raises(StorageError, match="is closed"):
        journal.append(b"a")
    with pytest.raises(StorageError, match="is closed"):
        journal.sync()


# --- Disks that fail ------------------------------------------------------------------------------


@contextmanager
def disk_of(file_bytes_max: int) -> Iterator[None]:
    """Have files that this process writes end where a full disk would end them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fails_for_good(journal: Journal) -> None:
    """Check that a journal that has failed takes nothing more and syncs nothing more."""
    for again in (journal.sync, lambda: journal.append(b""), lambda: journal.rewrite([])):
        with pytest.raises(StorageError, match="cannot store in"):
            again()


@pytest.mark.parametrize("act", [Journal.append, lambda journal, big: journal.rewrite([big])])
def test_on_a_full_disk_the_journal_fails_for_good_and_keeps_what_was_synced(
    folder: Path, act: Callable[[Journal, bytes], None]
) -> None:
    store(folder, b"a" * 1000)
    with opened(folder) as journal:
        act(journal, b"b" * 5000)
        full = f"^cannot store in {folder / FILE}: .*File too large; {NEEDS}$"
        with disk_of(2000), pytest.raises(StorageError, match=full):
            journal.sync()
        fails_for_good(journal)
    half_written = [path for path in folder.iterdir() if path.stat().st_size == 2000]
    assert len(half_written) == 1
    assert survivors(folder) == [b"a" * 1000]
    assert os.listdir(folder) == [FILE]


def test_a_full_disk_is_told_at_opening_too(folder: Path) -> None:
    with disk_of(5), pytest.raises(StorageError, match=rf"cannot open .*File too large; {NEEDS}$"):
        Journal.open(folder)
    assert survivors(folder) == []


def test_a_write_that_is_cut_short_is_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may write less than it was asked to, without a reason that lasts."""
    writev, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda file, parts: writev(file, parts[:1]))
    monkeypatch.setattr(os, "write", lambda file, rest: write(file, rest[:3]))
    store(folder, b"a" * 10, b"b" * 10)
    assert survivors(folder) == [b"a" * 10, b"b" * 10]


def test_a_failed_sync_is_never_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have dropped what it could not write: a second try would succeed, and lie."""
    syncs = []

    def fdatasync(file: int) -> None:
        syncs.append(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with opened(folder) as journal:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        journal.append(b"a")
        with pytest.raises(
            StorageError, match=rf"cannot store in .*: .*Input/output error; {NEEDS}$"
        ):
            journal.sync()
        fails_for_good(journal)
    assert len(syncs) == 1


class KilledError(Exception):
    """Stands where the process would end."""


@pytest.mark.parametrize(
    ("kill_at", "survives"),
    [
        ((os, "open", 0), [b"old"]),
        ((os, "writev", 0), [b"old"]),
        ((os, "writev", 1), [b"old"]),
        ((os, "fsync", 0), [b"old"]),
        ((Path, "rename", 0), [b"old"]),
        ((os, "fsync", 1), [b"new", b"newer"]),
    ],
    ids=["before it", "empty", "with its header", "written", "synced", "renamed"],
)
def test_a_rewrite_that_a_kill_interrupts_happened_or_did_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kill_at: tuple[object, str, int], survives
) -> None:
    owner, step, earlier_calls = kill_at
    store(folder, b"old")
    done, calls = getattr(owner, step), []

    def killed(*args: object) -> object:
        calls.append(args)
        if len(calls) > earlier_calls:
            raise KilledError
        return done(*args)

    with opened(folder) as journal:
        journal.rewrite([b"new", b"newer"])
        with monkeypatch.context() as patched:
            patched.setattr(owner, step, killed)
            with pytest.raises(StorageError):
                journal.sync()
    assert len(calls) == earlier_calls + 1
    assert survivors(folder) == survives
    assert os.listdir(folder) == [FILE]


def test_a_new_file_that_was_never_renamed_is_removed(folder: Path) -> None:
    store(folder, b"a")
    (folder / NEW_FILE).write_bytes((folder / FILE).read_bytes()[:-2])
    assert survivors(folder) == [b"a"]
    assert os.listdir(folder) == [FILE]


# --- Syncs ----------------------------------------------------------------------------------------


class SlowDisk:
    """Lets every `fdatasync` wait until it is told to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self._sync = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._wait)

    def _wait(self, file: int) -> None:
        self.began.release()
        assert self.may_end.acquire(timeout=PATIENCE_S)
        self._sync(file)

    @contextmanager
    def syncing(self, journal: Journal) -> Iterator[None]:
        """Run the body while a sync waits for the disk; return when it has ended."""
        thread = threading.Thread(target=journal.sync)
        thread.start()
        assert self.began.acquire(timeout=PATIENCE_S)
        yield
        self.may_end.release()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def copied(folder: Path, to: Path) -> list[bytes]:
    """Return what a crash now would leave: what a copy of the file holds."""
    to.mkdir()
    (to / FILE).write_bytes((folder / FILE).read_bytes())
    return survivors(to)


@pytest.mark.parametrize("records", [[b"b"], [b"b", b"c"]])
def test_what_is_appended_during_a_sync_belongs_to_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Sequence[bytes]
) -> None:
    disk = SlowDisk(monkeypatch)
    with opened(folder) as journal:
        journal.append(b"a")
        with disk.syncing(journal):
            for record in records:
                journal.append(record)
        assert copied(folder, tmp_path / "first") == [b"a"]
        with disk.syncing(journal):
            pass
        assert copied(folder, tmp_path / "second") == [b"a", *records]
        assert journal.counts()["syncs"] == 2


def test_what_is_rewritten_during_a_sync_belongs_to_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    with opened(folder) as journal:
        journal.append(b"a")
        with disk.syncing(journal):
            journal.append(b"b")
            journal.rewrite([b"c"])
        assert copied(folder, tmp_path / "first") == [b"a"]
        journal.sync()
    assert survivors(folder) == [b"c"]


def test_closing_waits_for_the_sync_that_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    journal = Journal.open(folder)
    journal.append(b"a")
    closer = threading.Thread(target=journal.close)
    with disk.syncing(journal):
        closer.start()
        with pytest.raises(StorageError, match="is in use"):
            Journal.open(folder)
    closer.join(PATIENCE_S)
    assert survivors(folder) == [b"a"]


def test_appending_while_a_thread_syncs_again_and_again_loses_and_swaps_nothing(
    folder: Path,
) -> None:
    records = [str(number).encode() for number in range(20_000)]
    is_over = threading.Event()

    def sync() -> None:
        while not is_over.is_set():
            journal.sync()

    with opened(folder) as journal:
        thread = threading.Thread(target=sync)
        thread.start()
        for record in records:
            journal.append(record)
        is_over.set()
        thread.join(PATIENCE_S)
        journal.sync()
    assert survivors(folder) == records


def test_nothing_to_store_costs_no_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fdatasync(file: int) -> None:
        raise AssertionError("synced")

    with opened(folder) as journal:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        journal.sync()
        assert journal.counts() == {"syncs": 0, "stored_bytes": 0, "stored_records": 0}


def test_what_was_found_is_synced_before_anyone_builds_on_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was killed may have written it and not lived to sync it."""
    store(folder, b"a")
    synced = []
    fsync = os.fsync

    def noted(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    with opened(folder):
        assert str(folder / FILE) in synced


def test_counts_tell_what_this_life_has_stored(folder: Path) -> None:
    store(folder, b"before")
    with opened(folder) as journal:
        size = (folder / FILE).stat().st_size
        journal.append(b"a")
        journal.append(b"b")
        journal.sync()
        grown = (folder / FILE).stat().st_size - size
        assert journal.counts() == {"syncs": 1, "stored_bytes": grown, "stored_records": 2}
        journal.rewrite([b"c"])
        journal.sync()
        assert journal.counts()["syncs"] == 2
        assert journal.counts()["stored_records"] == 3


def test_records_of_earlier_lives_are_kept_in_memory_until_the_first_sync(folder: Path) -> None:
    store(folder, b"a")
    with opened(folder) as journal:
        assert list(journal.records) == [b"a"]
        journal.append(b"b")
        journal.sync()
        assert list(journal.records) == []
