"""Records of one node that survive its crash: a file in a folder of its own.

What is appended waits in memory until `sync` writes all of it at once and makes it durable. `sync`
may run in another thread while the event loop goes on appending: it covers everything appended
before it was called; whoever appends during it must call it again. That is group commit.

A file only ever grows, or is replaced as a whole: `rewrite` has the next `sync` write a new file
beside the old one and rename it over, so that a crash leaves the one or the other. `open` drops a
torn tail and refuses damage, as `records` tells them apart. It syncs what it found: a process that
was killed may have written what no sync has covered, and the next life builds on it.

After a sync that failed the journal is unusable for good: what that sync should have covered may
be lost already, and a second one would claim that it is not. Where the reason was not a full disk
but a broken one, `open` may still find in the memory of the operating system what the disk has
lost: mend or replace the disk before the node starts again.
"""

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from actors.storage.errors import StorageError
from actors.storage.records import (
    FILE_HEADER,
    FIRST_CHAIN,
    RECORD_BYTES_MAX,
    Survivors,
    encode,
    read,
)

FILE = "journal"
NEW_FILE = "journal.new"
"""Not yet, or never, renamed over `FILE`."""

NEEDS = "a journal needs a disk that works, has room and can be written to"

RECORDS_PER_WRITE = 256
"""Of three parts each: one system call takes at least 1024 parts."""


class Journal:
    """The records of one node; made by `open`, and locked against other processes until `close`.

    `append`, `rewrite` and `close` belong to one thread; `sync` may be called from any.
    """

    def __init__(self, folder: Path, folder_lock: int) -> None:
        self.records: Sequence[bytes] = ()
        """What earlier lives have stored, in order; forgotten at the first sync of this one."""
        self._path = folder / FILE
        self._new_path = folder / NEW_FILE
        self._folder = folder_lock
        self._file = -1
        self._chain = FIRST_CHAIN
        self._unusable: str | None = None
        self._syncing = threading.Lock()
        self._swapping = threading.Lock()
        self._waiting: list[bytes] = []
        self._is_rewrite = False
        self._syncs = 0
        self._stored_bytes = 0
        self._stored_records = 0

    @classmethod
    def open(cls, folder: Path) -> "Journal":
        """Open the journal in `folder`, which is made where there is none.

        Raises StorageError if the journal is damaged, in use, or cannot be read and synced.
        """
        with ExitStack() as undo:
            with _told(f"cannot open {folder / FILE}"):
                _make(folder)
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                undo.callback(os.close, lock)
                _lock(lock, folder)
                journal = cls(folder, lock)
                undo.callback(journal._close_file)
                journal._load()
            undo.pop_all()
        return journal

    def append(self, record: bytes) -> None:
        """Have the next `sync` store one more record."""
        self._check(record)
        with self._swapping:
            self._waiting.append(record)

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Have the next `sync` store `records` in the place of all before."""
        self._check(*records)
        with self._swapping:
            self._waiting = list(records)
            self._is_rewrite = True

    def sync(self) -> None:
        """Make durable what was appended so far; raises StorageError, and then ever again."""
        with self._syncing:
            self._check()
            with self._swapping:
                records, self._waiting = self._waiting, []
                is_rewrite, self._is_rewrite = self._is_rewrite, False
            if not records and not is_rewrite:
                return
            self.records = ()
            try:
                (self._replace if is_rewrite else self._extend)(records)
            except Exception as error:
                self._unusable = _reason(f"cannot store in {self._path}", error)
                raise StorageError(self._unusable) from error
            self._syncs += 1

    def counts(self) -> dict[str, float]:
        """Return how often this life has synced, and what it has stored, framing included."""
        return {
            "syncs": self._syncs,
            "stored_bytes": self._stored_bytes,
            "stored_records": self._stored_records,
        }

    def close(self) -> None:
        """Give the journal up, once a running `sync` has ended; what waits for one is lost."""
        with self._syncing:
            if self._folder >= 0:
                self._unusable = self._unusable or f"{self._path} is closed"
                self._close_file()
                os.close(self._folder)
                self._folder = -1

    # --- Steps ---

    def _check(self, *records: bytes) -> None:
        if self._unusable is not None:
            raise StorageError(self._unusable)
        for record in records:
            if len(record) > RECORD_BYTES_MAX:
                raise StorageError(f"{self._path} takes no record of {len(record)} bytes")

    def _load(self) -> None:
        self._new_path.unlink(missing_ok=True)
        survivors = self._survivors()
        if survivors.end == 0:
            self._replace([])
            return
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.ftruncate(self._file, survivors.end)
        os.fsync(self._file)
        os.fsync(self._folder)
        self.records, self._chain = survivors.records, survivors.chain

    def _survivors(self) -> Survivors:
        try:
            with self._path.open("rb") as file:
                return read(file, os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            return Survivors([], 0, FIRST_CHAIN)

    def _extend(self, records: list[bytes]) -> None:
        self._chain = self._write(self._file, records, self._chain)
        os.fdatasync(self._file)

    def _replace(self, records: list[bytes]) -> None:
        with ExitStack() as undo:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC
            new = os.open(self._new_path, flags, 0o644)
            undo.callback(os.close, new)
            _write_all(new, [FILE_HEADER])
            chain = self._write(new, records, FIRST_CHAIN)
            os.fsync(new)
            self._new_path.rename(self._path)
            os.fsync(self._folder)
            undo.pop_all()
        self._close_file()
        self._file, self._chain = new, chain

    def _write(self, file: int, records: list[bytes], chain: int) -> int:
        for start in range(0, len(records), RECORDS_PER_WRITE):
            parts, chain = encode(records[start : start + RECORDS_PER_WRITE], chain)
            self._stored_bytes += _write_all(file, parts)
        self._stored_records += len(records)
        return chain

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _make(folder: Path) -> None:
    """Make a folder, and those it lies in, durably."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _lock(folder_file: int, folder: Path) -> None:
    try:
        fcntl.flock(folder_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"{folder / FILE} is in use") from error


def _write_all(file: int, parts: list[bytes]) -> int:
    """Write every part; return how many bytes they have."""
    size = sum(map(len, parts))
    written = os.writev(file, parts)
    if written < size:  # The next write says why, or goes on.
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(file, rest) :]
    return size


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn errors of the operating system into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(_reason(what, error)) from error


def _reason(what: str, error: Exception) -> str:
    return f"{what}: {error}" + (f"; {NEEDS}" if isinstance(error, OSError) else "")
