"""The log: what is decided never changes, and comes out once and in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.log import Entry, Log
from actors.core.messages import Accepted


def decided(*instances: int) -> Log:
    log = Log()
    for instance in instances:
        log.decide(instance, b"%d" % instance)
    return log


def test_a_decided_value_never_changes() -> None:
    log = decided(0)
    log.decide(0, b"0")
    with pytest.raises(AssertionError):
        log.decide(0, b"other")
    with pytest.raises(AssertionError):
        log.entry(0).accept(5, b"other")


def test_a_view_has_one_value_per_instance() -> None:
    entry = Entry()
    entry.accept(3, b"a")
    entry.accept(3, b"a")
    with pytest.raises(AssertionError):
        entry.accept(3, b"b")


def test_a_lower_view_is_never_accepted_after_a_higher_one() -> None:
    entry = Entry()
    entry.accept(3, b"a")
    with pytest.raises(AssertionError):
        entry.accept(2, b"a")


def test_votes_of_a_higher_view_leave_the_accepted_value_alone() -> None:
    """It may be the only copy that a future leader can learn."""
    entry = Entry()
    entry.accept(0, b"a")
    for voter in range(3):
        entry.votes.add(4, voter)
    assert (entry.accepted_view, entry.value) == (0, b"a")
    assert not entry.is_chosen(2)
    entry.accept(4, b"b")
    assert entry.is_chosen(3)
    assert not entry.is_chosen(4)


@given(st.permutations(range(8)), st.lists(st.integers(0, 8), max_size=8))
def test_decisions_are_taken_once_and_in_order(order: list[int], takes: list[int]) -> None:
    """In whatever order they are made, and however often one looks."""
    log, taken, made = Log(), [], set[int]()
    for step, instance in enumerate(order):
        log.decide(instance, b"%d" % instance)
        made.add(instance)
        assert log.undecided == next(i for i in range(10) if i not in made)
        if step in takes:
            taken += list(log.take_decided())
    taken += list(log.take_decided())
    assert taken == [(i, b"%d" % i) for i in range(8)]
    assert list(log.take_decided()) == []


def test_a_gap_holds_back_what_is_decided_beyond_it() -> None:
    log = decided(0, 2)
    assert [i for i, _ in log.take_decided()] == [0]
    log.decide(1, b"1")
    assert [i for i, _ in log.take_decided()] == [1, 2]


def test_truncation_forgets_only_what_is_below() -> None:
    log = decided(0, 1, 2)
    list(log.take_decided())
    log.truncate(2)
    assert (log.start, log.undecided, len(log)) == (2, 3, 1)
    assert log.find(1) is None
    assert log.decided_values(2, 3, 100) == [b"2"]
    log.truncate(1)  # An old Alive that arrives late.
    assert log.start == 2


def test_what_was_not_taken_is_not_truncated() -> None:
    log = decided(0, 1)
    with pytest.raises(AssertionError):
        log.truncate(1)


def test_a_truncated_instance_has_no_entry_to_vote_in() -> None:
    log = decided(0)
    list(log.take_decided())
    log.truncate(1)
    with pytest.raises(AssertionError):
        log.entry(0)


def test_accepted_values_are_told_from_an_instance_on_without_mere_votes() -> None:
    log = Log()
    log.entry(3).accept(1, b"three")
    log.entry(1).accept(0, b"one")
    log.entry(2).votes.add(1, 0)
    assert log.accepted_from(1) == [Accepted(1, 0, b"one"), Accepted(3, 1, b"three")]
    assert log.accepted_from(2) == [Accepted(3, 1, b"three")]


def test_decided_values_stop_at_a_gap_at_the_last_asked_for_and_at_the_limit() -> None:
    log = decided(0, 1, 2, 4)
    assert log.decided_values(0, 100, 100) == [b"0", b"1", b"2"]
    assert log.decided_values(1, 2, 100) == [b"1"]
    assert log.decided_values(0, 3, 2) == [b"0", b"1"]
    assert log.decided_values(0, 3, 0) == [b"0"], "one at least, or a laggard never arrives"
    assert log.decided_values(3, 9, 100) == []
