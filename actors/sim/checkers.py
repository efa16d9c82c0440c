"""What must hold of a history, whatever the protocol, the service and the faults were.

Each checker is a pure function of a `History`, takes time linear in its length, and returns what it
finds wrong, a readable line each. Linearizability is checked against the order that the log gives:
`real_time` and `replies` together say whether that order explains all that clients saw, so that no
other order has to be searched for, and the whole history is checked and not a sample.

Safety (`check_all`) holds at any moment of any run. `liveness` is apart: it holds once the faults
have ended.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from actors.core.columns import Cells
from actors.core.ids import Instance
from actors.sim.history import (
    Decision,
    History,
    Moment,
    Order,
    Replied,
    Request,
    Sent,
    request_of,
    unstamped,
)

SHOWN_BYTES = 24


class Violation(NamedTuple):
    """Something that must never be, in one line, and which checker found it."""

    checker: str
    what: str

    def __str__(self) -> str:
        return f"{self.checker}: {self.what}"


def check_all(history: History) -> list[Violation]:
    """Return all that breaks safety."""
    return [violation for checker in SAFETY for violation in checker(history)]


# --- Agreement ----------------------------------------------------------------------------------


def agreement(history: History) -> list[Violation]:
    """No two replicas decide differently, nor execute differently; settled ones all execute all."""
    problems = [*_decided_differently(history), *_executed_differently(history)]
    return [Violation("agreement", what) for what in problems]


def _decided_differently(history: History) -> Iterator[str]:
    first: dict[Instance, Decision] = {}
    for decision in history.decisions:
        other = first.setdefault(decision.instance, decision)
        if decision.value != other.value:
            yield (
                f"instance {decision.instance}: replica {other.host} decides {_shown(other.value)} "
                f"at {other.at_s:.6f} s, replica {decision.host} decides {_shown(decision.value)} "
                f"at {decision.at_s:.6f} s"
            )


def _executed_differently(history: History) -> Iterator[str]:
    for order in history.distinct_orders[1:]:
        longest = history.distinct_orders[0]
        pairs = zip(longest.commands, order.commands, strict=False)
        position = next(i for i, (one, other) in enumerate(pairs) if one != other)
        yield (
            f"position {position}: {longest} executes {_named(longest.commands[position])}, "
            f"{order} executes {_named(order.commands[position])}"
        )
    settled = sorted(
        (order for order in history.orders if order.settled), key=lambda order: len(order.commands)
    )
    if settled and len(settled[0].commands) < len(settled[-1].commands):
        yield (
            f"{settled[0]} has settled with {len(settled[0].commands)} requests, "
            f"{settled[-1]} with {len(settled[-1].commands)}"
        )


# --- Integrity and validity ---------------------------------------------------------------------


def integrity(history: History) -> list[Violation]:
    """No replica executes a request twice."""
    return [
        Violation("integrity", f"{order} executes {request} {times} times")
        for order in history.distinct_orders
        if len(set(order.requests)) < len(order.requests)
        for request, times in Counter(order.requests).items()
        if times > 1
    ]


def validity(history: History) -> list[Violation]:
    """Nothing is executed or replied to that was not sent before; a command is what was sent."""
    problems = [*_wrongly_sent_or_replied(history), *_wrongly_executed(history)]
    return [Violation("validity", what) for what in problems]


def _wrongly_sent_or_replied(history: History) -> Iterator[str]:
    for event in history.events:
        call = history.calls.get(event.request)
        if isinstance(event, Sent):
            assert call is not None
            if request_of(event.command) != event.request:
                yield f"{event.request} is sent with the command of {_named(event.command)}"
            elif event.command != call.sent.command:
                yield f"{event.request} is sent again with another command"
        elif call is None:
            yield f"{event.request} is replied to but was never sent"
        elif event.moment <= call.sent.moment:
            yield f"{event.request} is replied to before it is sent"


def _wrongly_executed(history: History) -> Iterator[str]:
    for order in history.orders:
        for request, command, moment in zip(
            order.requests, order.commands, order.moments, strict=True
        ):
            call = history.calls.get(request)
            if call is None:
                yield f"{order} executes {request}, which was never sent"
            elif command != call.sent.command:
                yield f"{order} executes {request} with a command that was not sent"
            elif moment <= call.sent.moment:
                yield f"{order} executes {request} before it is sent"


# --- Stability and durability -------------------------------------------------------------------


def stability(history: History) -> list[Violation]:
    """No batch is proposed that fewer than f+1 replicas hold."""
    return [
        Violation(
            "stability",
            f"instance {proposal.instance}: replica {proposal.leader} proposes at "
            f"{proposal.at_s:.6f} s batch {proposal.batch.sequence} of origin "
            f"{proposal.batch.origin}, which only replicas {list(proposal.holders)} hold",
        )
        for proposal in history.proposals
        if len(proposal.holders) < history.stable_holders
    ]


def durability(history: History) -> list[Violation]:
    """No acknowledged request is lost: executed before the reply, and by all that settle."""
    acknowledged = [call.replied for call in history.calls.values() if call.replied]
    problems = [*_replied_too_early(history, acknowledged), *_lost(history, acknowledged)]
    return [Violation("durability", what) for what in problems]


def _replied_too_early(history: History, acknowledged: list[Replied]) -> Iterator[str]:
    executed: dict[Request, Moment] = {}
    for order in history.orders:
        undone = ((request_of(command), moment) for command, moment in order.undone)
        for request, moment in [*zip(order.requests, order.moments, strict=True), *undone]:
            if moment < executed.get(request, moment + 1):
                executed[request] = moment
    for replied in acknowledged:
        if replied.moment < executed.get(replied.request, 0):
            yield f"{replied.request} is acknowledged before any replica executes it"


def _lost(history: History, acknowledged: list[Replied]) -> Iterator[str]:
    """Look in the longest order, whoever has it, and in that of each replica that has settled."""
    longest = history.distinct_orders[:1]
    settled = [order for order in history.orders if order.settled and order not in longest]
    for order in longest + settled:
        kept = set(order.requests)
        for replied in acknowledged:
            if replied.request not in kept:
                yield (
                    f"{replied.request}, acknowledged at {replied.at_s:.6f} s, "
                    f"is not among the {len(order.commands)} that {order} has executed"
                )


# --- Linearizability ----------------------------------------------------------------------------


def real_time(history: History) -> list[Violation]:
    """Whatever is sent after a reply to something else is executed after that."""
    return [
        Violation("real time", what)
        for order in history.distinct_orders
        for what in _executed_too_late(history, order)
    ]


def _executed_too_late(history: History, order: Order) -> Iterator[str]:
    """Compare each reply with the latest sending of all that is executed earlier."""
    latest: Sent | None = None
    for request in order.requests:
        call = history.calls.get(request)
        if call is None:
            continue  # Never sent: that is for `validity`.
        if latest and call.replied and call.replied.moment < latest.moment:
            yield (
                f"{request} is acknowledged before {latest.request} is sent, "
                f"but {order} executes it later"
            )
        if latest is None or call.sent.moment > latest.moment:
            latest = call.sent


def replies(history: History) -> list[Violation]:
    """Every reply, also a repeated one, is what the service gives in the order of execution."""
    expected = _replayed(history)
    return [
        Violation(
            "replies",
            f"{event.request} is answered {_shown(event.reply)} at {event.at_s:.6f} s, "
            f"but the order gives {_shown(expected[event.request])}",
        )
        for event in history.events
        if isinstance(event, Replied)
        and event.request in expected
        and event.reply != expected[event.request]
    ]


def _replayed(history: History) -> dict[Request, bytes]:
    """Return the reply to each request where a fresh service executes the longest order."""
    if not history.distinct_orders:
        return {}
    order = history.distinct_orders[0]
    commands = Cells.of([unstamped(command) for command in order.commands])
    answers = list(history.service().execute(commands).values())
    expected: dict[Request, bytes] = {}
    for request, reply in zip(order.requests, answers, strict=True):
        expected.setdefault(request, reply)  # A repeated execution is for `integrity`.
    return expected


SAFETY: tuple[Callable[[History], list[Violation]], ...] = (
    agreement,
    integrity,
    validity,
    stability,
    durability,
    real_time,
    replies,
)


# --- Liveness -----------------------------------------------------------------------------------


def liveness(
    history: History, clients: Iterable[int], healed_at_s: float, bound_s: float, requests: int
) -> list[Violation]:
    """Each client has so many requests acknowledged within the bound once the faults have ended.

    One alone proves little: it may have been on its way.
    """
    acknowledged = Counter(
        call.replied.request.client
        for call in history.calls.values()
        if call.replied and healed_at_s <= call.replied.at_s <= healed_at_s + bound_s
    )
    return [
        Violation(
            "liveness",
            f"client {client} has {acknowledged[client]} requests acknowledged, not {requests}, "
            f"within {bound_s:g} s after {healed_at_s:.6f} s",
        )
        for client in clients
        if acknowledged[client] < requests
    ]


def _named(command: bytes) -> str:
    return f"{request_of(command)} {_shown(unstamped(command))}"


def _shown(value: bytes) -> str:
    rest = f"... ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
    return f"0x{value[:SHOWN_BYTES].hex()}{rest}"
