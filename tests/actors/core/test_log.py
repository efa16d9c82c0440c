"""The log: what is decided never changes, and comes out once and in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.log import ENTRY_BYTES, Entry, Log
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


# --- A bounded log ------------------------------------------------------------------------------


def taken(*instances: int) -> Log:
    """Return a log whose decided values are taken."""
    log = decided(*instances)
    list(log.take_decided())
    return log


def test_a_log_shrinks_to_the_bytes_it_may_take() -> None:
    log = taken(*range(5))
    log.shrink(2 * (ENTRY_BYTES + 1), 5)
    assert (log.start, len(log)) == (3, 2)
    log.shrink(2 * (ENTRY_BYTES + 1), 5)
    assert log.start == 3


def test_a_log_keeps_what_is_not_executed_however_much_it_takes() -> None:
    log = taken(*range(5))
    log.shrink(0, 2)
    assert (log.start, len(log)) == (2, 3)


def test_what_goes_by_truncation_is_not_counted_any_more() -> None:
    log = taken(*range(5))
    log.truncate(3)
    log.shrink(2 * (ENTRY_BYTES + 1), 5)
    assert log.start == 3


def test_after_a_jump_the_log_goes_on_there() -> None:
    log = Log()
    for instance in (1, 3, 4, 5):
        log.decide(instance, b"%d" % instance)
    log.entry(2).accept(0, b"undecided")
    log.jump(4)
    assert (log.start, log.undecided, len(log)) == (4, 6, 2)
    assert list(log.take_decided()) == [(4, b"4"), (5, b"5")]
    log.shrink(2 * (ENTRY_BYTES + 1), 6)
    assert log.start == 4, "what was passed over takes nothing any more"


def test_a_jump_beyond_all_that_is_known_leaves_an_empty_log() -> None:
    log = taken(0, 1)
    log.jump(9)
    assert (log.start, log.undecided, len(log)) == (9, 9, 0)
    assert list(log.take_decided()) == []
    log.decide(9, b"9")
    assert list(log.take_decided()) == [(9, b"9")]
