from hypothesis import given
from hypothesis import strategies as st

from actors.sim.clock import VirtualClock


def test_time_stands_still_while_something_is_done_and_jumps_to_what_is_next() -> None:
    clock, seen = VirtualClock(), []
    for at in (3.0, 1.0):
        clock.call_at(at, lambda: seen.append(clock.now()))
    clock.run(5.0)
    assert seen == [1.0, 3.0]
    assert clock.now() == 5.0


def test_what_is_due_later_is_not_called() -> None:
    clock, seen = VirtualClock(), []
    clock.call_at(2.0, seen.append, "at the end")
    clock.call_at(2.1, seen.append, "too late")
    clock.run(2.0)
    assert seen == ["at the end"]
    clock.run(3.0)
    assert seen == ["at the end", "too late"]


def test_what_is_due_at_the_same_time_is_called_in_the_order_in_which_it_was_asked() -> None:
    clock, seen = VirtualClock(), []
    for name in "abc":
        clock.call_at(1.0, seen.append, name)
    clock.run(1.0)
    assert seen == ["a", "b", "c"]


def test_what_is_past_is_called_now_and_time_does_not_go_back() -> None:
    clock, seen = VirtualClock(), []
    clock.run(5.0)
    clock.call_at(1.0, lambda: seen.append(clock.now()))
    clock.run(5.0)
    assert seen == [5.0]


def test_a_cancelled_call_does_not_come() -> None:
    clock, seen = VirtualClock(), []
    clock.call_at(1.0, seen.append, "cancelled").cancel()
    clock.call_at(1.0, seen.append, "other")
    clock.run(2.0)
    assert seen == ["other"]


def test_running_ends_as_soon_as_it_is_over() -> None:
    clock, seen = VirtualClock(), []
    for at in (1.0, 2.0, 3.0):
        clock.call_at(at, seen.append, at)
    assert clock.run(10.0, lambda: len(seen) == 2)
    assert clock.now() == 2.0
    assert not clock.run(10.0, lambda: len(seen) == 4)
    assert clock.now() == 10.0


@given(st.lists(st.floats(0, 100)))
def test_calls_come_in_order_of_time(times: list[float]) -> None:
    clock, seen = VirtualClock(), []
    for at in times:
        clock.call_at(at, seen.append, at)
    clock.run(100.0)
    assert seen == sorted(times)
