"""Drives any node on an event loop: step, drain, perform. Boring on purpose.

Messages of one read step the node one after the other, then the node is drained, so that they are
answered together. What goes to one peer from one drain shares a frame, except between clients and
hosts, where `requests_per_frame_max` says what shares a frame. With a journal, messages wait until
what the node stored before them is durable (`storage.group_commit`).
"""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from actors.clock import Clock, MachineClock, Timer
from actors.core.effects import Effect, Node, Send, SetTimer, Throttle
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, is_host_local
from actors.core.messages import Message
from actors.metering import Growth, Meter, MeterTable
from actors.storage.group_commit import GroupCommit
from actors.storage.journal import Journal
from actors.transport.base import Receiver, Transport
from actors.transport.codec import encode

BIN_S = 0.1
TIMER_ERROR_S = 0.005

_log = logging.getLogger(__name__)


class Host:
    """One node on its event loop, with its meter and its transport.

    `journal` is where the node stores; it is closed when the host stops. A node without one must
    not store. All times are those of `clock`, unless given the machine's.
    """

    def __init__(
        self,
        me: Address,
        node: Node,
        connect: Callable[[Receiver], Transport],
        journal: Journal | None = None,
        *,
        clock: Clock | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.me = me
        self.transport = connect(self)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with the exception that stopped this host, if one did."""
        self._node = node
        self._journal = journal
        self._commit = (
            GroupCommit(journal, self._release, self.fail) if journal is not None else None
        )
        self._loop = asyncio.get_running_loop()
        self._clock = clock or MachineClock()
        self._meter = meter or Meter(BIN_S)
        self._began_at: float | None = None
        self._sample_at = 0.0
        self._sampled_late_s = 0.0
        self._samples = 0
        self._timers: dict[str, Timer] = {}
        self._awaited: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    # --- Life ---

    def start(self) -> None:
        """Start the node."""
        self._node.start(self._clock.now())
        self._drain()

    def begin(self, ago_s: float = 0.0) -> None:
        """Begin to sample: the time of the run counts from now, or from so long ago."""
        self._sample_at = self._clock.now()
        self._began_at = self._sample_at - ago_s
        self._sample()

    def stop(self) -> None:
        """Take no more events."""
        if not self.failed.done():
            self.failed.cancel()
        for timer in self._timers.values():
            timer.cancel()
        if self._commit is not None:
            self._commit.stop()

    def step(self, act: Callable[[float], None]) -> None:
        """Step the node by `act`, which is passed the time."""
        if self.failed.done():
            return
        try:
            act(self._clock.now())
        except Exception as error:
            self.fail(error)
        self._drain()

    def fail(self, error: Exception) -> None:
        """Take no more events, because of an error."""
        _log.error("%s stops", self.me, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)

    def table(self) -> MeterTable:
        """Return what was metered since `begin`."""
        return self._meter.table()

    def growth(self, after_s: float) -> Growth | None:
        """Return what was counted later than `after_s` of the run, None if nothing was yet."""
        return self._meter.growth(after_s)

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the node holds; return whether it did in time.

        Raises what stopped this host, if that happens first.
        """
        if holds():
            return True
        change: asyncio.Future[None] = self._loop.create_future()
        self._awaited.append((holds, change))
        either = (change, self.failed)
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if change.done():
            return True
        change.cancel()
        if self.failed.done() and not self.failed.cancelled():
            self.failed.result()
        return False

    # --- What the transport calls ---

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        """Step the node with each message; raises RemoteProtocolError where `sender` is wrong."""
        if self.failed.done():
            return
        now = self._clock.now()
        local = is_host_local(self.me, sender)
        try:
            for message, size in zip(messages, sizes, strict=True):
                self._meter.received(type(message), size, local)
                self._node.on_message(sender, message, now)
        except RemoteProtocolError:
            raise
        except Exception as error:  # A bug in a node must stop the run, not the loop.
            self.fail(error)
        finally:
            self._drain()

    def connected(self, peer: Address) -> None:
        """Note a connection."""
        _log.info("%s is connected to %s", self.me, peer)

    def disconnected(self, peer: Address) -> None:
        """Note the loss of a connection: nodes live with lost messages."""
        _log.info("%s is disconnected from %s", self.me, peer)

    # --- Steps ---

    def _drain(self) -> None:
        if self.failed.done():
            return
        try:
            while effects := self._node.drain():
                if self._commit is not None:
                    effects = self._commit.admit(effects)
                self._perform(effects)
        except Exception as error:
            self.fail(error)
        if self._awaited:
            self._wake()

    def _release(self, sends: Sequence[Send]) -> None:
        """Send what was held back."""
        if self.failed.done():
            return
        try:
            self._perform(sends)
        except Exception as error:
            self.fail(error)

    def _wake(self) -> None:
        for waiting in list(self._awaited):
            holds, change = waiting
            if change.done():
                self._awaited.remove(waiting)
            elif holds():
                self._awaited.remove(waiting)
                change.set_result(None)

    def _perform(self, effects: Sequence[Effect]) -> None:
        together: defaultdict[Address, list[bytes]] = defaultdict(list)
        for effect in effects:
            if isinstance(effect, Send):
                self._pack(effect, together)
            elif isinstance(effect, SetTimer):
                self._set_timer(effect)
            elif isinstance(effect, Throttle):
                self.transport.throttle(effect.on)
            else:
                raise AssertionError(f"{self.me} has no journal for {effect!r:.80}")
        for to, encoded in together.items():
            self.transport.send(to, encoded, apart="fleet" in (to.role, self.me.role))

    def _pack(self, effect: Send, together: defaultdict[Address, list[bytes]]) -> None:
        encoded = encode(effect.message)
        message_type, size = type(effect.message), len(encoded)
        for to in effect.to:
            self._meter.sent(message_type, size, is_host_local(self.me, to))
            together[to].append(encoded)

    def _set_timer(self, timer: SetTimer) -> None:
        if timer.name in self._timers:
            self._timers[timer.name].cancel()
        self._timers[timer.name] = self._clock.call_at(timer.at, self._expire, timer.name)

    def _expire(self, name: str) -> None:
        del self._timers[name]
        self.step(lambda now: self._node.on_timer(name, now))

    def _sample(self) -> None:
        assert self._began_at is not None
        if self.failed.done():
            return
        now = self._clock.now()
        time_s = now - self._began_at
        self._sampled_late_s += max(0.0, now - self._sample_at)
        self._samples += 1
        try:
            gauges = {**self._node.gauges(), "queued_bytes": self.transport.queued_bytes()}
            self._meter.sample(time_s, gauges, self._counts())
        except Exception as error:  # Not to be measured any more would go unnoticed.
            self.fail(error)
        # Timers may fire a little early: aim at the edge after the one that was meant.
        edge_s = (math.floor((time_s + TIMER_ERROR_S) / BIN_S) + 1) * BIN_S
        self._sample_at = self._began_at + edge_s
        self._clock.call_at(self._sample_at, self._sample)

    def _counts(self) -> dict[str, float]:
        stored = self._journal.counts() if self._journal else {}
        late = {"samples": self._samples, "sampled_late_s": self._sampled_late_s}
        return {**self._node.counts(), **self.transport.counts(), **stored, **late}
