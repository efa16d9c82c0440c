"""Prints a result folder as text: what a job on the head of a cluster sends home by its log.

Runs there alone (`experiments.errand`), whatever is installed: Python's own library will do.
The text is a line `MARK BYTES SHA256`, then a tar.gz of that size and digest in base64, line by
line, then the line `MARK end`. The program then waits for SIGTERM, which says that all has arrived,
and empties the log: it would stay on the head's disk for as long as Ray runs.
"""

import base64
import hashlib
import io
import os
import signal
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MARK = "paxoscope-results"
LINE_BYTES = 12 << 10  # Ray hands a log on in pieces of a few lines: long ones are fast.

PATIENCE_S = 600.0
"""How long whoever fetches may take; without SIGTERM by then, the log is left as it is."""

_FIRST = ("suite.toml", "runs.parquet")


def main(folder: Path) -> None:
    """Print what is in `folder`, which may be nothing, and may be written meanwhile."""
    with tempfile.TemporaryFile() as archive:
        pack(folder, archive)
        for line in lines(archive):
            print(line)
    sys.stdout.flush()
    if signal.sigtimedwait({signal.SIGTERM}, PATIENCE_S):
        os.ftruncate(sys.stdout.fileno(), 0)


def pack(folder: Path, archive: IO[bytes]) -> None:
    """Write the files of a result folder into `archive`, as a tar.gz."""
    # Tables are compressed already: level 1 finds most of what is left.
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as packed:
        for path in _files(folder):
            content = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the table of runs first: a run's row is written last, so its tables are there then."""
    yield from (path for name in _FIRST if (path := folder / name).is_file())
    yield from sorted(folder.glob("*/*.parquet"))


def lines(archive: IO[bytes]) -> Iterator[str]:
    """Yield the lines that carry an archive."""
    size = archive.seek(0, os.SEEK_END)
    archive.seek(0)
    yield f"{MARK} {size} {hashlib.file_digest(archive, 'sha256').hexdigest()}"  # type: ignore[arg-type] # Any file that can be read will do.
    archive.seek(0)
    while block := archive.read(LINE_BYTES):
        yield base64.b64encode(block).decode()
    yield f"{MARK} end"


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # It is waited for.
    main(Path(sys.argv[1]).expanduser())
