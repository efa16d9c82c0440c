"""What a system cannot do of the events that fault words tell of: found before anything runs."""

import math
from collections.abc import Iterator, Sequence

from actors.core.config import CrashModel
from actors.faults import (
    OCCURRENCES_MAX,
    Event,
    Kill,
    Part,
    Pause,
    Restart,
    Resume,
    Target,
    head,
    is_loss_of_node,
    named_by,
    place,
    targets_of,
    written,
)


def check(
    events: Sequence[Event],
    *,
    replicas: int,
    fleets: int,
    has_coordinators: bool,
    crash_model: CrashModel,
    window_s: float,
) -> Iterator[str]:
    """Yield in one line each what a system of these settings cannot do of these events."""
    numbers: dict[Part, int] = {
        "host": replicas,
        "replica": replicas,
        "coordinator": replicas if has_coordinators else 0,
        "fleet": fleets,
        "node": replicas,
    }
    for index, event in enumerate(events):
        reasons = [_unknown(target, numbers) for target in targets_of(event.action)]
        reasons += [_unknown_it(events, index), _never_gone(events, index)]
        reasons.append(_nowhere_to_return(events, index))
        if isinstance(event.action, Restart) and crash_model == "crash_stop":
            reasons.append(_NO_RETURN)
        if _earliest_s(events)[index] >= window_s:
            reasons.append(f"must come before the window ends, duration_s = {written(window_s)}")
        for reason in filter(None, reasons):
            yield f"{place(index, str(event))}: {reason}"
    if sum(_times(events, window_s)) > OCCURRENCES_MAX:
        yield f"makes more than {OCCURRENCES_MAX:,} faults; repeat them less often"
    if reason := _too_many_lost(events, window_s, replicas, crash_model):
        yield reason


_NO_RETURN = (
    'needs crash_model = "epoch" or "full"; under "crash_stop" nothing is stored, '
    "and a replica that forgot its votes must not return"
)


def _unknown(target: Target, numbers: dict[Part, int]) -> str:
    """Say why there is no such target; empty where there is."""
    known = numbers[target.part]
    if known == 0:
        return f"this protocol has no {target.part}"
    if isinstance(target.who, int) and target.who >= known:
        return f"{target} must be {f'from 0 to {known - 1}' if known > 1 else '0'}"
    if target.who == "follower" and known == 1:
        return "a single replica has no follower"
    return ""


def _earliest_s(events: Sequence[Event]) -> list[float]:
    """Return when each event happens first if everything takes effect at once."""
    starts: list[float] = []
    for event in events:
        starts.append(event.time_s + (starts[-1] if event.follows else 0.0))
    return starts


def _times(events: Sequence[Event], window_s: float) -> list[float]:
    """Return about how many times each event happens, at most."""
    found: list[float] = []
    for event, start in zip(events, _earliest_s(events), strict=True):
        if event.every_s is not None:
            found.append(1 + max(0.0, window_s - start) / event.every_s)
        else:
            found.append(found[-1] if event.follows else 1)
    return found


def _unknown_it(events: Sequence[Event], index: int) -> str:
    """Say why nobody may know yet who `it` is; empty where it is known, and where there is none."""
    if all(target.who != "it" for target in targets_of(events[index].action)):
        return ""
    named, first = named_by(events, index), head(events, index)
    assert named is not None, "`it` without a target before"
    if named >= first:
        return ""
    if not events[named].follows and events[named].time_s <= events[first].time_s:
        return ""
    return f"may come before event {named + 1}, which says whom it means; give a time with +"


def _never_gone(events: Sequence[Event], index: int) -> str:
    """Say that the target of a restart or resume is never killed or paused before, if it is not."""
    action = events[index].action
    if not isinstance(action, Restart | Resume):
        return ""
    opposite, done = (Kill, "killed") if isinstance(action, Restart) else (Pause, "paused")
    if any(isinstance(each.action, opposite) for each in _before(events, index)):
        return ""
    return f"{_meant(events)[index]} is not {done} before"


def _nowhere_to_return(events: Sequence[Event], index: int) -> str:
    """Say that the node of Ray which a restart needs may be gone by then, if it may."""
    if not isinstance(events[index].action, Restart):
        return ""
    lost = [each for each in _before(events, index) if is_loss_of_node(each.action)]
    return f"its node may be lost by then ({lost[0]}), and does not return" if lost else ""


def _before(events: Sequence[Event], index: int) -> Iterator[Event]:
    """Yield the events that come first, and may hit somebody whom this one hits."""
    starts, targets = _earliest_s(events), _meant(events)
    for earlier, event in enumerate(events):
        is_before = (starts[earlier], earlier) < (starts[index], index)
        if is_before and _may_overlap(targets[earlier], targets[index]):
            yield event


# --- Nodes of Ray -------------------------------------------------------------------------------


def _too_many_lost(
    events: Sequence[Event], window_s: float, replicas: int, crash_model: CrashModel
) -> str:
    """Say that nodes are lost and no majority of hosts may be left; empty where there is one."""
    if not any(is_loss_of_node(event.action) for event in events):
        return ""
    spare = (replicas - 1) // 2
    lost = _lost_for_good(events, window_s, crash_model)
    if lost <= spare:
        return ""
    return f"{min(lost, replicas)} of {replicas} hosts may be down for good; a majority must stay"


def _lost_for_good(events: Sequence[Event], window_s: float, crash_model: CrashModel) -> int:
    """Return how many hosts may be down for good, at most."""
    numbers: set[int] = set()
    whoever: dict[int, int] = {}  # How many, by the event that names them.
    targets, times = _meant(events), _times(events, window_s)
    for index, event in enumerate(events):
        target = targets[index]
        if not isinstance(event.action, Kill) or target is None:
            continue
        if _may_return(target, events, crash_model):
            continue
        if isinstance(target.who, int):
            numbers.add(target.who)
        else:
            naming = named_by(events, index) if event.action.target.who == "it" else index
            whoever[naming or 0] = math.floor(times[index])
    return len(numbers) + sum(whoever.values())


def _may_return(killed: Target, events: Sequence[Event], crash_model: CrashModel) -> bool:
    """Say whether a kill costs no host for good: none at all, or one that is to restart."""
    if killed.part in ("fleet", "coordinator"):
        return True
    if killed.part == "node" or crash_model == "crash_stop":
        return False
    restarts = [event for event in events if isinstance(event.action, Restart)]
    return any(_may_overlap(killed, event.action.target) for event in restarts)


# --- Who is meant -------------------------------------------------------------------------------


def _meant(events: Sequence[Event]) -> list[Target | None]:
    """Return the target of each event, where it is `it` that of the event which names it."""
    meant: list[Target | None] = []
    named = None
    for event in events:
        target = event.action.target
        if target is not None and target.who != "it":
            named = target
        meant.append(named if target else None)
    return meant


def _may_overlap(one: Target | None, other: Target | None) -> bool:
    """Say whether two targets may have a node in common, as far as their numbers are known."""
    if one is None or other is None:
        return False
    parts = {one.part, other.part}
    if len(parts) == 2 and (not parts & {"host", "node"} or "fleet" in parts):
        return False
    both_known = isinstance(one.who, int) and isinstance(other.who, int)
    return one.who == other.who or not both_known
