"""The fault words: what goes wrong in a run, whom it hits, and when.

    TIME [every PERIOD] VERB [TARGET] [ARGUMENTS]

Events are separated by semicolons or new lines; docs/faults.md shows the language by example. The
words say what happens, not how: the simulator and the cluster each do it in their own way, and ask
a `Timeline` what comes next. Nothing here reads a clock: all times are in seconds since the
measured window began, and are passed in.
"""

import heapq
import math
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import count
from typing import Literal, NamedTuple, cast, get_args

import msgspec

from actors.core.ids import Address, ReplicaId, Role

Part = Literal["host", "replica", "coordinator", "fleet", "node"]
"""What may be hit; a host is its replica and, where there is one, its coordinator.

A node is the node of Ray that a host lives on, with all that lives there; it goes by the host.
"""

Who = Literal["leader", "follower", "it"]
"""Who is hit, found out when it happens; `follower` is the next one after the leader."""

OCCURRENCES_MAX = 1000
DELAY_MS_MAX = 60_000


class FaultError(ValueError):
    """The fault words are wrong; the message says in one line which, and what would be right."""


class Target(msgspec.Struct, frozen=True):
    """Whom an event hits; `it` is whom the event before hit."""

    part: Part
    who: int | Who

    def __str__(self) -> str:
        return "it" if self.who == "it" else f"{self.part} {self.who}"

    @property
    def name(self) -> str:
        """Name in the result tables, such as host-0."""
        return f"{self.part}-{self.who}"

    @property
    def number(self) -> int:
        """Its number, which must be known: that of a target out of an `Occurrence`."""
        assert isinstance(self.who, int), self
        return self.who

    def nodes(self, has_coordinators: bool) -> tuple[Address, ...]:
        """Return the addresses of the nodes that it stands for; its number must be known.

        For a node of Ray these are those of its host: who else lives there is not known here.
        """
        if self.part in ("replica", "coordinator", "fleet"):
            return (Address(self.part, self.number),)
        roles: tuple[Role, ...] = ("replica", "coordinator") if has_coordinators else ("replica",)
        return tuple(Address(role, self.number) for role in roles)


class _Action(msgspec.Struct, frozen=True):
    """What happens: a verb, here the name of the class, and whom it hits."""

    target: Target

    def __str__(self) -> str:
        return " ".join(filter(None, (self.verb, str(self.target), self.detail)))

    @property
    def verb(self) -> str:
        return type(self).__name__.lower()

    @property
    def detail(self) -> str:
        """Arguments after the target; may be empty."""
        return ""


class Kill(_Action, frozen=True):
    """End the nodes of the target; their memory and what they had not synced is lost."""


class Restart(_Action, frozen=True):
    """Start the killed nodes of the target again; takes effect when they take part again."""


class Pause(_Action, frozen=True):
    """Stop the nodes of the target for a while; they lose nothing, and messages wait for them."""


class Resume(_Action, frozen=True):
    """Let the paused nodes of the target go on."""


class Suspect(_Action, frozen=True):
    """Let a replica promote itself, as if the leader had been silent for too long."""


class Cut(_Action, frozen=True):
    """Lose what is sent between a host and another, or all other hosts if `other` is None.

    Clients reach it as before. With `one_way` only what the target sends is lost. Where both turn
    out to be the same host, nothing happens.
    """

    other: Target | None = None
    one_way: bool = False

    @property
    def detail(self) -> str:
        """From whom, and whether one way."""
        other = f"from {self.other}" if self.other else ""
        return " ".join(filter(None, (other, "one-way" if self.one_way else "")))


class Slow(_Action, frozen=True):
    """Delay what a host sends to another, or to all other hosts if `other` is None.

    The delay, in ms, comes on top of what the link takes, and replaces an earlier one. Clients get
    their replies as before.
    """

    other: Target | None
    by_ms: float

    @property
    def detail(self) -> str:
        """To whom, and by how much."""
        other = f"to {self.other} " if self.other else ""
        return f"{other}by {written(self.by_ms)}ms"


class Heal(msgspec.Struct, frozen=True):
    """End all cuts and delays."""

    def __str__(self) -> str:
        return self.verb

    verb = "heal"
    target = None
    detail = ""


Action = Kill | Restart | Pause | Resume | Suspect | Cut | Slow | Heal


class Event(msgspec.Struct, frozen=True):
    """An action and when it happens.

    `time_s` counts from the beginning of the measured window or, for one that `follows`, from when
    the event before has taken effect, each time that it has. With `every_s` it happens again and
    again until the window ends.
    """

    time_s: float
    action: Action
    follows: bool = False
    every_s: float | None = None

    def __str__(self) -> str:
        time = f"{'+' if self.follows else ''}{written(self.time_s)}"
        every = f" every {written(self.every_s)}" if self.every_s is not None else ""
        return f"{time}{every} {self.action}"


def parse(text: str) -> tuple[Event, ...]:
    """Return the events that fault words tell of, in the order written; raises FaultError."""
    events: list[Event] = []
    for part in re.split(r"[;\n]", text):
        if words := part.split():
            events.append(_Reader(words, events).event())
        if len(events) > OCCURRENCES_MAX:
            raise FaultError(f"must be at most {OCCURRENCES_MAX:,} events")
    return tuple(events)


def write(events: Sequence[Event]) -> str:
    """Return the words for events, on one line; `parse` reads them back the same."""
    return "; ".join(map(str, events))


class Occurrence(NamedTuple):
    """An event that happens now: every target of its action is a number."""

    time_s: float
    """When it was due."""
    action: Action
    event: int
    """Position of its event in the fault words."""
    it: int | None
    """Number that `it` stands for in what follows."""


class Timeline:
    """Says what happens next, when, and to whom.

    Wait until `next_s`, then `take` what is due, do it, and report when it `took_effect`. Reports
    may come late and in any order; what never takes effect is never followed. Nothing is due after
    the window.
    """

    def __init__(self, events: Sequence[Event], *, window_s: float, replicas: int) -> None:
        self._events = events
        self._window_s = window_s
        self._replicas = replicas
        self._order = count()
        self._due: list[tuple[float, int, int, int | None]] = []
        self._hit: dict[int, int] = {}  # Number that each event hit last.
        for index, event in enumerate(events):
            if not event.follows:
                self._plan(event.time_s, index, None)

    @property
    def next_s(self) -> float:
        """When something is due next; infinite if nothing is unless a report comes."""
        return self._due[0][0] if self._due else math.inf

    @property
    def nodes_at_stake(self) -> set[ReplicaId]:
        """The hosts whose nodes of Ray may be killed."""
        at_stake: set[ReplicaId] = set()
        for target in (each.action.target for each in self._events if is_loss_of_node(each.action)):
            is_known = target is not None and isinstance(target.who, int)
            at_stake.update([target.number] if target and is_known else range(self._replicas))
        return at_stake

    def take(self, leader: ReplicaId) -> Occurrence:
        """Take what is due at `next_s`; `leader` is the replica that leads now."""
        time_s, _, index, it = heapq.heappop(self._due)
        event = self._events[index]
        if event.every_s is not None:
            self._plan(time_s + event.every_s, index, it)
        if it is None and (named := named_by(self._events, index)) is not None:
            it = self._hit.get(named)
        action = _resolved(event.action, leader, self._replicas, it)
        if action.target is not None:
            it = self._hit[index] = action.target.number
        return Occurrence(time_s, action, index, it)

    def took_effect(self, occurrence: Occurrence, now: float) -> None:
        """Plan what follows an occurrence that has taken effect at `now`."""
        after = occurrence.event + 1
        if after < len(self._events) and self._events[after].follows:
            self._plan(now + self._events[after].time_s, after, occurrence.it)

    def _plan(self, time_s: float, index: int, it: int | None) -> None:
        if time_s < self._window_s:
            heapq.heappush(self._due, (time_s, next(self._order), index, it))


def is_loss_of_node(action: Action) -> bool:
    """Say whether a node of Ray is killed."""
    return isinstance(action, Kill) and action.target.part == "node"


def resolve(target: Target, *, leader: ReplicaId, replicas: int, it: int | None) -> int:
    """Return the number of a target; `it` is the number that the event before hit."""
    match target.who:
        case "leader":
            return leader
        case "follower":
            return (leader + 1) % replicas
        case "it":
            assert it is not None, "`it` without a target before"
            return it
        case number:
            return number


# --- Reading ------------------------------------------------------------------------------------

_PLAIN: dict[str, type[Kill | Restart | Pause | Resume | Suspect]] = {
    "kill": Kill,
    "restart": Restart,
    "pause": Pause,
    "resume": Resume,
    "suspect": Suspect,
}
"""Verbs that take a target and nothing else."""

_VERBS = (*_PLAIN, "cut", "heal", "slow")

_PARTS = get_args(Part)

_ACTORS: tuple[Part, ...] = ("host", "replica", "coordinator", "fleet")

_MAY_HIT: dict[str, tuple[Part, ...]] = {
    "pause": _ACTORS,
    "resume": _ACTORS,
    "restart": ("host", "replica", "coordinator"),
    "suspect": ("replica",),
    "cut": ("host",),
    "slow": ("host",),
}
"""What a verb may hit, if not everything."""

_UNSIGNED = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"
_TIME = re.compile(rf"(\+?)({_UNSIGNED})", re.ASCII)
_PERIOD = re.compile(f"({_UNSIGNED})", re.ASCII)
_DELAY = re.compile(f"({_UNSIGNED})ms", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class _Reader:
    """Reads the words of one event from left to right; knows the events before."""

    def __init__(self, words: Sequence[str], before: Sequence[Event]) -> None:
        self._place = place(len(before), " ".join(words))
        self._words = list(reversed(words))
        self._before = before

    def event(self) -> Event:
        follows, time_s = self._time()
        every_s = self._period() if self._took("every") else None
        if follows and not self._before:
            raise self._wrong("no event comes before it; give a time without +")
        if follows and every_s is not None and _repeats(self._before):
            raise self._wrong("repeats with the event that it follows; leave out every")
        event = Event(time_s, self._action(), follows, every_s)
        if self._words:
            raise self._wrong(f"{_shown(self._words[-1])} is one word too many")
        return event

    def _time(self) -> tuple[bool, float]:
        right = "a time in seconds, as 2 or +1.5"
        word = self._next(right)
        match = _TIME.fullmatch(word)
        if not match or math.isinf(float(match[2])):
            raise self._wrong(f"{_shown(word)} must be {right}")
        return bool(match[1]), float(match[2])

    def _period(self) -> float:
        right = "a number of seconds above 0"
        word = self._next(f"{right} after every")
        match = _PERIOD.fullmatch(word)
        if not match or not 0 < float(match[1]) < math.inf:
            raise self._wrong(f"every {_shown(word)}: must be {right}")
        return float(match[1])

    def _action(self) -> Action:
        verb = self._next(f"a verb: {_listed(_VERBS)}")
        if verb in _PLAIN:
            return _PLAIN[verb](self._target(verb))
        if verb == "cut":
            target = self._target(verb)
            return Cut(target, self._other(verb, "from", target), self._took("one-way"))
        if verb == "slow":
            target = self._target(verb)
            return Slow(target, self._other(verb, "to", target), self._delay())
        if verb == "heal":
            return Heal()
        raise self._wrong(_one_of(verb, _VERBS))

    def _target(self, verb: str) -> Target:
        parts = _MAY_HIT.get(verb, _PARTS)
        word = self._next(f"whom to {verb}: {_listed(parts)} and who, or it")
        if word == "it":
            return Target(self._checked(verb, self._part_of_it(), parts), "it")
        part = self._checked(verb, word, parts)
        return Target(part, self._who(verb, part))

    def _part_of_it(self) -> Part:
        named = named_by(self._before, len(self._before))
        if named is None:
            raise self._wrong("no event before has a target that it could mean")
        target = self._before[named].action.target
        assert target is not None
        return target.part

    def _checked(self, verb: str, word: str, parts: tuple[Part, ...]) -> Part:
        if word not in _PARTS:
            raise self._wrong(_one_of(word, (*parts, "it")))
        if (verb, word) == ("restart", "fleet"):
            raise self._wrong("a fleet cannot be restarted: its clients' numbers would start again")
        if (verb, word) == ("restart", "node"):
            raise self._wrong("a node cannot be restarted: it is lost for good")
        if word not in parts:
            raise self._wrong(f"cannot {verb} a {word}, only a {_listed(parts)}")
        return word

    def _who(self, verb: str, part: Part) -> int | Who:
        roles = () if part == "fleet" else ("leader", "follower")
        right = _listed(("a number", *roles))
        word = self._next(f"which {part}: {right}")
        if _NUMBER.fullmatch(word):
            return int(word)
        if word not in roles:
            raise self._wrong(f"{part} {_shown(word)}: must be {right}{_suggestion(word, roles)}")
        if verb in ("restart", "resume"):
            raise self._wrong(f"the {word} is a host that runs; {verb} a number, or it")
        return cast(Who, word)

    def _other(self, verb: str, preposition: str, target: Target) -> Target | None:
        if not self._took(preposition):
            return None
        other = self._target(verb)
        if other == target:
            raise self._wrong("the two hosts must be different ones")
        return other

    def _delay(self) -> float:
        right = f"a delay of at most {DELAY_MS_MAX:,} ms, as by 20ms"
        if not self._took("by"):
            raise self._wrong(f"lacks {right}")
        word = self._next(right)
        match = _DELAY.fullmatch(word)
        if not match or not 0 < float(match[1]) <= DELAY_MS_MAX:
            raise self._wrong(f"by {_shown(word)}: must be {right}")
        return float(match[1])

    def _next(self, right: str) -> str:
        if not self._words:
            raise self._wrong(f"lacks {right}")
        return self._words.pop()

    def _took(self, word: str) -> bool:
        if self._words[-1:] != [word]:
            return False
        self._words.pop()
        return True

    def _wrong(self, reason: str) -> FaultError:
        return FaultError(f"{self._place}: {reason}")


def place(index: int, words: str) -> str:
    """Write which event it is, by its position and its words."""
    return f"event {index + 1} ({_shown(words)})"


def _shown(text: str) -> str:
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def written(number: float) -> str:
    """Write a number as short as it reads back the same."""
    return str(number).removesuffix(".0")


def _one_of(wrong: str, known: Sequence[str]) -> str:
    return f"{_shown(wrong)} must be {_listed(known)}{_suggestion(wrong, known)}"


def _suggestion(wrong: str, known: Sequence[str]) -> str:
    close = get_close_matches(wrong.lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(names: Sequence[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} or {last}" if some else last


# --- What an event refers to --------------------------------------------------------------------


def named_by(events: Sequence[Event], index: int) -> int | None:
    """Return the last event before `index` that says whom it hits: who `it` is at `index`."""
    for earlier in reversed(range(index)):
        target = events[earlier].action.target
        if target is not None and target.who != "it":
            return earlier
    return None


def head(events: Sequence[Event], index: int) -> int:
    """Return the event with a time of its own that `index` follows, directly or through others."""
    while events[index].follows:
        index -= 1
    return index


def _repeats(events: Sequence[Event]) -> bool:
    """Say whether what follows the last of `events` happens more than once."""
    return any(event.every_s is not None for event in events[head(events, len(events) - 1) :])


def targets_of(action: Action) -> Iterator[Target]:
    """Yield whom an action hits, and the other end of a link."""
    if action.target is not None:
        yield action.target
    if isinstance(action, Cut | Slow) and action.other is not None:
        yield action.other


def _resolved(action: Action, leader: ReplicaId, replicas: int, it: int | None) -> Action:
    def numbered(target: Target) -> Target:
        number = resolve(target, leader=leader, replicas=replicas, it=it)
        return Target(target.part, number)

    if isinstance(action, Heal):
        return action
    if isinstance(action, Cut | Slow) and action.other is not None:
        action = msgspec.structs.replace(action, other=numbered(action.other))
    return msgspec.structs.replace(action, target=numbered(action.target))
