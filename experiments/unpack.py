"""Reads what `experiments.pack` prints, back into a result folder, trusting none of it.

Only the names that a result folder has are written, whatever the archive says; so nothing lands
beside it. What is too large, incomplete or changed on the way is refused.
"""

import base64
import binascii
import hashlib
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from experiments.errors import InputError
from experiments.pack import MARK
from experiments.results import TABLES

BYTES_MAX = 4 << 30
"""How large results may be, packed or not."""

_NAME = re.compile(rf"suite\.toml|runs\.parquet|({'|'.join(TABLES)})/[0-9a-f]{{12}}\.parquet")
_HEAD = re.compile(rf"{MARK} (\d{{1,15}}) ([0-9a-f]{{64}})")
_DAMAGED = (tarfile.TarError, zlib.error, EOFError, OSError)


class UnpackError(InputError):
    """What came is not the results of a suite; the message says why in one line."""


def unpack(chunks: Iterable[str], folder: Path) -> int:
    """Write the results in a log, which comes in pieces, into `folder`; return the bytes that came.

    Raises UnpackError.
    """
    with tempfile.TemporaryFile() as archive:
        size = _receive(whole_lines(chunks), archive)
        archive.seek(0)
        _extract(archive, folder)
    return size


def whole_lines(chunks: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a log that comes in pieces, without their ends."""
    begun = ""
    for chunk in chunks:
        *whole, begun = (begun + chunk).split("\n")
        yield from whole


def _receive(lines: Iterator[str], archive: IO[bytes]) -> int:
    """Write the archive that lines carry, once it is known to be the one that was sent."""
    head = next((found for line in lines if (found := _HEAD.fullmatch(line))), None)
    if head is None:
        raise UnpackError("no results were sent")
    size, digest, received = int(head[1]), hashlib.sha256(), 0
    _check_size(size)
    for line in lines:
        if line == f"{MARK} end":
            break
        block = _decode(line)
        received += len(block)
        if received > size:
            break
        digest.update(block)
        archive.write(block)
    if received != size or digest.hexdigest() != head[2]:
        raise UnpackError("the results were damaged on their way; fetch them again")
    return size


def _decode(line: str) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        return b""  # Some other line of the log.


def _check_size(size: int) -> None:
    if size > BYTES_MAX:
        raise UnpackError(f"the results are too large: {size:,} bytes, {BYTES_MAX:,} are allowed")


def _extract(archive: IO[bytes], folder: Path) -> None:
    written = 0
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as packed:
            for entry in packed:
                if not entry.isreg() or not _NAME.fullmatch(entry.name):
                    raise UnpackError(f"no file of a result folder: {entry.name!r}")
                written += entry.size
                _check_size(written)
                path = folder / entry.name
                path.parent.mkdir(exist_ok=True)
                content = packed.extractfile(entry)
                assert content is not None, entry  # A regular file has one.
                path.write_bytes(content.read())
    except _DAMAGED as error:
        raise UnpackError(f"the results cannot be unpacked: {error}") from error
