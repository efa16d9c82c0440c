"""The world: events in order of time, nothing by chance but what the seed says."""

from collections.abc import Sequence

import pytest

from actors.core.effects import Effect, Outbox
from actors.core.ids import Address
from actors.core.messages import Alive, Message
from actors.sim.network import Network
from actors.sim.trace import Event
from actors.sim.world import World
from tests.actors.core.wired import coordinator, replica

R0, R1, C0 = replica(0), replica(1), coordinator(0)
HELLO = Alive(0, 0, 0)


class Recorder:
    """A node that remembers what happens to it, and does what it is told when it starts."""

    def __init__(
        self,
        to: Sequence[Address] = (),
        timers: Sequence[tuple[str, float]] = (),
        records: Sequence[bytes] = (),
    ) -> None:
        self.events: list[tuple[float, object]] = []
        self._to = to
        self._timers = timers
        self._records = records
        self._out = Outbox()

    def start(self, now: float) -> None:
        for record in self._records:
            self._out.store(record)
        for to in self._to:
            self._out.send(to, HELLO)
        for name, at in self._timers:
            self._out.set_timer(name, at)

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        self.events.append((now, sender))

    def on_timer(self, name: str, now: float) -> None:
        self.events.append((now, name))

    def drain(self) -> Sequence[Effect]:
        return self._out.drain()

    def gauges(self) -> dict[str, float]:
        return {}

    def counts(self) -> dict[str, float]:
        return {}


def test_a_message_takes_its_delay() -> None:
    world = World(1, Network(delay_min_s=0.25, delay_max_s=0.25))
    receiver = Recorder()
    world.add(R1, receiver)
    world.add(R0, Recorder(to=[R1]))
    world.run(1.0)
    assert receiver.events == [(0.25, R0)]
    assert world.sent == {"Alive": 1}
    assert world.now == 1.0


def test_a_message_within_a_host_takes_no_time_and_is_never_lost() -> None:
    world = World(1, Network(loss=1.0))
    receiver = Recorder()
    world.add(C0, receiver)
    world.add(R0, Recorder(to=[C0]))
    world.run(0.0)
    assert receiver.events == [(0.0, R0)]


def test_a_timer_is_replaced_by_a_later_one_of_its_name() -> None:
    world = World(1)
    node = Recorder(timers=[("a", 1.0), ("b", 1.5), ("a", 2.0)])
    world.add(R0, node)
    world.run(10.0)
    assert node.events == [(1.5, "b"), (2.0, "a")]


def test_a_timer_in_the_past_expires_now() -> None:
    world = World(1)
    world.run(5.0)
    node = Recorder(timers=[("a", 1.0)])
    world.add(R0, node)
    world.run(1.0)
    assert node.events == [(5.0, "a")]


def test_a_crashed_node_hears_nothing_and_its_timers_are_silent() -> None:
    world = World(1)
    node = Recorder(timers=[("a", 1.0)])
    world.add(R1, node)
    world.add(R0, Recorder(to=[R1]))
    world.crash(R1)
    world.run(5.0)
    assert node.events == []


def test_what_a_node_sent_before_it_crashed_still_arrives() -> None:
    """The network does not know of the crash; the last messages of a leader matter most."""
    world = World(1)
    receiver = Recorder()
    world.add(R1, receiver)
    world.add(R0, Recorder(to=[R1]))
    world.crash(R0)
    world.run(1.0)
    assert [sender for _, sender in receiver.events] == [R0]


def test_actions_happen_in_order_of_time_and_of_making() -> None:
    world, done = World(1), []
    for name, at in (("c", 2.0), ("a", 1.0), ("b", 1.0)):
        world.at(at, lambda name=name: done.append((world.now, name)))
    world.run(1.5)
    assert done == [(1.0, "a"), (1.0, "b")]
    world.run(1.0)
    assert done[2:] == [(2.0, "c")]


def test_a_run_ends_as_soon_as_what_is_waited_for_is_true() -> None:
    world, done = World(1), []
    for at in (1.0, 2.0, 3.0):
        world.at(at, lambda at=at: done.append(at))
    assert world.run(10.0, lambda: len(done) == 2)
    assert world.now == 2.0
    assert not world.run(10.0, lambda: len(done) == 9)
    assert world.now == 12.0


# --- Lives --------------------------------------------------------------------------------------

FIXED = {"delay_min_s": 0.25, "delay_max_s": 0.25}


def test_the_timers_of_a_former_life_are_silent_in_the_next() -> None:
    world = World(1)
    world.add(R0, Recorder(timers=[("a", 1.0), ("b", 2.0)]))
    world.crash(R0)
    node = Recorder(timers=[("b", 3.0)])
    world.add(R0, node)
    world.run(5.0)
    assert node.events == [(3.0, "b")]


@pytest.mark.parametrize(("chance", "heard"), [(0.0, []), (1.0, [(0.25, R0)])])
def test_what_was_sent_to_a_former_life_reaches_the_next_only_by_chance(
    chance: float, heard: list[tuple[float, Address]]
) -> None:
    world = World(1, Network(**FIXED, former_lives=chance))
    world.add(R1, Recorder())
    world.add(R0, Recorder(to=[R1]))
    world.crash(R1)
    node = Recorder()
    world.add(R1, node)
    world.run(1.0)
    assert node.events == heard


def test_a_crash_of_who_is_down_is_none() -> None:
    world = World(1)
    world.crash(R0)
    world.add(R0, Recorder())
    world.crash(R0)
    world.crash(R0)
    assert world.nodes == {}


# --- Pauses and slow nodes ----------------------------------------------------------------------


def test_a_paused_node_takes_what_it_missed_late_and_in_order() -> None:
    world = World(1, Network(**FIXED))
    node = Recorder(timers=[("a", 0.5), ("b", 2.0)])
    world.add(R1, node)
    world.pause(R1)
    world.add(R0, Recorder(to=[R1, R1]))
    world.run(1.0)
    assert node.events == []
    world.resume(R1)
    world.run(2.0)
    assert node.events == [(1.0, R0), (1.0, R0), (1.0, "a"), (2.0, "b")]


def test_what_a_paused_node_missed_is_lost_when_it_crashes() -> None:
    world = World(1, Network(**FIXED))
    world.add(R1, Recorder())
    world.pause(R1)
    world.add(R0, Recorder(to=[R1]))
    world.run(1.0)
    world.crash(R1)
    node = Recorder()
    world.add(R1, node)
    world.resume(R1)
    world.run(1.0)
    assert node.events == []
    assert not world.is_paused(R1)


def test_a_slow_node_takes_its_next_event_when_it_has_had_time_for_the_last() -> None:
    world = World(1, Network(**FIXED))
    node = Recorder()
    world.add(R1, node)
    world.slow_down(R1, 1.0)
    world.add(R0, Recorder(to=[R1, R1, R1]))
    world.run(10.0)
    assert node.events == [(0.25, R0), (1.25, R0), (2.25, R0)]


def test_a_pause_does_not_make_a_slow_node_faster() -> None:
    world = World(1, Network(**FIXED))
    node = Recorder()
    world.add(R1, node)
    world.slow_down(R1, 1.0)
    world.add(R0, Recorder(to=[R1, R1, R1, R1]))
    world.at(1.5, lambda: world.pause(R1))
    world.at(1.75, lambda: world.resume(R1))
    world.run(10.0)
    assert [at for at, _ in node.events] == [0.25, 1.25, 1.75, 2.75]


# --- Clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_node_lives_by_its_own_clock(rate: float) -> None:
    world = World(1)
    world.set_clock(R0, rate, ahead_s=10.0)
    node = Recorder(timers=[("a", 11.0)])
    world.add(R0, node)
    world.run(0.99 / rate)
    assert node.events == []
    world.run(0.02 / rate)
    assert node.events == [(11.0, "a")]
    assert world.clock_s(R0) == pytest.approx(10.0 + rate * world.now)


def test_a_clock_never_goes_back_whatever_is_done_to_it() -> None:
    world = World(1)
    node = Recorder(timers=[("a", 1.0)])
    world.add(R0, node)
    world.run(2.0)
    world.set_clock(R0, 0.5, ahead_s=-1.0)
    assert world.clock_s(R0) == 2.0
    world.crash(R0)
    world.run(1.0)
    assert world.clock_s(R0) == 2.0
    world.run(2.0)
    assert world.clock_s(R0) == 2.5


def test_a_timer_never_expires_before_its_time_by_the_clock_of_its_node() -> None:
    """A rounding error would let a node set the same timer again and again at one moment."""
    for step in range(1, 200):
        world = World(1)
        world.set_clock(R0, 0.7, ahead_s=1e-3 * step)
        node = Recorder(timers=[("a", 0.1 * step)])
        world.add(R0, node)
        world.run(100.0)
        ((at, _),) = node.events
        assert at >= 0.1 * step


# --- Disks --------------------------------------------------------------------------------------


def synced_world(node: Recorder) -> tuple[World, Recorder]:
    """Return a world where `node` is at R0 and stores first what it then sends to R1."""
    world = World(1, Network(**FIXED))
    world.sync_max_s = 0.1
    receiver = Recorder()
    world.add(R1, receiver)
    world.add(R0, node)
    return world, receiver


def test_a_message_leaves_when_the_record_before_it_is_synced() -> None:
    world, receiver = synced_world(Recorder(to=[R1], records=[b"a", b"b"]))
    assert world.records(R0) == ()
    world.run(1.0)
    ((at, _),) = receiver.events
    assert 0.25 < at < 0.35
    assert world.records(R0) == (b"a", b"b")


def test_who_watches_learns_that_a_record_is_synced_and_not_before() -> None:
    """Otherwise what a node decides and forgets in a crash would be held against it."""
    told: list[tuple[int, bool]] = []
    world = World(1, Network(**FIXED))
    node = Recorder(to=[R1], records=[b"a"])
    world.add(R0, node, lambda effects, is_synced: told.append((len(effects), is_synced)))
    stored, nothing_more = told
    assert stored[0] > 0
    assert not stored[1]
    assert nothing_more == (0, False)
    world.run(1.0)
    assert told[-1] == (0, True)


def test_what_happened_to_a_node_and_was_not_drained_counts_as_not_synced() -> None:
    told: list[bool] = []
    world = World(1, Network(**FIXED, joint_steps=1.0))
    world.add(R1, Recorder(), lambda _, is_synced: told.append(is_synced))
    assert told == [True]
    world.add(R0, Recorder(to=[R1]))
    world.run(FIXED["delay_max_s"])
    assert told == [True, False]
    world.run(1.0)
    assert told == [True, False, True]


def test_what_waited_for_a_sync_is_not_sent_after_a_crash() -> None:
    world, receiver = synced_world(Recorder(to=[R1], records=[b"a"]))
    world.crash(R0)
    world.add(R0, Recorder())
    world.run(1.0)
    assert receiver.events == []
    assert world.records(R0) in {(), (b"a",)}


def test_a_sync_ends_for_a_paused_node_when_it_goes_on() -> None:
    world, receiver = synced_world(Recorder(to=[R1], records=[b"a"]))
    world.pause(R0)
    world.run(1.0)
    assert receiver.events == []
    world.resume(R0)
    world.run(1.0)
    assert receiver.events == [(1.25, R0)]


def test_a_node_whose_disk_is_full_stops_before_it_sends_what_follows() -> None:
    world = World(1, Network(**FIXED))
    receiver = Recorder()
    world.add(R1, receiver)
    world.fill_disk(R0)
    world.add(R0, Recorder(to=[R1], records=[b"a"]))
    world.run(1.0)
    assert R0 not in world.nodes
    assert receiver.events == []
    assert world.records(R0) == ()


# --- The log ------------------------------------------------------------------------------------


def test_the_log_sees_what_arrives_what_is_lost_what_expires_and_what_fails() -> None:
    seen: list[Event] = []
    world = World(1, Network(**FIXED), log=seen.append)
    world.add(R1, Recorder(timers=[("a", 0.1)]))
    world.add(R0, Recorder(to=[R1, C0]))
    world.run(0.3)
    world.network.loss = 1.0
    world.crash(R0)
    world.add(R0, Recorder(to=[R1]))
    assert [(event.verb, event.address, event.sender) for event in seen] == [
        ("start", R1, None),
        ("start", R0, None),
        ("lose", C0, R0),  # Nobody is there.
        ("timer", R1, None),
        ("receive", R1, R0),
        ("crash", R0, None),
        ("start", R0, None),
        ("lose", R1, R0),
    ]
    assert str(seen[4]) == f"   0.250000 replica-1     receive   from replica-0: {HELLO}"


def test_encoded_messages_arrive_as_copies() -> None:
    world = World(1, frame_bytes_max=1000)
    heard: list[Message] = []
    receiver = Recorder()
    receiver.on_message = lambda sender, message, now: heard.append(message)  # type: ignore[method-assign] # To see the message itself.
    world.add(R1, receiver)
    world.add(R0, Recorder(to=[R1]))
    world.run(1.0)
    assert heard == [HELLO]
    assert heard[0] is not HELLO


def test_a_message_that_fits_no_frame_is_an_error() -> None:
    world = World(1, frame_bytes_max=2)
    with pytest.raises(AssertionError, match="fits no frame"):
        world.add(R0, Recorder(to=[R1]))
