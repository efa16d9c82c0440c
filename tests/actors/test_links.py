"""Faulty links over a transport that only remembers, in virtual time."""

from actors.core.ids import Address
from actors.links import Links
from actors.sim.clock import VirtualClock
from tests.actors.recorder import Recorder

A, B = Address("replica", 1), Address("replica", 2)
QUEUE_BYTES_MAX = 100


class Rig:
    """Links, and both their ends."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.recorder = Recorder()
        self.links = Links(self.recorder, QUEUE_BYTES_MAX, self.clock)


def test_a_whole_link_costs_nothing() -> None:
    """Whoever sends calls the transport itself: before any fault, and again after the last."""
    rig = Rig()
    assert rig.links.send == rig.recorder.send
    rig.links.cut([A])
    assert rig.links.send != rig.recorder.send
    rig.links.heal()
    assert rig.links.send == rig.recorder.send


def test_what_is_sent_on_a_cut_link_is_lost_and_counted_and_others_are_spared() -> None:
    rig = Rig()
    rig.links.cut([A])
    assert not rig.links.send(A, [b"1", b"2"])
    assert rig.links.send(B, [b"3"], apart=True)
    assert rig.recorder.sent == [(B, b"3")]
    assert rig.recorder.apart == [True]
    rig.links.heal()
    assert rig.links.send(A, [b"4"])
    assert rig.recorder.sent[1:] == [(A, b"4")]
    assert rig.links.counts() == {"frames_dropped": 3, "messages_cut": 2}


def test_a_slow_link_delivers_when_the_delay_is_over() -> None:
    rig = Rig()
    rig.links.slow([A], 20)
    rig.links.send(A, [b"1"])
    rig.clock.run(0.019)
    assert rig.recorder.sent == []
    rig.clock.run(0.020)
    assert rig.recorder.sent == [(A, b"1")]


def test_a_slow_link_delivers_in_order_also_when_it_gets_faster() -> None:
    rig = Rig()
    rig.links.slow([A], 20)
    rig.links.send(A, [b"1", b"2"], apart=True)
    rig.links.slow([A], 0)
    rig.links.send(A, [b"3"])
    rig.links.send(B, [b"4"])
    assert rig.recorder.sent == [(B, b"4")]
    rig.clock.run(0.020)
    assert rig.recorder.sent[1:] == [(A, b"1"), (A, b"2"), (A, b"3")]
    assert rig.recorder.apart == [False, True, False]


def test_a_slow_link_that_is_healed_delivers_at_once() -> None:
    rig = Rig()
    rig.links.slow([A], 1e6)
    rig.links.send(A, [b"12"])
    rig.links.send(A, [b"345"])
    assert rig.links.queued_bytes() == 7 + 5
    rig.links.heal()
    rig.links.send(A, [b"6"])
    assert rig.recorder.sent == [(A, b"12"), (A, b"345"), (A, b"6")]
    assert rig.links.queued_bytes() == 7
    rig.clock.run(2e3)
    assert len(rig.recorder.sent) == 3


def test_a_cut_does_not_reach_what_is_on_its_way() -> None:
    rig = Rig()
    rig.links.slow([A], 1)
    rig.links.send(A, [b"1"])
    rig.links.cut([A])
    rig.links.send(A, [b"2"])
    rig.clock.run(1.0)
    assert rig.recorder.sent == [(A, b"1")]
    assert rig.links.counts()["messages_cut"] == 1


def test_a_slow_link_holds_no_more_than_a_queue_may() -> None:
    """One call may exceed the limit, so that any frame fits."""
    rig = Rig()
    rig.links.slow([A], 1e6)
    sent = [rig.links.send(A, [bytes(QUEUE_BYTES_MAX)]) for _ in range(3)]
    assert sent == [True, True, False]
    assert rig.links.queued_bytes() == 7 + 2 * QUEUE_BYTES_MAX
    assert rig.links.counts()["messages_cut"] == 1
