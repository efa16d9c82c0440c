"""A world in virtual time: nodes, a network, disks and clocks, fully determined by a seed.

Events are taken from a heap in order of time; ties in order of creation. After each event, or after
several that it takes together, the node is drained and its effects become new events. What happens
to a node that is paused or busy waits for it, in order. Nothing else waits, so a simulated hour may
take a second.
"""

import heapq
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from itertools import count
from typing import Any

from actors.core.effects import Effect, Node, Rewrite, Send, SetTimer, Store, Throttle
from actors.core.ids import Address, is_host_local
from actors.core.messages import Message
from actors.sim.disk import DiskFullError
from actors.sim.network import HostLocal, Link, Network, Route
from actors.sim.process import Process, Step, Watch
from actors.sim.trace import Event, Log, Verb
from actors.transport.codec import ARRAY_OF_ONE, decode_frame, encode


class World:
    """Runs nodes against each other.

    `log` sees every event. With `frame_bytes_max` each message is encoded, checked to fit a frame
    of that size, and decoded again for its receivers, as between hosts: slower by a third.
    """

    def __init__(
        self,
        seed: int,
        network: Network | None = None,
        log: Log | None = None,
        frame_bytes_max: int | None = None,
    ) -> None:
        self.now = 0.0
        self.nodes: dict[Address, Node] = {}
        """The nodes that are up, paused ones among them."""
        self.network = network or Network()
        self.sync_max_s = 0.005
        """The longest that a disk takes to sync what is written."""
        self._random = random.Random(seed)  # noqa: S311 - a simulation, reproducible by design.
        self._log = log
        self._frame_bytes_max = frame_bytes_max
        self._order = count()
        self._events: list[tuple[float, int, Process, Callable[..., None], tuple[Any, ...]]] = []
        self._processes: dict[Address, Process] = {}
        self._itself = Process(Address("fleet", -1))  # To whom happens what happens to no node.
        self._sent: defaultdict[type[Message], int] = defaultdict(int)

    @property
    def sent(self) -> Counter[str]:
        """How many messages were sent, by name of type; a copy for each receiver."""
        return Counter({kind.__name__: number for kind, number in self._sent.items()})

    # --- Time ---

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a time: a fault, a check."""
        self._plan(time, self._itself, action)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let `seconds` pass, or less if `until` becomes true; return whether it did."""
        end = self.now + seconds
        events, pop = self._events, heapq.heappop
        while events and events[0][0] <= end:
            self.now, _, process, step, arguments = pop(events)
            if process.held is not None:
                process.held.append((step, arguments))
                continue
            step(*arguments)
            if process.event_s:
                self._occupy(process)
            if until is not None and until():
                return True
        self.now = end
        return until is not None and until()

    def _plan(
        self, time: float, process: Process, step: Callable[..., None], *arguments: object
    ) -> None:
        heapq.heappush(self._events, (time, next(self._order), process, step, arguments))

    # --- The life of a node ---

    def add(self, address: Address, node: Node, watch: Watch | None = None) -> None:
        """Start a node where none is up; a restarted one finds its clock further on.

        `watch` is told of each drain of it.
        """
        assert address not in self.nodes, address
        process = self._process(address)
        self.nodes[address] = process.node = node
        process.watch = watch
        self.note("start", address)
        node.start(process.clock_s(self.now))
        self._drain(process)

    def crash(self, address: Address) -> None:
        """Take a node out, if it is up, with its memory and timers; what it has sent is under way.

        Of what it has stored and not synced a drawn first part survives.
        """
        if self.nodes.pop(address, None) is not None:
            self.note("crash", address)
            self._processes[address].crash(self._random)

    def step(self, address: Address, action: Callable[[Node, float], object]) -> None:
        """Have something else happen to a node that is up: `action(node, now)` by its clock."""
        self._plan(self.now, self._processes[address], self._act, address, action)

    def perform(self, address: Address) -> None:
        """Drain a node and turn its effects into events; call after stepping it from outside."""
        self._drain(self._processes[address])

    def is_paused(self, address: Address) -> bool:
        """Say whether a node is up, but paused."""
        return self._process(address).is_paused

    def clock_s(self, address: Address) -> float:
        """Return the time that the clock at an address shows."""
        return self._process(address).clock_s(self.now)

    def records(self, address: Address) -> tuple[bytes, ...]:
        """Return what is on stable storage at an address."""
        return tuple(self._process(address).disk.records)

    # --- Faults ---

    def pause(self, address: Address) -> None:
        """Have everything wait that happens to a node, its timers among it, until `resume`."""
        process = self._process(address)
        if process.node is not None and not process.is_paused:
            self.note("pause", address)
            process.is_paused = True
            process.held = deque(process.held or ())  # Another queue: no work on the old one.

    def resume(self, address: Address) -> None:
        """Have a paused node take what waits for it, late, and go on."""
        process = self._process(address)
        if process.is_paused:
            self.note("resume", address)
            process.is_paused = False
            self._plan(self.now, self._itself, self._work, process, process.held)

    def slow_down(self, address: Address, event_s: float) -> None:
        """Keep a node busy for so long with each event, and its next one waiting; 0 ends it."""
        self._process(address).event_s = event_s

    def set_clock(self, address: Address, rate: float, ahead_s: float = 0.0) -> None:
        """Have a node's clock go on at `rate`, `ahead_s` seconds later than it shows."""
        self._process(address).set_clock(self.now, rate, ahead_s)

    def fill_disk(self, address: Address) -> None:
        """Leave no room on a disk: its node crashes when it next stores something."""
        self._process(address).disk.is_full = True

    def has_full_disk(self, address: Address) -> bool:
        """Say whether nothing more can be stored at an address."""
        return self._process(address).disk.is_full

    def note(
        self,
        verb: Verb,
        address: Address | None = None,
        subject: Message | str = "",
        sender: Address | None = None,
    ) -> None:
        """Tell the log, if there is one, what happens."""
        if self._log is not None:
            self._log(Event(self.now, verb, address, sender, subject))

    # --- What happens to a node ---

    def _deliver(self, receiver: Process, life: int, sender: Address, message: Message) -> None:
        node = receiver.node
        if node is None or (life != receiver.life and not self._chance(self.network.former_lives)):
            self.note("lose", receiver.address, message, sender)
            return
        if self._log is not None:
            self.note("receive", receiver.address, message, sender)
        node.on_message(sender, message, receiver.clock_s(self.now))
        if self.network.joint_steps and self._chance(self.network.joint_steps):
            later = self.now + self.network.delay_max_s
            self._plan(later, receiver, self._drain, receiver)
            receiver.is_drained = False
            if receiver.watch is not None:
                receiver.watch((), False)
        else:
            self._drain(receiver)

    def _expire(self, process: Process, name: str, at: float) -> None:
        if process.node is None or process.timers.get(name) != at:
            return  # Set again since, or of a former life.
        del process.timers[name]
        if self._log is not None:
            self.note("timer", process.address, name)
        process.node.on_timer(name, process.clock_s(self.now, at))
        self._drain(process)

    def _act(self, address: Address, action: Callable[[Node, float], object]) -> None:
        process = self._processes[address]
        if process.node is not None:
            action(process.node, process.clock_s(self.now))
            self._drain(process)

    def _synced(self, process: Process, life: int) -> None:
        if life != process.life:
            return
        self.note("sync", process.address)
        for send in process.disk.end_sync():
            self._send(process, send)
        if process.disk.holds_up:
            self._sync(process)
        elif process.watch is not None and process.is_drained:
            process.watch((), True)

    def _occupy(self, process: Process) -> None:
        if process.node is not None and process.held is None:
            process.held = deque()
            self._plan(self.now + process.event_s, self._itself, self._work, process, process.held)

    def _work(self, process: Process, held: deque[Step]) -> None:
        """Do what has waited: all of it or, where the node is slow, the first."""
        while process.held is held:  # Not so after another pause or a crash.
            if not held:
                process.held = None
                return
            step, arguments = held.popleft()
            step(*arguments)
            if process.event_s:
                self._plan(self.now + process.event_s, self._itself, self._work, process, held)
                return

    # --- What a node does ---

    def _drain(self, process: Process) -> None:
        node, watch, disk = process.node, process.watch, process.disk
        process.is_drained = True
        try:
            while node is not None:
                effects = node.drain()
                for effect in effects:
                    self._perform(process, effect)
                if watch is not None:  # Not before: what it has just stored is not synced.
                    watch(effects, not disk.holds_up)
                if not effects:
                    break
        except DiskFullError:
            self.note("disk full", process.address)
            self.crash(process.address)
        if disk.holds_up and not disk.is_syncing:
            self._sync(process)

    def _perform(self, process: Process, effect: Effect) -> None:
        if isinstance(effect, Send):
            if not process.disk.holds_up:
                self._send(process, effect)
            else:
                process.disk.hold(effect)
        elif isinstance(effect, SetTimer):
            process.timers[effect.name] = effect.at
            at = max(self.now, process.world_s(effect.at))
            self._plan(at, process, self._expire, process, effect.name, effect.at)
        elif isinstance(effect, Store | Rewrite):
            process.disk.write(effect)
        else:
            assert isinstance(effect, Throttle)  # Closed-loop clients need no back-pressure here.

    def _sync(self, process: Process) -> None:
        process.disk.begin_sync()
        ends_at = self.now + self.sync_max_s * self._random.random()
        self._plan(ends_at, process, self._synced, process, process.life)

    def _send(self, sender: Process, effect: Send) -> None:
        message, now = effect.message, self.now
        self._sent[type(message)] += len(effect.to)
        if self._frame_bytes_max is not None:
            message = _over_the_wire(message, self._frame_bytes_max)
        routes, order, deliver = sender.routes, self._order, self._deliver
        for address in effect.to:
            receiver, route = routes.get(address) or self._route(sender, address)
            delays_s = route.delays_s(now)
            for delay_s in delays_s:
                arguments = (receiver, receiver.life, sender.address, message)
                event = (now + delay_s, next(order), receiver, deliver, arguments)
                heapq.heappush(self._events, event)
            if not delays_s:
                self.note("lose", address, message, sender.address)

    def _route(self, sender: Process, address: Address) -> tuple[Process, Route]:
        link: Route = HostLocal()
        if not is_host_local(sender.address, address):
            link = Link((sender.address, address), self.network, self._random)
        route = sender.routes[address] = self._process(address), link
        return route

    def _process(self, address: Address) -> Process:
        if address not in self._processes:
            self._processes[address] = Process(address)
        return self._processes[address]

    def _chance(self, chance: float) -> bool:
        return self._random.random() < chance


def _over_the_wire(message: Message, frame_bytes_max: int) -> Message:
    encoded = encode(message)
    assert len(encoded) <= frame_bytes_max, "a message that fits no frame"
    (decoded,), _ = decode_frame(bytes([ARRAY_OF_ONE]) + encoded)
    return decoded
