"""Catch-up: who stays behind asks, preferably not the leader, until it knows what others knew."""

import pytest

from actors.core import catchup
from actors.core.catchup import CATCH_UP
from actors.core.config import Config
from actors.core.messages import (
    Accept,
    Alive,
    CatchUp,
    CaughtUp,
    Gone,
    Prepare,
    PrepareOk,
    Propose,
)
from tests.actors.core.wired import OrderingCluster, replica

R0, R1, R2, R3, R4 = map(replica, range(5))
VALUES = [b"%d" % i for i in range(5)]


def lagging(n: int = 3, laggard: int = 2) -> OrderingCluster:
    """Return a cluster where all but `laggard` have ordered VALUES, and know it of each other."""
    nodes = OrderingCluster(Config(replicas=n, window=8))
    nodes.lose()
    nodes.propose(0, *VALUES)
    nodes.settle(without=lambda envelope: envelope.receiver == replica(laggard))
    for each in range(n):
        if each != laggard:
            nodes.expire(replica(each), "heartbeat")
    return nodes


def looks(nodes: OrderingCluster, number: int) -> dict[int, int]:
    """Return at which look the laggard asks whom, one delay after another; nobody answers."""
    found = {}
    for look in range(1, number + 1):
        nodes.expire(R2, CATCH_UP)
        for envelope in nodes.lose(CatchUp):
            found[look] = envelope.receiver.number
    return found


def asked(nodes: OrderingCluster) -> list[int]:
    """Return whom the laggard asks, one after another, while nobody answers."""
    return list(looks(nodes, 20).values())


def test_a_replica_that_stays_behind_catches_up() -> None:
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    nodes.expire(R2, CATCH_UP)
    nodes.settle()
    assert nodes.ordered(2) == VALUES


def test_a_replica_that_gets_there_by_itself_asks_nobody() -> None:
    nodes = OrderingCluster(Config(replicas=3))
    nodes.propose(0, b"a")
    late = nodes.lose(Propose, to=R2)
    nodes.settle()
    nodes.expire(R0, "heartbeat")
    nodes.settle()
    nodes.arrive(late)
    nodes.expire(R2, CATCH_UP)
    assert nodes.on_wire(CatchUp) == []
    assert (R2, CATCH_UP) not in nodes.timers


def test_it_asks_not_the_leader_first() -> None:
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    assert asked(nodes)[0] == 1


def test_it_asks_each_of_those_who_know_more_in_turn() -> None:
    nodes = lagging(5)
    nodes.deliver(Alive, to=R2)
    assert asked(nodes)[:5] == [3, 4, 1, 0, 3]


def test_it_asks_the_leader_where_nobody_else_knows_more() -> None:
    nodes = lagging()
    nodes.deliver(Alive, sender=R0, to=R2)
    assert set(asked(nodes)) == {0}


def test_it_asks_the_leader_where_all_others_who_knew_more_are_gone() -> None:
    """Found as a replica that never caught up after host 1 had crashed."""
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    nodes.crash(R1)
    for _ in range(3):
        nodes.expire(R2, CATCH_UP)
        nodes.settle()
        if nodes.ordered(2):
            break
    assert nodes.ordered(2) == VALUES


def test_more_than_fits_one_answer_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "ANSWER_BYTES", 2)
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    nodes.expire(R2, CATCH_UP)
    nodes.deliver(CatchUp)
    (answer,) = nodes.on_wire(CaughtUp)
    assert answer.message == CaughtUp(0, VALUES[:2])
    nodes.settle()
    assert nodes.ordered(2) == VALUES


def test_who_is_not_answered_asks_again_and_grows_more_patient() -> None:
    """The answer may be on its way, behind others: see `test_cables`."""
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    assert list(looks(nodes, 40)) == [1, 2, 4, 8, 16, 24, 32, 40]


def test_an_answer_ends_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "ANSWER_BYTES", 1)
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    looks(nodes, 7)
    nodes.expire(R2, CATCH_UP)
    nodes.deliver(CatchUp)
    nodes.deliver(CaughtUp)
    assert len(nodes.lose(CatchUp)) == 1, "what is left is asked for at once"
    assert list(looks(nodes, 9)) == [2, 3, 5, 9], "the first look may come right after that"


def test_who_has_answered_is_asked_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one in the ring may be gone: asking it each time would cost a delay each time."""
    monkeypatch.setattr(catchup, "ANSWER_BYTES", 1)
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    nodes.crash(R1)
    for _ in range(2):
        nodes.expire(R2, CATCH_UP)
        nodes.settle()
    assert nodes.ordered(2) == VALUES


def test_who_gets_on_by_itself_does_not_ask_though_it_lags() -> None:
    """Decisions that have waited somewhere come in one after the other."""
    nodes = OrderingCluster(Config(replicas=3, window=8))
    nodes.propose(0, *VALUES)
    waiting = nodes.lose(Propose, to=R2)
    nodes.settle()
    for _ in range(2):
        nodes.expire(R0, "heartbeat")
    nodes.settle()
    for late in waiting[:4]:
        nodes.arrive([late])
        nodes.expire(R2, CATCH_UP)
        assert nodes.on_wire(CatchUp) == []
    nodes.expire(R2, CATCH_UP)
    assert [envelope.message for envelope in nodes.on_wire(CatchUp)] == [CatchUp(4, 5)]


def test_a_candidate_that_lags_has_one_question_under_way() -> None:
    """Each promise would bring another megabyte of the same."""
    nodes = lagging(5)
    nodes.deliver(Alive, to=R2)
    nodes.promote(2)
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    (question,) = nodes.on_wire(CatchUp)
    assert question.message == CatchUp(0, 5)
    nodes.settle()
    assert nodes.replicas[2].ordering.leads


def test_a_late_answer_changes_nothing() -> None:
    nodes = lagging()
    nodes.deliver(Alive, to=R2)
    nodes.expire(R2, CATCH_UP)
    nodes.deliver(CatchUp)
    answers = nodes.lose(CaughtUp)
    nodes.arrive(answers + answers)
    assert nodes.ordered(2) == VALUES


def test_what_is_truncated_is_not_answered() -> None:
    """Every replica has executed it: only an old question can ask for it."""
    nodes = lagging()
    nodes.settle()
    nodes.expire(R2, CATCH_UP)
    nodes.settle()
    for number in range(3):
        nodes.expire(replica(number), "heartbeat")
    nodes.settle()
    nodes.give(R2, R1, CatchUp(0, 5))
    assert nodes.on_wire(CaughtUp) == []


@pytest.mark.parametrize("first", [-3, 5, 1 << 40])
def test_a_question_for_what_is_not_there_is_not_answered(first: int) -> None:
    nodes = lagging()
    nodes.give(R2, R1, CatchUp(first, 1 << 50))
    assert nodes.on_wire(CaughtUp) == []


def test_the_log_is_truncated_below_what_all_have_executed() -> None:
    nodes = lagging()
    assert nodes.replicas[0].gauges()["log_instances"] == len(VALUES)
    for _ in range(2):
        for number in range(3):
            nodes.expire(replica(number), "heartbeat")
        nodes.settle()
        if (R2, CATCH_UP) in nodes.timers:
            nodes.expire(R2, CATCH_UP)
            nodes.settle()
        nodes.lose(Accept)
    for number in range(3):
        nodes.expire(replica(number), "heartbeat")
    nodes.settle()
    assert [node.gauges()["log_instances"] for node in nodes.replicas] == [0, 0, 0]


def test_the_log_is_not_truncated_while_one_replica_lags() -> None:
    nodes = lagging()
    nodes.lose(Alive, to=R2)
    nodes.settle()
    nodes.expire(R0, "heartbeat")
    nodes.lose(Alive, to=R2)
    nodes.settle()
    assert nodes.replicas[0].gauges()["log_instances"] == len(VALUES)


def test_who_asks_for_what_is_gone_is_pointed_to_a_snapshot() -> None:
    nodes = lagging()
    nodes.replicas[1].ordering.log.shrink(0, 3)
    nodes.give(R2, R1, CatchUp(2, 5))
    assert [envelope.message for envelope in nodes.on_wire(CaughtUp, Gone)] == [Gone(5)]
    nodes.lose(Gone)
    nodes.give(R2, R1, CatchUp(3, 5))
    assert [e.message for e in nodes.on_wire(CaughtUp, Gone)] == [CaughtUp(3, VALUES[3:])]


def test_a_laggard_that_is_pointed_to_a_snapshot_takes_it_and_asks_for_the_rest() -> None:
    nodes = lagging()
    for host in (0, 1):
        nodes.replicas[host].ordering.log.shrink(0, 3)
    nodes.deliver(Alive, to=R2)
    nodes.expire(R2, CATCH_UP)
    nodes.settle()
    assert nodes.ordered(2) == VALUES
    assert nodes.replicas[2].counts()["snapshots_installed"] == 1
