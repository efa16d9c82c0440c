"""Every checker is silent about what is right and names what is wrong."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.core.columns import Cells
from actors.core.ids import BatchId
from actors.services import kv
from actors.sim.checkers import SAFETY, check_all, liveness, real_time, replies
from actors.sim.history import (
    Decision,
    History,
    Order,
    Proposal,
    Replied,
    Request,
    Sent,
    stamped,
)

REPLICAS = 3


class Story:
    """A run of the kv service that goes well; every step is one client frame or one execution."""

    def __init__(self) -> None:
        self.events: list[Sent | Replied] = []
        self.commands: list[bytes] = []
        self.moments: list[int] = []
        self._service = kv.KvService()
        self._sent: dict[Request, bytes] = {}
        self._replies: dict[Request, bytes] = {}

    def send(self, client: int, sequence: int, command: bytes = b"") -> None:
        request = Request(client, sequence)
        command = self._sent.setdefault(request, command)
        moment = len(self.events)
        self.events.append(Sent(moment, float(moment), request, stamped(request, command)))

    def execute(self, client: int, sequence: int) -> None:
        request = Request(client, sequence)
        (self._replies[request],) = self._service.execute(Cells.of([self._sent[request]])).values()
        self.commands.append(stamped(request, self._sent[request]))
        self.moments.append(len(self.events))

    def reply(self, client: int, sequence: int) -> None:
        request = Request(client, sequence)
        moment = len(self.events)
        self.events.append(Replied(moment, float(moment), request, self._replies[request]))

    def call(self, client: int, sequence: int, command: bytes) -> None:
        self.send(client, sequence, command)
        self.execute(client, sequence)
        self.reply(client, sequence)

    def history(self) -> History:
        orders = [
            Order(host, 0, list(self.commands), list(self.moments), settled=True)
            for host in range(REPLICAS)
        ]
        return History(kv.KvService, 2, list(self.events), orders)


def good() -> History:
    """Two clients write and read one key, each after the other but for the last two requests."""
    story = Story()
    story.call(0, 1, kv.put(b"k", b"one"))
    story.call(1, 1, kv.get(b"k"))
    story.call(0, 2, kv.put(b"k", b"two"))
    story.call(1, 2, kv.get(b"k"))
    story.send(0, 3, kv.put(b"k", b"three"))
    story.send(1, 3, kv.get(b"k"))
    story.execute(1, 3)
    story.execute(0, 3)
    story.reply(0, 3)
    story.reply(1, 3)
    decisions = [
        Decision(1.0, host, instance, b"v%d" % instance) for host in range(3) for instance in (0, 1)
    ]
    proposals = [Proposal(1.0, 0, 0, BatchId(1, 1), (0, 2))]
    return replace(story.history(), decisions=decisions, proposals=proposals)


def found(history: History) -> set[str]:
    """Return the names of the checkers that find something."""
    return {violation.checker for violation in check_all(history)}


def with_orders(history: History, change: Callable[[Order], Order | None]) -> History:
    """Change every order, or take it out."""
    changed = [change(order) for order in history.orders]
    return replace(history, orders=[order for order in changed if order])


def with_rows(history: History, rows: Sequence[int], hosts: Sequence[int] = (0, 1, 2)) -> History:
    """Let some hosts have executed those positions of their order, in that order."""

    def change(order: Order) -> Order:
        if order.host not in hosts:
            return order
        return replace(
            order,
            commands=[order.commands[row] for row in rows],
            moments=[order.moments[row] for row in rows],
        )

    return with_orders(history, change)


def with_command(
    history: History, row: int, command: bytes, hosts: Sequence[int] = (0, 1, 2)
) -> History:
    """Let some hosts have executed another command at a position."""

    def change(order: Order) -> Order:
        commands = [*order.commands[:row], command, *order.commands[row + 1 :]]
        return replace(order, commands=commands) if order.host in hosts else order

    return with_orders(history, change)


def with_events(history: History, events: Sequence[Sent | Replied]) -> History:
    """Let that have happened to the clients, in that order."""
    return replace(history, events=[event._replace(moment=i) for i, event in enumerate(events)])


def with_reply(history: History, request: Request, reply: bytes) -> History:
    return with_events(
        history,
        [
            event._replace(reply=reply)
            if isinstance(event, Replied) and event.request == request
            else event
            for event in history.events
        ],
    )


def ok(value: bytes = b"") -> bytes:
    return bytes([kv.Status.OK]) + value


# --- What is right ------------------------------------------------------------------------------


def test_nothing_is_found_in_a_good_history() -> None:
    assert check_all(good()) == []


def test_nothing_is_found_where_nothing_happened() -> None:
    assert check_all(History(kv.KvService, 2, [], [])) == []


def test_a_replica_that_lags_or_crashed_breaks_nothing() -> None:
    history = with_rows(good(), range(2), hosts=[2])
    unsettled = with_orders(history, lambda o: replace(o, settled=o.host != 2))
    assert check_all(unsettled) == []


def test_a_life_that_ends_early_and_one_from_a_snapshot_break_nothing() -> None:
    history = with_rows(good(), range(2), hosts=[2])
    former = replace(history.orders[2], settled=False)
    restored = replace(history.orders[0], host=2, life=1, moments=[10] * 6)
    assert check_all(replace(history, orders=[*history.orders[:2], former, restored])) == []


def test_a_request_that_was_never_acknowledged_may_be_executed_or_not() -> None:
    history = good()
    unanswered = with_events(history, [e for e in history.events if e != history.events[-1]])
    assert check_all(unanswered) == []
    assert check_all(with_rows(unanswered, [0, 1, 2, 3, 5])) == []


def test_a_request_that_is_sent_and_answered_again_breaks_nothing() -> None:
    history = good()
    again = [history.events[0], history.events[1]]
    assert check_all(with_events(history, [*history.events, *again])) == []


def test_concurrent_requests_may_be_executed_in_any_order_that_explains_the_replies() -> None:
    swapped = with_rows(good(), [0, 1, 2, 3, 5, 4])
    assert found(swapped) == {"replies"}
    assert check_all(with_reply(swapped, Request(1, 3), ok(b"three"))) == []


# --- What is wrong, in one way each -------------------------------------------------------------

REQUEST_1_3 = Request(1, 3)


def disagreeing(history: History) -> History:
    return replace(history, decisions=[*history.decisions, Decision(2.0, 1, 0, b"other")])


def moved_before(history: History, event: int, other: int) -> History:
    events = list(history.events)
    events.insert(other, events.pop(event))
    return with_events(history, events)


def executed_at(history: History, row: int, moment: int) -> History:
    return with_orders(
        history,
        lambda o: replace(o, moments=[*o.moments[:row], moment, *o.moments[row + 1 :]]),
    )


BAD: dict[str, tuple[Callable[[History], History], set[str]]] = {
    "an instance decided in two ways": (disagreeing, {"agreement"}),
    "a life that decides otherwise than the one before": (
        lambda h: replace(h, decisions=[Decision(0, 0, 9, b"a"), Decision(5, 0, 9, b"b")]),
        {"agreement"},
    ),
    "two swapped at one replica": (
        lambda h: with_rows(h, [0, 1, 2, 3, 5, 4], hosts=[1]),
        {"agreement"},
    ),
    "one dropped in the middle at one replica": (
        lambda h: with_rows(h, [0, 2, 3, 4, 5], hosts=[1]),
        # It is also missing there.
        {"agreement", "durability"},
    ),
    "another command at one replica": (
        lambda h: with_command(h, 5, stamped(Request(0, 3), b"x"), hosts=[1]),
        {"agreement", "validity"},
    ),
    "a former life that executed otherwise": (
        lambda h: replace(
            h,
            orders=[
                Order(0, 0, h.orders[0].commands[:1] + h.orders[0].commands[2:3], [9, 9]),
                *h.orders,
            ],
        ),
        {"agreement"},
    ),
    "a settled replica that lacks the last": (
        lambda h: with_rows(h, range(5), hosts=[1]),
        {"agreement", "durability"},
    ),
    "one executed twice in a row": (lambda h: with_rows(h, [0, 0, 1, 2, 3, 4, 5]), {"integrity"}),
    "one executed again later": (
        lambda h: with_rows(h, [0, 1, 2, 3, 4, 5, 5]),
        {"integrity"},
    ),
    "a read executed again when the next one of its client was sent": (
        lambda h: with_rows(h, [0, 1, 2, 1, 3, 4, 5]),
        {"integrity", "real time"},
    ),
    "one executed that nobody sent": (
        lambda h: with_command(h, 5, stamped(Request(7, 1), kv.put(b"k", b"v"))),
        # It stands in the place of one that is acknowledged.
        {"validity", "durability"},
    ),
    "one executed that is not what was sent": (
        lambda h: with_command(h, 5, stamped(Request(0, 3), kv.put(b"k", b"four"))),
        {"validity"},
    ),
    "one executed that has lost its stamp": (
        lambda h: with_command(h, 5, b"abc"),
        {"validity", "durability"},
    ),
    "one executed before it is sent": (lambda h: executed_at(h, 2, 4), {"validity"}),
    "a reply before the request": (
        lambda h: moved_before(h, event=11, other=9),
        {"validity"},
    ),
    "a reply to what nobody sent": (
        lambda h: with_events(h, [*h.events, Replied(0, 0.0, Request(9, 9), b"")]),
        {"validity"},
    ),
    "a retry that asks for something else": (
        lambda h: with_events(
            h, [*h.events, Sent(0, 0.0, Request(0, 1), stamped(Request(0, 1), b"x"))]
        ),
        {"validity"},
    ),
    "a request with the stamp of another": (
        lambda h: with_events(
            h, [*h.events, Sent(0, 0.0, Request(0, 4), stamped(Request(1, 4), b"x"))]
        ),
        {"validity"},
    ),
    "a batch proposed that one replica holds": (
        lambda h: replace(h, proposals=[Proposal(1.0, 0, 4, BatchId(4, 7), (1,))]),
        {"stability"},
    ),
    "an acknowledged request that is nowhere": (
        lambda h: with_rows(h, [0, 1, 2, 3, 5]),
        {"durability"},
    ),
    "an acknowledged request that nobody has settled with": (
        lambda h: with_orders(with_rows(h, [0, 1, 2, 3, 5]), lambda o: replace(o, settled=False)),
        {"durability"},
    ),
    "an acknowledged request that only a replica which crashed has executed": (
        lambda h: replace(
            with_rows(h, range(5)),
            orders=[replace(h.orders[0], settled=False)]
            + [o for o in with_rows(h, range(5)).orders if o.host],
        ),
        {"durability"},
    ),
    "an acknowledged request that is executed later": (
        lambda h: executed_at(h, 0, 12),
        {"durability"},
    ),
    "two in the wrong order, which the replies cannot tell": (
        lambda _: with_two_reads_swapped(),
        # Whoever answers the first one early has not executed it.
        {"real time", "durability"},
    ),
    "the requests of one client in the wrong order": (
        lambda h: with_rows(with_reply(h, Request(0, 3), ok()), [0, 1, 4, 3, 5, 2]),
        {"real time", "replies"},
    ),
    "a wrong reply": (lambda h: with_reply(h, REQUEST_1_3, ok(b"four")), {"replies"}),
    "a read of what was there before": (
        lambda h: with_reply(h, Request(1, 2), ok(b"one")),
        {"replies"},
    ),
    "a read of what is written later": (
        lambda h: with_reply(h, REQUEST_1_3, ok(b"three")),
        {"replies"},
    ),
    "a second reply that differs from the first": (
        lambda h: with_events(h, [*h.events, Replied(0, 0.0, Request(1, 1), ok(b"two"))]),
        {"replies"},
    ),
}


def with_two_reads_swapped() -> History:
    story = Story()
    story.call(0, 1, kv.get(b"k"))
    story.call(1, 1, kv.get(b"k"))
    return with_orders(
        story.history(),
        lambda o: replace(o, commands=o.commands[::-1], moments=[4, 4]),
    )


@pytest.mark.parametrize("name", BAD)
def test_it_finds(name: str) -> None:
    corrupt, checkers = BAD[name]
    assert found(corrupt(good())) == checkers


def test_a_violation_is_one_line_that_names_request_instance_and_replicas() -> None:
    (disagreement,) = check_all(disagreeing(good()))
    assert str(disagreement) == (
        "agreement: instance 0: replica 0 decides 0x7630 at 1.000000 s, "
        "replica 1 decides 0x6f74686572 at 2.000000 s"
    )
    (wrong,) = check_all(with_reply(good(), REQUEST_1_3, bytes(30)))
    assert str(wrong) == (
        f"replies: request 3 of client 1 is answered 0x{bytes(24).hex()}... (30 bytes) "
        "at 11.000000 s, but the order gives 0x0074776f"
    )


def test_liveness_names_the_clients_that_get_nowhere_after_the_faults() -> None:
    history = good()
    assert liveness(history, range(2), healed_at_s=3.0, bound_s=10.0, requests=2) == []
    stuck = liveness(history, range(3), healed_at_s=6.0, bound_s=4.5, requests=2)
    assert [str(violation).split(", not 2")[0] for violation in stuck] == [
        "liveness: client 0 has 1 requests acknowledged",
        "liveness: client 1 has 1 requests acknowledged",
        "liveness: client 2 has 0 requests acknowledged",
    ]
    assert "liveness" not in {checker.__name__ for checker in SAFETY}


# --- Random histories ---------------------------------------------------------------------------

COMMANDS = [
    kv.get(b"a"),
    kv.get(b"b"),
    kv.put(b"a", b"1"),
    kv.put(b"b", b"2"),
    kv.delete(b"a"),
    kv.compare_and_set(b"a", b"1", b"2"),
]


@st.composite
def stories(draw: st.DrawFn, steps_min: int = 0) -> History:
    """Draw a run that goes well: clients take turns to send, have executed, and be answered."""
    story = Story()
    sequences = [0, 0, 0]
    stages = [0, 0, 0]
    turn = st.tuples(st.integers(0, 2), st.sampled_from(COMMANDS), st.integers(0, 4))
    for client, command, luck in draw(st.lists(turn, min_size=steps_min, max_size=40)):
        if stages[client] == 0:
            sequences[client] += 1
            story.send(client, sequences[client], command)
        elif luck == 0:  # The client asks again, or hears again what it heard before.
            story.send(client, sequences[client])
            continue
        elif stages[client] == 1:
            story.execute(client, sequences[client])
        else:
            story.reply(client, sequences[client])
            if luck == 1:
                story.reply(client, sequences[client])
        stages[client] = (stages[client] + 1) % 3
    return story.history()


@given(stories())
def test_whatever_goes_well_passes(history: History) -> None:
    assert check_all(history) == []


@given(stories(), st.data())
def test_replicas_that_lag_pass_unless_they_are_said_to_have_settled(
    history: History, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(history.orders[0].commands)))
    lagging = with_rows(history, range(length), hosts=[1])
    assert check_all(with_orders(lagging, lambda o: replace(o, settled=o.host != 1))) == []


def executed_rows(history: History, data: st.DataObject) -> int:
    """Draw a position of the order; there is one."""
    length = len(history.orders[0].commands)
    assume(length)
    return data.draw(st.integers(0, length - 1))


@given(stories(steps_min=6), st.data())
def test_a_repeated_execution_is_always_caught(history: History, data: st.DataObject) -> None:
    row, at = executed_rows(history, data), executed_rows(history, data)
    rows = list(range(len(history.orders[0].commands)))
    assert "integrity" in found(with_rows(history, [*rows[:at], row, *rows[at:]]))


@given(stories(steps_min=6), st.data())
def test_a_lost_acknowledged_request_is_always_caught(
    history: History, data: st.DataObject
) -> None:
    acknowledged = [request for request, call in history.calls.items() if call.replied]
    assume(acknowledged)
    lost = history.orders[0].requests.index(data.draw(st.sampled_from(acknowledged)))
    hosts = data.draw(st.sampled_from([(0,), (2,), (0, 1, 2)]))
    rows = [row for row in range(len(history.orders[0].commands)) if row != lost]
    assert "durability" in found(with_rows(history, rows, hosts))


@given(stories(steps_min=6), st.data())
def test_an_altered_command_is_always_caught(history: History, data: st.DataObject) -> None:
    row = executed_rows(history, data)
    position = data.draw(st.integers(0, len(history.orders[0].commands[row]) - 1))
    altered = bytearray(history.orders[0].commands[row])
    altered[position] ^= data.draw(st.integers(1, 255))
    assume(bytes(altered) not in {e.command for e in history.events if isinstance(e, Sent)})
    assert "validity" in found(with_command(history, row, bytes(altered)))
    assert "agreement" in found(with_command(history, row, bytes(altered), hosts=[1]))


@given(stories(steps_min=6), st.data(), st.binary(max_size=4))
def test_an_altered_reply_is_always_caught(
    history: History, data: st.DataObject, reply: bytes
) -> None:
    rows = [row for row, event in enumerate(history.events) if isinstance(event, Replied)]
    assume(rows)
    events = list(history.events)
    row = data.draw(st.sampled_from(rows))
    assume(events[row].reply != reply)
    events[row] = events[row]._replace(reply=reply)
    assert "replies" in found(with_events(history, events))


@given(stories(steps_min=6), st.data())
def test_two_swapped_that_were_not_concurrent_are_always_caught(
    history: History, data: st.DataObject
) -> None:
    calls = [history.calls[request] for request in history.orders[0].requests]
    swaps = [
        (i, j)
        for (i, one), (j, other) in itertools.combinations(enumerate(calls), 2)
        if one.replied and one.replied.moment < other.sent.moment
    ]
    assume(swaps)
    i, j = data.draw(st.sampled_from(swaps))
    rows = list(range(len(calls)))
    rows[i], rows[j] = j, i
    assert "real time" in found(with_rows(history, rows))


# --- Against brute force ------------------------------------------------------------------------


@st.composite
def tiny_histories(draw: st.DrawFn) -> History:
    """Draw up to four requests on one key, overlapping and answered at random, with no order."""
    commands = [kv.get(b"k"), kv.put(b"k", b"1"), kv.put(b"k", b"2")]
    answers = [ok(), ok(b"1"), ok(b"2"), bytes([kv.Status.NOT_FOUND])]
    events: list[Sent | Replied] = []
    for client in range(draw(st.integers(1, 4))):
        request = Request(client, 1)
        at = draw(st.integers(0, len(events)))
        command = draw(st.sampled_from(commands))
        events.insert(at, Sent(0, 0.0, request, stamped(request, command)))
        if draw(st.integers(0, 4)):
            reads = command == commands[0]
            reply = draw(st.sampled_from(answers[1:] if reads else answers[:1]))
            at = draw(st.integers(at + 1, len(events)))
            events.insert(at, Replied(0, 0.0, request, reply))
    return with_events(History(kv.KvService, 2, [], []), events)


def is_linearizable(history: History) -> bool:
    """Search for an order, as Wing and Gong do: next comes whatever nothing left must precede."""

    def search(left: frozenset[Request], state: bytes | None) -> bool:
        open_calls = [history.calls[request] for request in left]
        deadlines = [call.replied.moment for call in open_calls if call.replied]
        if not deadlines:
            return True
        for call in open_calls:
            if call.sent.moment < min(deadlines):
                command = call.sent.command[8:]
                written = command[-1:] if command[0] == kv.Operation.PUT else None
                if written is not None:
                    reply = ok()
                else:
                    reply = bytes([kv.Status.NOT_FOUND]) if state is None else ok(state)
                if call.replied is None or call.replied.reply == reply:
                    rest = left - {call.sent.request}
                    if search(rest, state if written is None else written):
                        return True
        return False

    return search(frozenset(history.calls), None)


def orders_of(history: History) -> list[tuple[Request, ...]]:
    """Return every order of the requests that were acknowledged, and of any of the others."""
    calls = history.calls.items()
    acknowledged = [request for request, call in calls if call.replied]
    others = [request for request, call in calls if not call.replied]
    return [
        order
        for count in range(len(others) + 1)
        for some in itertools.combinations(others, count)
        for order in itertools.permutations([*acknowledged, *some])
    ]


def executed(history: History, requests: Sequence[Request]) -> History:
    commands = [history.calls[request].sent.command for request in requests]
    return replace(history, orders=[Order(0, 0, commands, [len(history.events)] * len(commands))])


@given(tiny_histories())
def test_some_order_passes_exactly_where_a_search_finds_one(history: History) -> None:
    passing = [
        order
        for order in orders_of(history)
        if not real_time(executed(history, order)) and not replies(executed(history, order))
    ]
    assert bool(passing) == is_linearizable(history)


@given(tiny_histories(), st.data())
def test_one_pass_finds_what_comparing_all_pairs_finds(
    history: History, data: st.DataObject
) -> None:
    order = data.draw(st.sampled_from(orders_of(history)))
    calls = [history.calls[request] for request in order]
    too_late = any(
        later.replied and later.replied.moment < earlier.sent.moment
        for earlier, later in itertools.combinations(calls, 2)
    )
    assert bool(real_time(executed(history, order))) == bool(too_late)
