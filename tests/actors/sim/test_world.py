"""The world: events in order of time, nothing by chance but what the seed says."""

from collections.abc import Sequence

from actors.core.effects import Effect, Outbox
from actors.core.ids import Address
from actors.core.messages import Alive, Message
from actors.sim.network import Network
from actors.sim.world import World
from tests.actors.core.wired import coordinator, replica

R0, R1, C0 = replica(0), replica(1), coordinator(0)
HELLO = Alive(0, 0, 0)


class Recorder:
    """A node that remembers what happens to it, and does what it is told when it starts."""

    def __init__(
        self, to: Sequence[Address] = (), timers: Sequence[tuple[str, float]] = ()
    ) -> None:
        self.events: list[tuple[float, object]] = []
        self._to = to
        self._timers = timers
        self._out = Outbox()

    def start(self, now: float) -> None:
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
