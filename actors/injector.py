"""Carries out the fault words of a run while it is under load.

A kill is SIGKILL to a process, or to all of a node of Ray, a pause SIGSTOP; links are cut and
slowed in the actors themselves. What is due at once and alike happens at once. When the load ends,
whoever is paused goes on and all links are healed, so that everybody who is alive can be compared.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from itertools import groupby

from actors.core.config import Config
from actors.core.ids import Address, ReplicaId, View, leader_of
from actors.core.registry import PROTOCOLS
from actors.faults import (
    Action,
    Cut,
    Heal,
    Kill,
    Occurrence,
    Pause,
    Restart,
    Resume,
    Slow,
    Suspect,
    Target,
    Timeline,
)
from actors.measurements import EventRow
from actors.stage import CALL_TIMEOUT_S, Stage

Link = tuple[ReplicaId, ReplicaId]
"""From a host to another."""

LOAD_HAS_ENDED = "the load has ended"


class Injector:
    """Does to the actors on a stage what a timeline says, and adds what happens to `events`.

    The measured window begins `window_start_s` seconds after the load. `before_kill` is awaited
    before actors are killed that can still answer.
    """

    def __init__(
        self,
        stage: Stage,
        timeline: Timeline,
        config: Config,
        *,
        window_start_s: float,
        before_kill: Callable[[Collection[Address]], Awaitable[None]],
        events: list[EventRow],
    ) -> None:
        self._events = events
        self._stage = stage
        self._crew = stage.crew
        self._timeline = timeline
        self._hosts = range(config.replicas)
        self._has_coordinators = PROTOCOLS[config.protocol].coordinator is not None
        self._window_start_s = window_start_s
        self._before_kill = before_kill
        self._cut: set[Link] = set()
        self._delays_ms: dict[Link, float] = {}
        self._view: View = 0
        self._restarts: list[asyncio.Task[None]] = []
        self._returning: set[Address] = set()
        self._began_at = self._end_at = 0.0

    # --- Time ---

    async def run(self, load_s: float) -> None:
        """Carry out what is due in a load that begins now and lasts `load_s` seconds."""
        self._began_at = time.monotonic()
        self._end_at = self._began_at + load_s
        self._planned = asyncio.Event()
        for replica in self._crew.of("replica"):
            self._crew.beside(self._follow(replica))
        while self._left_s > 0:
            await self._wait()
            for _, alike in groupby(self._take_due(), key=lambda each: each.action.verb):
                await asyncio.gather(*map(self._carry_out, alike))
        await self._end()

    @property
    def _now_s(self) -> float:
        """Time since the load began."""
        return time.monotonic() - self._began_at

    @property
    def _left_s(self) -> float:
        """Time until the load ends."""
        return max(0.0, self._end_at - time.monotonic())

    async def _wait(self) -> None:
        """Wait until something is due, or what is due next has changed, or the load ends."""
        due_s = self._timeline.next_s + self._window_start_s - self._now_s
        self._planned.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._planned.wait(), max(0.0, min(due_s, self._left_s)))

    def _take_due(self) -> list[Occurrence]:
        due = []
        while self._timeline.next_s + self._window_start_s <= self._now_s:
            due.append(self._timeline.take(leader_of(self._view, len(self._hosts))))
        return due

    def _took_effect(self, occurrence: Occurrence) -> None:
        self._timeline.took_effect(occurrence, self._now_s - self._window_start_s)
        self._planned.set()

    def _note(self, event: str, target: object = "", detail: str = "") -> None:
        self._events.append((self._now_s, event, str(target), detail))

    async def _end(self) -> None:
        """Undo what keeps those who are alive from being compared."""
        for address in list(self._crew.paused):
            await self._stage.resume([address])
            self._note("resume", address, LOAD_HAS_ENDED)
        was_whole = not (self._cut or self._delays_ms)
        await self._heal()  # First, so that who returns now returns to a whole network.
        await asyncio.gather(*self._restarts)
        if not was_whole:
            self._note("heal", detail=LOAD_HAS_ENDED)

    # --- Actions ---

    async def _carry_out(self, occurrence: Occurrence) -> None:
        action = occurrence.action
        if isinstance(action, Restart):
            self._restarts.append(self._crew.beside(self._restart(occurrence, action.target)))
        else:
            if await self._act(action):
                self._note(action.verb, action.target.name if action.target else "", action.detail)
            self._took_effect(occurrence)

    async def _act(self, action: Action) -> bool:
        """Do what is over at once; return whether there was anything to be done."""
        match action:
            case Kill(target):
                doing = self._kill(target)
            case Pause(target):
                doing = self._pause(target)
            case Resume(target):
                doing = self._resume(target)
            case Suspect(target):
                doing = self._suspect(target)
            case Cut(target, other, one_way):
                doing = self._cut_off(target, other, one_way)
            case Slow(target, other, by_ms):
                doing = self._slow_down(target, other, by_ms)
            case Heal():
                doing = self._heal()
            case Restart():
                raise AssertionError("a restart takes its time")
        return await doing

    async def _kill(self, target: Target) -> bool:
        if target.part == "node":
            await self._hear(self._stage.up(self._stage.on_node_of(target.number)))
            return await self._stage.kill_node(target.number)
        await self._hear(self._up(target))
        there = [each for each in self._nodes(target) if each in self._crew]
        await self._stage.kill(there)
        return bool(there)

    async def _hear(self, addresses: Collection[Address]) -> None:
        """Have those heard who are to be killed and can still answer."""
        await self._before_kill([each for each in addresses if each not in self._crew.paused])

    async def _restart(self, occurrence: Occurrence, target: Target) -> None:
        down = [each for each in self._nodes(target) if each not in self._crew]
        could = [each for each in down if not self._stage.is_lost(each)]
        returning = [each for each in could if each not in self._returning]
        if not returning or await self._bring_back(returning, target):
            self._took_effect(occurrence)

    async def _bring_back(self, returning: Collection[Address], target: Target) -> bool:
        """Start nodes of a target again; return whether they take part before the load ends."""
        self._returning.update(returning)
        await self._stage.create(returning)
        self._returning.difference_update(returning)
        await self._apply_links(self._stage.up(returning))
        await self._stage.admit(returning, self._now_s)
        returned = self._stage.up(returning)
        if not returned:
            return False  # Killed again meanwhile.
        self._note("restart", target.name)
        for replica in [each for each in returned if each.role == "replica"]:
            self._crew.beside(self._follow(replica))
            if not await self._crew.answer(replica, "wait_recovered", self._left_s):
                return False
        self._note("recovered", target.name)
        return True

    async def _pause(self, target: Target) -> bool:
        running = [each for each in self._up(target) if each not in self._crew.paused]
        await self._stage.pause(running)
        return bool(running)

    async def _resume(self, target: Target) -> bool:
        paused = [each for each in self._up(target) if each in self._crew.paused]
        await self._stage.resume(paused)
        return bool(paused)

    async def _suspect(self, target: Target) -> bool:
        return await self._order(self._up(target), "suspect_leader")

    async def _follow(self, replica: Address) -> None:
        """Keep a record of the views that a replica leads, and learn who leads from that."""
        while self._left_s > 0:
            view = await self._crew.answer(replica, "wait_leading", self._view, self._left_s)
            if view is not None and view > self._view:
                self._view = view
                self._note("view", replica, f"view {view}")

    # --- Links ---

    async def _cut_off(self, target: Target, other: Target | None, one_way: bool) -> bool:
        outwards = self._links(target, other)
        self._cut |= outwards
        if not one_way:
            self._cut |= {(receiver, sender) for sender, receiver in outwards}
        return await self._apply_links(self._up_hosts())

    async def _slow_down(self, target: Target, other: Target | None, by_ms: float) -> bool:
        self._delays_ms |= dict.fromkeys(self._links(target, other), by_ms)
        return await self._apply_links(self._up_hosts())

    async def _heal(self) -> bool:
        self._cut, self._delays_ms = set(), {}
        return await self._order(self._up_hosts(), "heal")

    def _links(self, target: Target, other: Target | None) -> set[Link]:
        """Return the links from a host to another, or to all others."""
        sender = target.number
        receivers = self._hosts if other is None else [other.number]
        return {(sender, receiver) for receiver in receivers if receiver != sender}

    async def _apply_links(self, addresses: Collection[Address]) -> bool:
        """Have nodes lose and delay what they must by now."""
        orders = []
        for address in addresses:
            cut = [host for sender, host in self._cut if sender == address.number]
            orders.append(self._order([address], "cut", self._nodes_of(cut)))
            for (sender, host), delay_ms in self._delays_ms.items():
                if sender == address.number:
                    nodes = self._nodes_of([host])
                    orders.append(self._order([address], "slow", nodes, delay_ms))
        return all(await asyncio.gather(*orders))

    # --- Who ---

    async def _order(self, addresses: Collection[Address], method: str, *arguments: object) -> bool:
        """Call nodes, and wait for those that are not paused; return whether there were any."""
        answering = []
        for address in addresses:
            if address in self._crew.paused:
                self._crew.tell(address, method, *arguments)
            else:
                answering.append(address)
        await self._crew.ask(answering, method, CALL_TIMEOUT_S, *arguments)
        return bool(addresses)

    def _nodes(self, target: Target) -> tuple[Address, ...]:
        return target.nodes(self._has_coordinators)

    def _up(self, target: Target) -> list[Address]:
        return self._stage.up(self._nodes(target))

    def _nodes_of(self, hosts: Iterable[ReplicaId]) -> list[Address]:
        return [address for host in hosts for address in self._nodes(Target("host", host))]

    def _up_hosts(self) -> list[Address]:
        return self._stage.up(self._nodes_of(self._hosts))
