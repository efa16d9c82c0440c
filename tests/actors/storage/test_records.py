"""What a file that is not whole is taken for, tried at every byte and every bit."""

import io
import itertools
import struct
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.storage.errors import StorageError
from actors.storage.records import (
    FILE_HEADER,
    FIRST_CHAIN,
    RECORD_BYTES_MAX,
    Survivors,
    encode,
    read,
)

# Zeros matter most: they are what a file system leaves behind.
RECORDS = st.lists(st.binary(max_size=20) | st.integers(0, 20).map(bytes), max_size=5)
MEGABYTE = 1 << 20


class Stored(io.BytesIO):
    """A file in memory, with a name to complain about."""

    name = "a/journal"


def written(records: Sequence[bytes]) -> tuple[bytes, list[int]]:
    """Return a whole file, and where its header and each of its records end."""
    parts, _ = encode(records, FIRST_CHAIN)
    content, ends = FILE_HEADER, [len(FILE_HEADER)]
    for number in range(len(records)):
        content += b"".join(parts[3 * number : 3 * number + 3])
        ends.append(len(content))
    return content, ends


def read_back(content: bytes) -> Survivors:
    return read(Stored(content), len(content))


def is_refused(content: bytes) -> bool:
    """Say whether a file is refused; check that it is with one line that names it."""
    try:
        read_back(content)
    except StorageError as error:
        said = str(error)
    else:
        return False
    assert said.startswith("a/journal is damaged at byte ")
    assert len(said.splitlines()) == 1
    return True


def whole_before(offset: int, records: list[bytes], ends: list[int]) -> list[bytes]:
    """Return the records that end at or before `offset`."""
    return records[: sum(end <= offset for end in ends[1:])]


# --- Whole files ----------------------------------------------------------------------------------


@given(RECORDS, RECORDS)
def test_records_are_read_as_they_were_written_and_can_be_gone_on_with(records, more) -> None:
    content, _ = written(records)
    survivors = read_back(content)
    assert survivors.records == records
    assert survivors.end == len(content)
    parts, _ = encode(more, survivors.chain)
    assert read_back(content + b"".join(parts)).records == records + more


# --- Torn tails -----------------------------------------------------------------------------------


@given(RECORDS)
def test_a_file_cut_anywhere_yields_the_records_that_are_whole(records) -> None:
    content, ends = written(records)
    for cut in range(len(content) + 1):
        survivors = read_back(content[:cut])
        assert survivors.records == whole_before(cut, records, ends)
        assert survivors.end == max((end for end in ends if end <= cut), default=0)


@given(RECORDS, st.integers(0, 40))
def test_a_file_of_zeros_from_anywhere_yields_the_records_that_are_whole(records, more) -> None:
    """A file system extends a file before it fills it."""
    content, ends = written(records)
    for cut in range(ends[0], len(content) + 1):
        zeroed = content[:cut] + bytes(len(content) - cut + more)
        assert read_back(zeroed).records == whole_before(cut, records, ends)


# --- Damage ---------------------------------------------------------------------------------------


@given(RECORDS)
@settings(max_examples=50)
def test_any_single_flipped_bit_is_refused(records) -> None:
    """Also in the last record, which may have been synced and answered for."""
    content, _ = written(records)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        assert is_refused(bytes(flipped)), f"bit {bit} of {content!r}"


@given(RECORDS, st.data())
@settings(max_examples=300)
def test_a_flipped_bit_in_a_file_that_is_torn_too_never_adds_or_changes_a_record(
    records, data
) -> None:
    content, _ = written(records)
    cut = data.draw(st.integers(1, len(content)))
    zeros = data.draw(st.integers(0, 30))
    damaged = bytearray(content[:cut] + bytes(zeros))
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    if not is_refused(bytes(damaged)):
        survivors = read_back(bytes(damaged)).records
        assert survivors == records[: len(survivors)]


@given(st.lists(st.binary(max_size=8), min_size=2, max_size=5), st.data())
def test_records_lost_doubled_or_swapped_before_the_last_are_refused(records, data) -> None:
    content, ends = written(records)
    pieces = [content[a:b] for a, b in itertools.pairwise(ends)]
    at = data.draw(st.integers(0, len(pieces) - 2))
    lost = pieces[:at] + pieces[at + 1 :]
    doubled = pieces[: at + 1] + pieces[at:]
    swapped = [*pieces[:at], pieces[at + 1], pieces[at], *pieces[at + 2 :]]
    for damaged in (lost, doubled, swapped):
        assert is_refused(FILE_HEADER + b"".join(damaged))


def test_pages_missing_before_others_are_refused() -> None:
    """It may be a crash of the file system or damage: the file does not tell."""
    content, ends = written([bytes([n]) * 100 for n in range(1, 5)])
    assert is_refused(content[: ends[1] + 30] + bytes(120) + content[ends[1] + 150 :])


def test_damage_is_located() -> None:
    content, ends = written([b"one", b"two", b"three"])
    damaged = content.replace(b"two", b"tow")
    with pytest.raises(StorageError, match=f"byte {ends[1]}: a record does not match its checksum"):
        read_back(damaged)


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\necho this is no journal",
        FILE_HEADER.replace(b"1", b"2"),
        b"paxos" + bytes(100),
        bytes(len(FILE_HEADER)),
        b"\0",
    ],
    ids=["foreign", "another version", "header ends in zeros", "zeros", "a zero"],
)
def test_what_does_not_begin_as_a_journal_is_refused(content: bytes) -> None:
    """A header is synced before the file gets its name: no crash leaves zeros in its place."""
    with pytest.raises(StorageError, match="byte 0: no journal of this version"):
        read_back(content)


# --- Hostile files --------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=1000)
def test_arbitrary_bytes_are_refused_or_hold_nothing(content: bytes, begins_well: bool) -> None:
    content = FILE_HEADER * begins_well + content
    if not is_refused(content):
        assert read_back(content).records == []


def hostile_head(length: int) -> bytes:
    """Return the head of a first record that claims `length` bytes, with its checksum right."""
    fields = struct.pack("<II", length, 0)
    return fields + struct.pack("<I", crc32(fields, FIRST_CHAIN))


def test_a_claimed_length_is_never_believed_beyond_the_file() -> None:
    assert read_back(FILE_HEADER + hostile_head(RECORD_BYTES_MAX) + b"x").records == []
    with pytest.raises(StorageError, match="record of 4294967295 bytes is too long"):
        read_back(FILE_HEADER + hostile_head((1 << 32) - 1) + b"x")


@pytest.mark.parametrize(
    "content",
    [
        written([b""] * (MEGABYTE // 13))[0],
        written([b"ab"] * (MEGABYTE // 15))[0],
        written([bytes(MEGABYTE)])[0],
        FILE_HEADER + bytes(16 * MEGABYTE),
        FILE_HEADER + hostile_head(RECORD_BYTES_MAX) + bytes(MEGABYTE),
        FILE_HEADER + b"x" * MEGABYTE,
    ],
    ids=["empty records", "small records", "a large record", "zeros", "claims", "rubbish"],
)
def test_reading_takes_at_most_a_few_times_the_memory_of_the_file(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with path.open("rb") as file, suppress(StorageError):
        tracemalloc.start()
        try:
            read(file, len(content))
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 6 * len(content)
