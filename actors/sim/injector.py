"""Carries out the fault words of a run in the simulator, as `actors.injector` does on Ray."""

from collections.abc import Callable

from actors.core.ids import Address, ReplicaId
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
    parse,
)
from actors.measurements import EventRow
from actors.sim.system import System

POLL_S = 0.001
"""How often it is looked whether a restarted node takes part again."""


class Injector:
    """Does to a system what fault words say, while its world runs.

    The load begins when this is made, the measured window `window_start_s` seconds later. When the
    window ends, whoever is paused goes on and all links are healed. Raises FaultError where the
    words are wrong; a restart that is not allowed raises RestartError when it is due.
    """

    def __init__(
        self, system: System, words: str, *, window_start_s: float, window_s: float
    ) -> None:
        self.events: list[EventRow] = []
        self._system = system
        self._world = system.world
        self._has_coordinators = PROTOCOLS[system.config.protocol].coordinator is not None
        self._timeline = Timeline(parse(words), window_s=window_s, replicas=system.config.replicas)
        self._load_began_s = self._world.now
        self._window_began_s = self._world.now + window_start_s
        self._world.at(self._window_began_s + window_s, self._end)
        self._plan()

    def _plan(self) -> None:
        """Have what is due next happen, if nothing earlier turns up until then."""
        next_s = self._timeline.next_s
        if next_s < float("inf"):
            due_s = max(self._world.now, self._window_began_s + next_s)
            self._world.at(due_s, lambda: self._carry_out_due(next_s))

    def _carry_out_due(self, due_s: float) -> None:
        if self._timeline.next_s == due_s:  # Otherwise it has happened already.
            occurrence = self._timeline.take(self._system.leader)
            self._act(occurrence.action)
            self._follow(occurrence)
            self._plan()

    def _follow(self, occurrence: Occurrence) -> None:
        """Report that it took effect: a restart has when all its nodes take part again."""
        if isinstance(occurrence.action, Restart) and not self._is_back(occurrence.action.target):
            self._world.at(self._world.now + POLL_S, lambda: self._follow(occurrence))
            return
        self._note(occurrence.action)
        self._timeline.took_effect(occurrence, self._world.now - self._window_began_s)
        self._plan()

    def _is_back(self, target: Target) -> bool:
        return all(map(self._system.is_back, target.nodes(self._has_coordinators)))

    def _note(self, action: Action) -> None:
        target = action.target.name if action.target else ""
        time_s = self._world.now - self._load_began_s
        self.events.append((time_s, action.verb, target, action.detail))

    # --- Actions ---

    def _act(self, action: Action) -> None:
        match action:
            case Kill(target):
                self._to_each(target, self._system.crash)
            case Restart(target):
                self._to_each(target, self._system.restart)
            case Pause(target):
                self._to_each(target, self._system.pause)
            case Resume(target):
                self._to_each(target, self._system.resume)
            case Suspect(target):
                self._system.suspect(target.number)
            case Cut(target, other, one_way):
                self._system.cut(target.number, _number(other), one_way=one_way)
            case Slow(target, other, by_ms):
                self._system.slow(target.number, _number(other), by_ms / 1e3)
            case Heal():
                self._system.reconnect()

    def _to_each(self, target: Target, act: Callable[[Address], None]) -> None:
        for address in target.nodes(self._has_coordinators):
            act(address)

    def _end(self) -> None:
        """Undo what keeps those who are up from being compared."""
        self._system.reconnect()
        for address in list(self._system.world.nodes):
            self._system.resume(address)


def _number(target: Target | None) -> ReplicaId | None:
    return None if target is None else target.number
