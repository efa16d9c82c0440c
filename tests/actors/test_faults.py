"""The fault words: what can be said, what is refused, and what a timeline makes of it."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from actors import faults
from actors.core.config import CrashModel
from actors.core.ids import Address
from actors.faults import (
    Action,
    Cut,
    Event,
    FaultError,
    Heal,
    Kill,
    Occurrence,
    Part,
    Pause,
    Restart,
    Resume,
    Slow,
    Suspect,
    Target,
    Timeline,
    Who,
    parse,
    resolve,
)
from tests.actors.test_fault_checks import problems

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
WINDOW_S = 10.0


# --- What can be said ---------------------------------------------------------------------------

LEADER, HOST_0, HOST_1 = Target("host", "leader"), Target("host", 0), Target("host", 1)

SAID = {
    "2 kill host leader": Event(2.0, Kill(LEADER)),
    "2 kill node leader": Event(2.0, Kill(Target("node", "leader"))),
    "2.5 kill fleet 3": Event(2.5, Kill(Target("fleet", 3))),
    "0 pause coordinator follower": Event(0.0, Pause(Target("coordinator", "follower"))),
    "1 resume replica 2": Event(1.0, Resume(Target("replica", 2))),
    "1 restart host 1": Event(1.0, Restart(HOST_1)),
    "5 every 0.5 suspect replica follower": Event(
        5.0, Suspect(Target("replica", "follower")), every_s=0.5
    ),
    "2 cut host leader": Event(2.0, Cut(LEADER)),
    "2 cut host leader one-way": Event(2.0, Cut(LEADER, one_way=True)),
    "2 cut host 0 from host 1": Event(2.0, Cut(HOST_0, HOST_1)),
    "2 cut host 0 from host 1 one-way": Event(2.0, Cut(HOST_0, HOST_1, one_way=True)),
    "2 slow host 0 by 20ms": Event(2.0, Slow(HOST_0, None, 20.0)),
    "2 slow host 0 to host 1 by 0.5ms": Event(2.0, Slow(HOST_0, HOST_1, 0.5)),
    "2 heal": Event(2.0, Heal()),
}


@pytest.mark.parametrize(("words", "event"), SAID.items(), ids=SAID)
def test_an_event_is_read_and_written(words: str, event: Event) -> None:
    assert parse(words) == (event,)
    assert str(event) == words


def test_events_stand_between_semicolons_or_on_lines() -> None:
    assert parse("\n 1 heal;;2\theal \r\n\n3 heal;") == parse("1 heal; 2 heal; 3 heal")
    assert parse(" ;\n ") == ()


def test_it_has_the_part_of_the_last_target_named() -> None:
    killed, healed, restarted = parse("2 kill replica leader; +1 heal; +3 restart it")
    assert restarted == Event(3.0, Restart(Target("replica", "it")), follows=True)
    assert faults.write((killed, healed, restarted)) == (
        "2 kill replica leader; +1 heal; +3 restart it"
    )


numbers = st.integers(0, 2) | st.integers(0, 999_999_999)
seconds = st.floats(0, allow_infinity=False, allow_nan=False)
periods = st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)
delays = st.floats(0, faults.DELAY_MS_MAX, exclude_min=True)
WHOEVER = st.one_of(numbers, st.sampled_from(["leader", "follower"]))
HOSTS = st.builds(Target, st.just("host"), WHOEVER)
NODES = st.builds(Target, st.sampled_from(["host", "replica", "coordinator"]), WHOEVER)
RAY_NODES = st.builds(Target, st.just("node"), WHOEVER)
FLEETS = st.builds(Target, st.just("fleet"), numbers)


def _two_hosts(build: Callable[[Target, Target | None], Action]) -> st.SearchStrategy[Action]:
    pairs = st.tuples(HOSTS, st.none() | HOSTS).filter(lambda pair: pair[0] != pair[1])
    return pairs.map(lambda pair: build(*pair))


@st.composite
def actions(draw: st.DrawFn) -> Action:
    by_ms, one_way = draw(delays), draw(st.booleans())
    returning = st.builds(Target, st.sampled_from(["host", "replica", "coordinator"]), numbers)
    action: Action = draw(
        st.one_of(
            st.builds(Kill, NODES | FLEETS | RAY_NODES),
            st.builds(Pause, NODES | FLEETS),
            st.builds(Restart, returning),
            st.builds(Resume, returning | FLEETS),
            st.builds(Suspect, st.builds(Target, st.just("replica"), WHOEVER)),
            _two_hosts(lambda target, other: Cut(target, other, one_way)),
            _two_hosts(lambda target, other: Slow(target, other, by_ms)),
            st.just(Heal()),
        )
    )
    return action


@st.composite
def stories(draw: st.DrawFn) -> tuple[Event, ...]:
    """Events as they may follow each other, `it` among them."""
    events: list[Event] = []
    part: Part | None = None
    is_repeated = False
    for action in draw(st.lists(actions(), max_size=6)):
        follows = bool(events) and draw(st.booleans())
        may_repeat = not (follows and is_repeated)
        every_s = draw(st.none() | periods) if may_repeat else None
        is_repeated = every_s is not None or (follows and is_repeated)
        said: Action = action
        if part is not None and draw(st.booleans()):
            it = Target(part, "it")
            about_it: list[Action] = [Kill(it), Pause(it), Resume(it)]
            said = draw(st.sampled_from(about_it[:1] if part == "node" else about_it))
        elif action.target is not None:
            part = action.target.part
        events.append(Event(draw(seconds), said, follows, every_s))
    return tuple(events)


@given(events=stories())
def test_what_is_written_reads_back_the_same(events: tuple[Event, ...]) -> None:
    assert parse(faults.write(events)) == events


# --- What is refused ----------------------------------------------------------------------------

VERBS = "kill, restart, pause, resume, suspect, cut, heal or slow"
NONSENSE = {
    "kill host 1": "kill must be a time in seconds, as 2 or +1.5",
    "2s kill host 1": "2s must be a time in seconds, as 2 or +1.5",
    "-2 heal": "-2 must be a time in seconds, as 2 or +1.5",
    "nan heal": "nan must be a time in seconds, as 2 or +1.5",
    "1e999 heal": "1e999 must be a time in seconds, as 2 or +1.5",
    "٢ heal": "٢ must be a time in seconds, as 2 or +1.5",
    "+2 heal": "no event comes before it; give a time without +",
    "2 every heal": "every heal: must be a number of seconds above 0",
    "2 every 0 heal": "every 0: must be a number of seconds above 0",
    "2 every": "lacks a number of seconds above 0 after every",
    "2": f"lacks a verb: {VERBS}",
    "2 kil host 1": f"kil must be {VERBS}; did you mean kill?",
    "2 KILL host 1": f"KILL must be {VERBS}; did you mean kill?",
    "2 kill": "lacks whom to kill: host, replica, coordinator, fleet or node and who, or it",
    "2 kill leader": "leader must be host, replica, coordinator, fleet, node or it",
    "2 kill hots 1": (
        "hots must be host, replica, coordinator, fleet, node or it; did you mean host?"
    ),
    "2 kill it": "no event before has a target that it could mean",
    "2 kill host": "lacks which host: a number, leader or follower",
    "2 kill host laeder": (
        "host laeder: must be a number, leader or follower; did you mean leader?"
    ),
    "2 kill host -1": "host -1: must be a number, leader or follower",
    "2 kill host 1.5": "host 1.5: must be a number, leader or follower",
    "2 kill fleet leader": "fleet leader: must be a number",
    "2 kill host 1 now": "now is one word too many",
    "2 kill host 1, 3 heal": "host 1,: must be a number, leader or follower",
    "2 restart fleet 0": "a fleet cannot be restarted: its clients' numbers would start again",
    "2 restart host leader": "the leader is a host that runs; restart a number, or it",
    "2 restart node 0": "a node cannot be restarted: it is lost for good",
    "2 pause node 0": "cannot pause a node, only a host, replica, coordinator or fleet",
    "2 cut node 0": "cannot cut a node, only a host",
    "2 suspect host 1": "cannot suspect a host, only a replica",
    "2 cut replica 1": "cannot cut a replica, only a host",
    "2 cut host 1 from": "lacks whom to cut: host and who, or it",
    "2 cut host 1 from host 1": "the two hosts must be different ones",
    "2 cut host 1 one-way from host 2": "from is one word too many",
    "2 slow host 1": "lacks a delay of at most 60,000 ms, as by 20ms",
    "2 slow host 1 by": "lacks a delay of at most 60,000 ms, as by 20ms",
    "2 slow host 1 by 20": "by 20: must be a delay of at most 60,000 ms, as by 20ms",
    "2 slow host 1 by 0ms": "by 0ms: must be a delay of at most 60,000 ms, as by 20ms",
    "2 slow host 1 by 60001ms": "by 60001ms: must be a delay of at most 60,000 ms, as by 20ms",
    "2 heal host 1": "host is one word too many",
}


@pytest.mark.parametrize(("words", "reason"), NONSENSE.items(), ids=NONSENSE)
def test_nonsense_is_told_in_one_line(words: str, reason: str) -> None:
    with pytest.raises(FaultError) as refusal:
        parse(words)
    assert str(refusal.value) == f"event 1 ({words}): {reason}"


LATER_NONSENSE = {
    "1 kill host 1; +1 suspect it": "cannot suspect a host, only a replica",
    "1 kill fleet 0; +1 restart it": (
        "a fleet cannot be restarted: its clients' numbers would start again"
    ),
    "1 kill node 0; +1 restart it": "a node cannot be restarted: it is lost for good",
    "1 every 5 heal; +1 every 1 heal": "repeats with the event that it follows; leave out every",
}


@pytest.mark.parametrize(("words", "reason"), LATER_NONSENSE.items(), ids=LATER_NONSENSE)
def test_an_event_is_named_by_its_place_and_its_words(words: str, reason: str) -> None:
    with pytest.raises(FaultError) as refusal:
        parse(words)
    assert str(refusal.value) == f"event 2 ({words.partition('; ')[2]}): {reason}"


WORDS = [
    *VERBS.replace(",", "").split(),
    *("host", "node", "replica", "fleet", "leader", "it", "every", "from", "to", "by", "one-way"),
    *("0", "1", "+1", "2.5", "20ms", ";", "\n", "\x1b"),
]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_whatever_is_said_is_read_or_refused_in_one_printable_line(text: str) -> None:
    try:
        parse(text)
    except FaultError as refusal:
        assert str(refusal).isprintable()  # noqa: PT017 - many texts are read.


def test_a_long_word_is_cut_short() -> None:
    with pytest.raises(FaultError) as refusal:
        parse(f"2 {'x' * 10_000}")
    assert len(str(refusal.value)) < 300


def test_too_many_events_are_refused() -> None:
    with pytest.raises(FaultError, match=r"^must be at most 1,000 events$"):
        parse("1 heal;" * 1001)


# --- What happens when --------------------------------------------------------------------------


def play(
    words: str, leaders: Callable[[float], int] = lambda _: 0, restart_s: float = 0.0
) -> list[tuple[float, str]]:
    """Let a window pass in which a restart takes `restart_s`, all else no time."""
    timeline = Timeline(parse(words), window_s=WINDOW_S, replicas=3)
    seen: list[tuple[float, str]] = []
    reports: list[tuple[float, Occurrence]] = []
    while min(timeline.next_s, *(time_s for time_s, _ in reports), math.inf) < math.inf:
        reports.sort(key=lambda report: report[0])
        if reports and reports[0][0] <= timeline.next_s:
            now, occurrence = reports.pop(0)
            timeline.took_effect(occurrence, now)
            continue
        now = timeline.next_s
        occurrence = timeline.take(leaders(now))
        assert occurrence.time_s == now
        seen.append((now, str(occurrence.action)))
        took_s = restart_s if isinstance(occurrence.action, Restart) else 0.0
        reports.append((now + took_s, occurrence))
    return seen


def test_events_come_in_the_order_of_their_times() -> None:
    assert play("3 heal; 1 kill host 2; 3 kill host 1") == [
        (1.0, "kill host 2"),
        (3.0, "heal"),
        (3.0, "kill host 1"),
    ]


def test_leader_and_follower_are_those_of_the_moment() -> None:
    words = "1 every 4 cut host leader from host follower"
    assert play(words, leaders=lambda now: int(now) % 3) == [
        (1.0, "cut host 1 from host 2"),
        (5.0, "cut host 2 from host 0"),
        (9.0, "cut host 0 from host 1"),
    ]


def test_it_stays_the_same_when_another_leads() -> None:
    words = "2 kill host leader; +3 heal; +1 restart it; 7 slow it by 1ms"
    assert play(words, leaders=lambda now: int(now >= 3)) == [
        (2.0, "kill host 0"),
        (5.0, "heal"),
        (6.0, "restart host 0"),
        (7.0, "slow host 0 by 1ms"),
    ]


def test_what_follows_waits_for_what_takes_long() -> None:
    words = "1 kill host 0; +1 restart it; +1 kill host 1; +1 restart it; +1 heal"
    assert play(words, restart_s=2.5) == [
        (1.0, "kill host 0"),
        (2.0, "restart host 0"),
        (5.5, "kill host 1"),
        (6.5, "restart host 1"),
    ], "the last would come when the window has ended"


def test_what_follows_a_repeated_event_follows_it_every_time() -> None:
    """Also where the next has come before: each story keeps its own `it`."""
    words = "1 every 4 kill host leader; +5 restart it"
    assert play(words, leaders=lambda now: int(now) // 4) == [
        (1.0, "kill host 0"),
        (5.0, "kill host 1"),
        (6.0, "restart host 0"),
        (9.0, "kill host 2"),
    ]


def test_a_follower_may_repeat_by_itself() -> None:
    assert play("1 kill host 2; +2 every 3 suspect replica 1") == [
        (1.0, "kill host 2"),
        (3.0, "suspect replica 1"),
        (6.0, "suspect replica 1"),
        (9.0, "suspect replica 1"),
    ]


def test_nothing_is_due_until_what_it_follows_has_taken_effect() -> None:
    timeline = Timeline(parse("2 heal; +1 heal"), window_s=WINDOW_S, replicas=3)
    occurrence = timeline.take(leader=0)
    assert timeline.next_s == math.inf
    timeline.took_effect(occurrence, 4.5)
    assert timeline.next_s == 5.5


TIMES = st.sampled_from(["1", "2", "3", "+0", "+1", "+2", "1 every 2", "3 every 3", "+1 every 3"])
ABOUT_HOSTS = st.sampled_from(
    ["kill host leader", "kill it", "restart it", "cut it", "slow it by 1ms"]
)


@given(
    first=st.sampled_from(["1", "3", "1 every 2"]),
    rest=st.lists(st.tuples(TIMES, ABOUT_HOSTS | st.just("heal")), max_size=5),
    restart_s=st.integers(0, 9),
)
def test_what_was_checked_can_be_played(
    first: str, rest: list[tuple[str, str]], restart_s: float
) -> None:
    """Above all, `it` is known whenever it is hit, however long a restart takes."""
    words = "; ".join([f"{first} kill host 2", *map(" ".join, rest)])
    try:
        assume(not problems(words))
    except FaultError:
        reject()
    seen = play(words, restart_s=restart_s)
    assert [time_s for time_s, _ in seen] == sorted(time_s for time_s, _ in seen)
    assert all(time_s < WINDOW_S for time_s, _ in seen)
    assert len(seen) >= sum(not event.follows for event in parse(words))


@given(words=st.sampled_from(sorted(SAID)), leader=st.integers(0, 2))
def test_whatever_happens_hits_numbers(words: str, leader: int) -> None:
    timeline = Timeline(parse(words), window_s=WINDOW_S, replicas=3)
    action = timeline.take(leader).action
    assert "leader" not in str(action)
    assert "follower" not in str(action)


# --- Targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "number"), [(1, 1), ("leader", 2), ("follower", 0), ("it", 7)])
def test_a_target_is_resolved_to_a_number(who: int | Who, number: int) -> None:
    assert resolve(Target("host", who), leader=2, replicas=3, it=7) == number


def test_a_host_is_its_replica_and_its_coordinator() -> None:
    replica, coordinator = Address("replica", 1), Address("coordinator", 1)
    assert HOST_1.nodes(has_coordinators=True) == (replica, coordinator)
    assert HOST_1.nodes(has_coordinators=False) == (replica,)
    assert Target("coordinator", 1).nodes(has_coordinators=True) == (coordinator,)
    assert Target("fleet", 1).nodes(has_coordinators=False) == (Address("fleet", 1),)


def test_a_row_of_the_table_of_events_can_be_made_of_an_action() -> None:
    [event] = parse("2 cut host 0 from host 1 one-way")
    action = event.action
    assert isinstance(action, Cut)
    row = (action.verb, action.target.name, action.detail)
    assert row == ("cut", "host-0", "from host 1 one-way")


def test_whose_node_may_be_lost_is_known_beforehand() -> None:
    assert _at_stake("1 kill host 1") == set()
    assert _at_stake("1 kill node 1; 2 kill host 2") == {1}
    assert _at_stake("1 kill node leader") == {0, 1, 2}


def _at_stake(words: str) -> set[int]:
    return Timeline(parse(words), window_s=WINDOW_S, replicas=3).nodes_at_stake


# --- The page -----------------------------------------------------------------------------------


def test_the_examples_of_the_page_make_sense() -> None:
    [examples] = re.findall(r"^```faults\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for words in examples.splitlines():
        assert problems(words) == []


def test_the_page_tells_of_every_verb_and_every_target() -> None:
    told = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    verbs = {kind.__name__.lower() for kind in get_args(Action)}
    assert verbs | set(get_args(Part)) | set(get_args(Who)) | set(get_args(CrashModel)) <= told
