"""How records lie in the file of a journal, and what a file that is not whole is taken for.

A file is `FILE_HEADER` and then records. A record is a head (its length, the CRC of its body, the
CRC of these two chained to the head before), its body, and one byte `END`, which is not zero.

A crash leaves two kinds of **torn tail**, which is dropped: a last record cut short by the end of
the file, and zeros from some point of a record to the end of the file (file systems extend a file
before they fill it). Only what was never synced can be torn by a crash. **Damage** is refused:

- any flipped bit, also one in the last record: the head has a CRC of its own, so a flipped length
  does not reach for the end of the file; and a record that was complete ends in `END`, of which one
  flipped bit makes no zero, so it never passes for zeros;
- records that are lost, doubled or swapped before the last one, by the chain of the heads;
- zeros, or anything else that was not written, with something other than zeros after it. A failure
  of power in which later pages reached the disk and earlier ones did not looks like that too: it is
  refused although nobody was told of these records, for the file cannot tell it from damage.

What cannot be told from a torn tail: a file that was shortened later by somebody else, and synced
records of which a suffix was zeroed up to the end of the file. CRCs find accidents, not forgery.
"""

import struct
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple
from zlib import crc32

from actors.storage.errors import StorageError

FILE_HEADER = b"paxoscope journal 1\n"
FIRST_CHAIN = crc32(FILE_HEADER)
"""What the first record's head is chained to."""

END = b"\xff"
RECORD_BYTES_MAX = 1 << 30

_FIELDS = struct.Struct("<II")
"""Length and CRC of the body."""
_CRC = struct.Struct("<I")
_HEAD_BYTES = _FIELDS.size + _CRC.size
_ZEROS_CHUNK_BYTES = 1 << 20


class Survivors(NamedTuple):
    """What a file holds: its records, where they end (a byte offset), and the chain up to there."""

    records: list[bytes]
    end: int
    chain: int


def encode(records: Iterable[bytes], chain: int) -> tuple[list[bytes], int]:
    """Return the parts to write one after the other, and the chain that the next records go on."""
    parts: list[bytes] = []
    for record in records:
        fields = _FIELDS.pack(len(record), crc32(record))
        chain = crc32(fields, chain)
        parts += (fields + _CRC.pack(chain), record, END)
    return parts, chain


def read(file: BinaryIO, size: int) -> Survivors:
    """Read a file of `size` bytes from its beginning, up to a torn tail if it has one.

    Nothing of a file cut short within its header survives, and `end` is 0. Raises StorageError
    where the file is damaged. Takes no more memory than the records do.
    """
    header = file.read(len(FILE_HEADER))
    if header != FILE_HEADER:
        if len(header) < len(FILE_HEADER) and FILE_HEADER.startswith(header):
            return Survivors([], 0, FIRST_CHAIN)
        raise _damaged(file, 0, "no journal of this version")
    survivors = Survivors([], len(FILE_HEADER), FIRST_CHAIN)
    while (longer := _read_record(file, size, survivors)) is not None:
        survivors = longer
    return survivors


def _read_record(file: BinaryIO, size: int, before: Survivors) -> Survivors | None:
    """Read one more record; `None` at the end of the file or at a torn tail."""
    body_at = before.end + _HEAD_BYTES
    if body_at > size:
        return None
    fields, crc = file.read(_FIELDS.size), file.read(_CRC.size)
    chain = crc32(fields, before.chain)
    if _CRC.pack(chain) != crc:
        _check_torn(file, before.end, body_at, "the head of a record does not match its checksum")
        return None
    length, body_crc = _FIELDS.unpack(fields)
    if length > RECORD_BYTES_MAX:
        raise _damaged(file, before.end, f"a record of {length} bytes is too long")
    end = body_at + length + len(END)
    if end > size:
        return None
    body, mark = file.read(length), file.read(len(END))
    if mark != END or crc32(body) != body_crc:
        _check_torn(file, before.end, end, "a record does not match its checksum")
        return None
    before.records.append(body)
    return Survivors(before.records, end, chain)


def _check_torn(file: BinaryIO, start: int, end: int, otherwise: str) -> None:
    """Pass if what is wrong from `start` to `end` is torn: zeros from there to the end of the file.

    Raises StorageError where its last byte, or any after it, is not zero.
    """
    file.seek(end - 1)
    while chunk := file.read(_ZEROS_CHUNK_BYTES):
        if chunk.count(0) < len(chunk):
            raise _damaged(file, start, otherwise)


def _damaged(file: BinaryIO, offset: int, what: str) -> StorageError:
    return StorageError(f"{file.name} is damaged at byte {offset}: {what}")
