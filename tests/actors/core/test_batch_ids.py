"""Batch ids: values of ids come back as they were; a set of sequences is a set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.batch_ids import ID_BYTES, Sequences, decode_ids, encode_ids
from actors.core.errors import RemoteProtocolError
from actors.core.ids import BatchId
from actors.core.paxos import NO_OP

ids = st.builds(BatchId, st.integers(0, 200), st.integers(1, (1 << 63) - 1))
sequences = st.lists(st.integers(1, 30), max_size=40)


@given(st.lists(ids))
def test_ids_come_back_in_order(batches: list[BatchId]) -> None:
    value = encode_ids(batches)
    assert len(value) == ID_BYTES * len(batches)
    assert decode_ids(value) == batches


def test_the_no_op_orders_no_batch() -> None:
    assert decode_ids(NO_OP) == []


@given(st.binary(max_size=50))
def test_what_is_no_list_of_ids_is_refused(value: bytes) -> None:
    if len(value) % ID_BYTES:
        with pytest.raises(RemoteProtocolError):
            decode_ids(value)
    else:
        assert len(decode_ids(value)) == len(value) // ID_BYTES


def of(added: list[int]) -> Sequences:
    found = Sequences()
    for sequence in added:
        found.add(sequence)
    return found


@given(sequences)
def test_sequences_are_a_set(added: list[int]) -> None:
    found, model = Sequences(), set[int]()
    for sequence in added:
        assert found.add(sequence) == (sequence not in model)
        model.add(sequence)
        assert found.upto == next(s for s in range(32) if s + 1 not in model)
    assert [s for s in range(1, 40) if s in found] == sorted(model)


@given(sequences, st.integers(0, 40))
def test_missing_are_those_that_the_set_lacks_in_order(added: list[int], last: int) -> None:
    assert list(of(added).missing(last)) == [s for s in range(1, last + 1) if s not in set(added)]


@given(sequences, st.integers(1, 40))
def test_a_copy_is_independent(added: list[int], extra: int) -> None:
    original = of(added)
    copy = original.copy()
    copy.add(extra)
    assert (extra in original) == (extra in added)
    assert list(original.missing(40)) == list(of(added).missing(40))


@given(sequences, sequences)
def test_two_sets_are_joined(one: list[int], other: list[int]) -> None:
    joined = of(one)
    joined.update(of(other))
    assert joined.parts() == of(one + other).parts()


@given(sequences)
def test_a_set_is_made_again_of_its_parts(added: list[int]) -> None:
    again = Sequences.of(*of(added).parts())
    assert [s for s in range(1, 40) if s in again] == sorted(set(added))
    assert again.parts() == of(added).parts()
