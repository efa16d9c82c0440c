"""Columns: what is encoded comes back, and no buffer of a peer does more harm than an error."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.core.columns import HEADER_BYTES, ROW_BYTES, U32, VARIED, Cells, Columns
from actors.core.errors import RemoteProtocolError
from tests.actors.core.wired import rows

U32_MAX = (1 << 32) - 1
CLIENTS = 50

numbers = st.integers(0, U32_MAX)
clients = st.integers(0, CLIENTS - 1)


@st.composite
def cell_values(draw: st.DrawFn, rows_min: int = 0, rows_max: int = 12) -> list[bytes]:
    count = draw(st.integers(rows_min, rows_max))
    if draw(st.booleans()):
        size = draw(st.integers(0, 9))
        sizes = st.just(size)
    else:
        sizes = st.integers(0, 9)
    return [draw(sizes.flatmap(lambda n: st.binary(min_size=n, max_size=n))) for _ in range(count)]


@st.composite
def some_columns(draw: st.DrawFn, rows_min: int = 0, rows_max: int = 12) -> Columns:
    values = draw(cell_values(rows_min, rows_max))
    ids = [draw(clients) for _ in values]
    sequences = [draw(numbers) for _ in values]
    return Columns(np.array(ids, U32), np.array(sequences, U32), Cells.of(values))


def single(client: int, sequence: int, cell: bytes) -> bytes:
    return Columns(np.array([client], U32), np.array([sequence], U32), Cells.of([cell])).encode()


# --- Encoding -----------------------------------------------------------------------------------


@given(some_columns())
def test_what_is_encoded_comes_back(columns: Columns) -> None:
    buffer = columns.encode()
    assert len(buffer) == columns.encoded_bytes
    assert rows(Columns.decode(buffer)) == rows(columns)
    assert Columns.decode(buffer).encode() == buffer


@given(cell_values())
def test_cells_keep_values_and_lengths(values: list[bytes]) -> None:
    cells = Cells.of(values)
    assert list(cells.values()) == values
    assert cells.lengths.tolist() == [len(value) for value in values]


@given(some_columns(rows_min=1), st.data())
def test_a_truncated_buffer_is_refused(columns: Columns, data: st.DataObject) -> None:
    buffer = columns.encode()
    cut = buffer[: data.draw(st.integers(0, len(buffer) - 1))]
    for read in (Columns.decode, lambda buffer: Columns.check(buffer, CLIENTS)):
        with pytest.raises(RemoteProtocolError):
            read(cut)


@given(some_columns(), st.binary(min_size=1, max_size=20))
def test_an_extended_buffer_is_refused(columns: Columns, tail: bytes) -> None:
    for read in (Columns.decode, lambda buffer: Columns.check(buffer, CLIENTS)):
        with pytest.raises(RemoteProtocolError):
            read(columns.encode() + tail)


headers = st.tuples(
    st.one_of(st.integers(0, 4), numbers), st.one_of(st.integers(0, 9), st.just(VARIED), numbers)
).map(lambda header: np.array(header, U32).tobytes())
garbage = st.one_of(
    st.binary(max_size=60),
    st.tuples(headers, st.binary(max_size=60)).map(b"".join),
    st.tuples(headers, st.lists(st.one_of(st.integers(0, 3), numbers), max_size=9)).map(
        lambda parts: parts[0] + np.array(parts[1], U32).tobytes()
    ),
)


@given(garbage)
@example(np.array([1, VARIED, 0, 0, U32_MAX], U32).tobytes())
@example(np.array([U32_MAX, VARIED], U32).tobytes())
@example(np.array([U32_MAX, 0], U32).tobytes())
@example(np.array([0, U32_MAX - 1], U32).tobytes())
@example(np.array([2, VARIED, 0, 0, 0, 0, U32_MAX, 1], U32).tobytes())
def test_garbage_is_refused_or_read_but_never_anything_else(buffer: bytes) -> None:
    """What `check` lets pass can be read in every way."""
    try:
        columns = Columns.decode(buffer)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            Columns.check(buffer, CLIENTS)
        return
    assert len(rows(columns)) == len(columns)
    assert columns.encode() == buffer


@given(garbage)
def test_check_lets_pass_exactly_what_has_rows_of_known_clients(buffer: bytes) -> None:
    try:
        Columns.check(buffer, CLIENTS)
        passed = True
    except RemoteProtocolError:
        passed = False
    try:
        ids = Columns.decode(buffer).clients.tolist()
    except RemoteProtocolError:
        ids = []
    assert passed == (bool(ids) and max(ids) < CLIENTS)


@pytest.mark.parametrize("count", [1, 2])
def test_check_refuses_a_client_beyond_the_last(count: int) -> None:
    ids = np.full(count, CLIENTS, U32)
    buffer = Columns(ids, ids, Cells.of([b"x"] * count)).encode()
    with pytest.raises(RemoteProtocolError):
        Columns.check(buffer, CLIENTS)
    Columns.check(buffer, CLIENTS + 1)


def test_check_refuses_columns_without_a_row() -> None:
    nothing = np.zeros(0, U32)
    with pytest.raises(RemoteProtocolError):
        Columns.check(Columns(nothing, nothing, Cells.of([])).encode(), CLIENTS)


# --- Several buffers at once --------------------------------------------------------------------


@given(st.lists(some_columns(rows_min=1), min_size=1, max_size=6))
def test_several_buffers_read_as_one_hold_the_rows_of_each(parts: list[Columns]) -> None:
    together = Columns.decode_all([part.encode() for part in parts])
    assert rows(together) == [row for part in parts for row in rows(part)]


single_rows = st.integers(0, 5).flatmap(
    lambda size: st.lists(
        st.tuples(clients, numbers, st.binary(min_size=size, max_size=size)), min_size=1
    )
)


@given(single_rows)
def test_the_fast_way_through_single_rows_equals_the_slow_one(
    found: list[tuple[int, int, bytes]],
) -> None:
    buffers = [single(*row) for row in found]
    fast = Columns.decode_all(buffers)
    slow = Columns.concatenate([Columns.decode(buffer) for buffer in buffers])
    assert fast.encode() == slow.encode()
    assert rows(fast) == found


@given(st.lists(st.one_of(garbage, some_columns(1, 3).map(Columns.encode)), min_size=1, max_size=4))
def test_one_bad_buffer_among_several_is_refused(buffers: list[bytes]) -> None:
    def is_good(buffer: bytes) -> bool:
        try:
            Columns.decode(buffer)
        except RemoteProtocolError:
            return False
        return True

    if all(map(is_good, buffers)):
        assert len(Columns.decode_all(buffers)) == sum(len(Columns.decode(b)) for b in buffers)
    else:
        with pytest.raises(RemoteProtocolError):
            Columns.decode_all(buffers)


def test_a_buffer_as_long_as_the_first_that_lies_about_its_size_is_refused() -> None:
    """The fast way must look at every header, not at the lengths alone."""
    honest = single(1, 1, b"abcd")
    liar = np.array([1, 3], U32).tobytes() + honest[HEADER_BYTES:]
    with pytest.raises(RemoteProtocolError):
        Columns.decode_all([honest, liar])


# --- Laws ---------------------------------------------------------------------------------------


@given(some_columns(), st.data())
def test_a_slice_holds_its_rows(columns: Columns, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(columns)))
    stop = data.draw(st.integers(start, len(columns)))
    part = columns.slice(start, stop)
    assert rows(part) == rows(columns)[start:stop]
    assert rows(part.encode()) == rows(part)


@given(some_columns(rows_min=1), st.data())
def test_taking_by_index_may_repeat_and_reorder(columns: Columns, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(columns) - 1)))
    taken = columns.take(np.array(chosen, np.intp))
    assert rows(taken) == [rows(columns)[row] for row in chosen]
    assert rows(taken.encode()) == rows(taken)


@given(some_columns(), st.data())
def test_taking_by_mask_keeps_the_order(columns: Columns, data: st.DataObject) -> None:
    n = len(columns)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    expected = [row for row, chosen in zip(rows(columns), mask, strict=True) if chosen]
    assert rows(columns.take(mask)) == expected
    assert rows(columns.slice(0, n).take(mask)) == expected


@given(some_columns(), st.data())
def test_concatenating_the_slices_gives_the_whole(columns: Columns, data: st.DataObject) -> None:
    middle = data.draw(st.integers(0, len(columns)))
    parts = [columns.slice(0, middle), columns.slice(middle, len(columns))]
    assert Columns.concatenate(parts).encode() == columns.encode()


@given(some_columns(), st.integers(0, 5), st.integers(1, 80))
def test_frames_hold_all_rows_in_order_within_both_limits(
    columns: Columns, rows_max: int, bytes_max: int
) -> None:
    frames = list(columns.frames(rows_max, bytes_max))
    assert [row for frame in frames for row in rows(frame)] == rows(columns)
    for frame in frames:
        count = len(rows(frame))
        assert count >= 1
        assert count == 1 or len(frame) <= bytes_max
        assert not rows_max or count <= rows_max


@given(some_columns(rows_min=1), st.integers(1, 120))
def test_rows_within_is_the_most_that_fit(columns: Columns, bytes_max: int) -> None:
    count = columns.rows_within(bytes_max)
    assert 1 <= count <= len(columns)
    assert count == 1 or columns.slice(0, count).encoded_bytes <= bytes_max
    if count < len(columns):
        assert columns.slice(0, count + 1).encoded_bytes > bytes_max


def test_a_row_costs_eight_bytes_beside_its_payload() -> None:
    assert len(single(1, 1, b"x" * 20)) == HEADER_BYTES + ROW_BYTES + 20
