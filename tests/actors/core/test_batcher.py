"""Batcher: order is kept, limits hold, nobody waits longer than the delay."""

from hypothesis import given
from hypothesis import strategies as st

from actors.core.batcher import Batcher
from actors.core.columns import HEADER_BYTES, ROW_BYTES
from tests.actors.core.wired import columns, rows

CELL = b"12345678"
ROW = ROW_BYTES + len(CELL)


def some(first: int, count: int, cell: bytes = CELL) -> list[tuple[int, int, bytes]]:
    return [(client, 1, cell) for client in range(first, first + count)]


def taken(batcher: Batcher) -> list[list[tuple[int, int, bytes]]]:
    batches = []
    while batcher.requests:
        batches.append(rows(batcher.take()))
    return batches


@given(
    st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=6), min_size=1, max_size=6),
    st.integers(1, 200),
    st.integers(0, 4),
)
def test_batches_keep_the_order_and_both_limits(
    arrivals: list[list[bytes]], bytes_max: int, requests_max: int
) -> None:
    batcher = Batcher(bytes_max, 0.0, requests_max)
    everything = []
    for number, cells in enumerate(arrivals):
        arrived = [(number, sequence, cell) for sequence, cell in enumerate(cells)]
        everything += arrived
        batcher.add(columns(*arrived), 0.0)
    assert batcher.requests == len(everything)
    batches = taken(batcher)
    assert [row for batch in batches for row in batch] == everything
    for batch in batches:
        assert len(batch) == 1 or columns(*batch).encoded_bytes <= bytes_max
        assert not requests_max or len(batch) <= requests_max


def test_one_request_too_large_for_a_batch_passes_alone() -> None:
    batcher = Batcher(HEADER_BYTES + 2 * ROW, 0.0)
    large = (7, 1, b"x" * 1000)
    batcher.add(columns(*some(0, 1), large, *some(1, 1)), 0.0)
    assert taken(batcher) == [some(0, 1), [large], some(1, 1)]


def test_without_a_delay_whatever_is_there_may_leave() -> None:
    batcher = Batcher(1 << 16, 0.0)
    assert not batcher.is_due(5.0)
    batcher.add(columns(*some(0, 1)), 5.0)
    assert batcher.is_due(5.0)


def test_an_unfilled_batch_waits_for_the_delay_since_its_first_request() -> None:
    batcher = Batcher(1 << 16, 0.25)
    batcher.add(columns(*some(0, 1)), 1.0)
    batcher.add(columns(*some(1, 1)), 1.125)
    assert batcher.due_at == 1.25
    assert not batcher.is_due(1.125)
    assert batcher.is_due(1.25)


def test_a_full_batch_does_not_wait() -> None:
    batcher = Batcher(HEADER_BYTES + 2 * ROW, 10.0)
    batcher.add(columns(*some(0, 1)), 1.0)
    assert not batcher.is_due(1.0)
    batcher.add(columns(*some(1, 1)), 1.0)
    assert batcher.is_due(1.0)


def test_as_many_requests_as_a_batch_may_hold_do_not_wait() -> None:
    batcher = Batcher(1 << 16, 10.0, requests_max=2)
    batcher.add(columns(*some(0, 3)), 1.0)
    assert batcher.is_due(1.0)
    assert rows(batcher.take()) == some(0, 2)
    assert not batcher.is_due(1.0)


def test_what_a_batch_leaves_behind_waits_no_longer_than_the_delay() -> None:
    batcher = Batcher(HEADER_BYTES + 2 * ROW, 0.5)
    batcher.add(columns(*some(0, 3)), 1.0)
    batcher.take()
    assert batcher.due_at is not None
    assert batcher.due_at <= 1.5


def test_a_request_after_a_pause_waits_from_its_own_arrival() -> None:
    batcher = Batcher(1 << 16, 0.5)
    batcher.add(columns(*some(0, 1)), 1.0)
    batcher.take()
    batcher.add(columns(*some(1, 1)), 9.0)
    assert batcher.due_at == 9.5


def test_nothing_is_due_where_nothing_waits() -> None:
    batcher = Batcher(1 << 16, 0.0)
    batcher.add(columns(*some(0, 3)), 1.0)
    batcher.clear()
    assert batcher.due_at is None
    assert batcher.requests == 0
    batcher.add(columns(*some(5, 1)), 2.0)
    assert taken(batcher) == [some(5, 1)]
