"""Queues of what is due, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.due_queue import DueQueue
from actors.sim.clock import VirtualClock


class Rig:
    """A queue that notes when it hands over what."""

    def __init__(self, resolution_s: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.clock.resolution_s = resolution_s
        self.taken: list[tuple[float, str]] = []
        self.queue: DueQueue[str] = DueQueue(self.clock, self.take)
        self.then: dict[str, str] = {}
        """What is put as soon as something else is taken."""

    def take(self, thing: str) -> None:
        self.taken.append((self.clock.now(), thing))
        if thing in self.then:
            self.queue.put(self.clock.now(), self.then[thing], 1)
        if thing == "bad":
            raise ValueError(thing)


def test_a_thing_is_taken_when_it_is_due_and_not_before() -> None:
    rig = Rig()
    rig.queue.put(1.0, "a", 1)
    rig.queue.put(3.0, "b", 1)
    rig.clock.run(2.0)
    assert rig.taken == [(1.0, "a")]
    rig.clock.run(3.0)
    assert rig.taken == [(1.0, "a"), (3.0, "b")]


def test_what_is_due_at_once_is_taken_at_once() -> None:
    rig = Rig()
    rig.queue.put(0.0, "a", 1)
    assert rig.taken == [(0.0, "a")]


def test_no_thing_overtakes_one_that_was_put_earlier() -> None:
    rig = Rig()
    rig.queue.put(2.0, "a", 1)
    rig.queue.put(1.0, "b", 1)
    rig.clock.run(5.0)
    assert rig.taken == [(2.0, "a"), (2.0, "b")]


def test_what_is_due_within_the_resolution_of_the_clock_is_due() -> None:
    rig = Rig(resolution_s=0.5)
    rig.queue.put(0.5, "a", 1)
    rig.queue.put(0.6, "b", 1)
    assert rig.taken == [(0.0, "a")]


def test_bytes_are_counted_while_they_wait_and_things_when_they_are_taken() -> None:
    rig = Rig()
    rig.queue.put(0.0, "at once", 7)
    rig.queue.put(1.0, "a", 10)
    rig.queue.put(2.0, "b", 5)
    assert (rig.queue.bytes, rig.queue.handed_over) == (15, 1)
    rig.clock.run(1.0)
    assert (rig.queue.bytes, rig.queue.handed_over) == (5, 2)
    rig.clock.run(2.0)
    assert (rig.queue.bytes, rig.queue.handed_over) == (0, 3)


def test_lag_adds_up_and_what_comes_early_does_not_make_up_for_it() -> None:
    rig = Rig(resolution_s=0.5)
    rig.queue.put(0.25, "early", 1)
    rig.clock.run(10.0)
    rig.queue.put(7.0, "3 s late", 1)
    rig.queue.put(9.0, "1 s late", 1)
    assert len(rig.taken) == 3
    assert rig.queue.late_s == 4.0


def test_all_that_waits_can_be_taken_now_and_nothing_is_taken_twice() -> None:
    rig = Rig()
    rig.queue.put(5.0, "a", 1)
    rig.queue.put(6.0, "b", 1)
    rig.queue.empty()
    assert rig.taken == [(0.0, "a"), (0.0, "b")]
    rig.clock.run(10.0)
    assert len(rig.taken) == 2


def test_whoever_is_handed_a_thing_may_put_another() -> None:
    rig = Rig()
    rig.then = {"a": "c"}
    rig.queue.put(1.0, "a", 1)
    rig.queue.put(1.0, "b", 1)
    rig.queue.put(2.0, "d", 1)
    rig.clock.run(5.0)
    assert [thing for _, thing in rig.taken] == ["a", "b", "d", "c"]


def test_a_long_chain_of_things_put_by_the_one_before_is_no_deep_recursion() -> None:
    rig = Rig()
    rig.then = {str(n): str(n + 1) for n in range(5000)}
    rig.queue.put(0.0, "0", 1)
    assert len(rig.taken) == 5001


def test_a_queue_has_no_more_than_one_timer() -> None:
    """Whatever is put while something is taken: timers that multiply would never end."""
    rig = Rig()

    def put_two_later(_: str) -> None:
        if len(rig.taken) < 100:
            for after_s in (1.0, 2.0):
                rig.queue.put(rig.clock.now() + after_s, "again", 1)
        rig.taken.append((rig.clock.now(), ""))

    rig.queue._take = put_two_later
    rig.queue.put(1.0, "first", 1)
    for now in range(50):
        rig.clock.run(float(now))
        assert len(rig.clock._calls) <= 1


def test_the_rest_is_taken_although_taking_one_fails() -> None:
    rig = Rig()
    rig.queue.put(1.0, "bad", 1)
    rig.queue.put(1.0, "a", 1)
    rig.queue.put(2.0, "b", 1)
    with pytest.raises(ValueError, match="bad"):
        rig.clock.run(5.0)
    rig.clock.run(5.0)
    assert [thing for _, thing in rig.taken] == ["bad", "a", "b"]
    assert rig.queue.bytes == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=30))
def test_order_is_kept_and_nothing_comes_early(puts: list[tuple[float, float]]) -> None:
    """Things are put at any time, due at any time."""
    rig = Rig()
    for number, (at, due_at) in enumerate(puts):
        rig.clock.call_at(at, rig.queue.put, due_at, str(number), 1)
    rig.clock.run(20.0)
    put_in_order = sorted(range(len(puts)), key=lambda number: puts[number][0])
    assert [thing for _, thing in rig.taken] == [str(number) for number in put_in_order]
    assert all(time >= puts[int(thing)][1] for time, thing in rig.taken)
