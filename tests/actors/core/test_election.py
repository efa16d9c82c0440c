"""Failure detection: a leader that is heard of stays, a silent one is followed by one other."""

import pytest

from actors.core.config import Config
from actors.core.election import HEARTBEAT, SUSPECT
from actors.core.messages import Alive, Deaf, Prepare, Propose
from actors.core.paxos import RETRANSMIT
from tests.actors.core.wired import OrderingCluster, replica

R0, R1, R2, R3, R4 = map(replica, range(5))
CONFIG = Config(replicas=5, suspect_timeout_ms=1000, heartbeat_interval_ms=100)


def pass_time(nodes: OrderingCluster, seconds: float, *, without: tuple[type, ...] = ()) -> None:
    """Let timers expire in order; what is sent arrives at once, but for some types."""
    end = nodes.now + seconds
    while True:
        (address, name), at = min(nodes.timers.items(), key=lambda timer: timer[1])
        if at > end:
            break
        nodes.expire(address, name)
        nodes.settle(without=lambda envelope: type(envelope.message) in without)
    nodes.now = end


def views(nodes: OrderingCluster) -> set[int]:
    return {
        node.ordering.view for i, node in enumerate(nodes.replicas) if replica(i) in nodes.nodes
    }


def test_nobody_suspects_a_leader_that_is_heard_of() -> None:
    nodes = OrderingCluster(CONFIG)
    pass_time(nodes, 30)
    assert views(nodes) == {0}


def test_a_crashed_leader_is_followed_by_the_next_one_alone() -> None:
    """Who stands further behind waits longer, so that two seldom compete."""
    nodes = OrderingCluster(CONFIG)
    nodes.crash(R0)
    pass_time(nodes, 1.2)
    assert views(nodes) == {1}
    assert nodes.replicas[1].ordering.leads
    pass_time(nodes, 30)
    assert views(nodes) == {1}


def test_where_the_next_one_crashed_too_the_one_after_it_follows() -> None:
    nodes = OrderingCluster(CONFIG)
    nodes.crash(R0)
    nodes.crash(R1)
    pass_time(nodes, 1.7)
    assert views(nodes) == {2}
    assert nodes.replicas[2].ordering.leads


def test_a_leader_that_crashes_while_it_is_a_candidate_is_followed() -> None:
    nodes = OrderingCluster(CONFIG)
    nodes.promote(1)
    nodes.deliver(Prepare)
    nodes.crash(R1)
    nodes.lose()
    pass_time(nodes, 1.2)
    assert views(nodes) == {2}


def test_any_message_of_the_leader_is_a_heartbeat() -> None:
    nodes = OrderingCluster(CONFIG)
    for value in range(8):
        nodes.now += 0.5
        nodes.propose(0, b"%d" % value)
        nodes.settle()
        if nodes.timers[R1, SUSPECT] <= nodes.now:
            nodes.expire(R1, SUSPECT)
    nodes.lose()
    assert views(nodes) == {0}


def test_messages_of_others_are_no_heartbeats() -> None:
    nodes = OrderingCluster(CONFIG)
    for _ in range(12):
        nodes.now += 0.1
        nodes.give(R2, R1, Alive(0, 0, 0))
    nodes.expire(R1, SUSPECT)
    assert nodes.on_wire(Prepare, sender=R1)


def test_a_leader_does_not_suspect_itself() -> None:
    nodes = OrderingCluster(CONFIG)
    for _ in range(5):
        nodes.expire(R0, SUSPECT)
    assert nodes.replicas[0].ordering.view == 0


def test_a_new_view_heard_of_from_another_replica_has_its_full_time_to_come_about() -> None:
    """Otherwise the silence of the old leader would be held against the new one."""
    nodes = OrderingCluster(CONFIG)
    nodes.now = 0.9
    nodes.give(R3, R2, Alive(1, 0, 0))
    nodes.expire(R2, SUSPECT)
    assert nodes.replicas[2].ordering.view == 1


def test_everybody_beats_also_who_does_not_lead() -> None:
    nodes = OrderingCluster(CONFIG)
    nodes.lose()
    for beater in (R0, R3):
        nodes.expire(beater, HEARTBEAT)
        assert len(nodes.lose(Alive, sender=beater)) == 4
        assert nodes.timers[beater, HEARTBEAT] == pytest.approx(nodes.now + 0.1)


def test_one_replica_alone_suspects_nobody() -> None:
    nodes = OrderingCluster(Config(replicas=1))
    assert (R0, SUSPECT) not in nodes.timers
    nodes.expire(R0, HEARTBEAT)
    assert nodes.on_wire(Alive, Propose) == []


def test_a_leader_that_hears_from_no_majority_says_no_more_than_that_it_is_up() -> None:
    """Else those who hear it would never suspect it, and nothing would be decided."""
    nodes = OrderingCluster(CONFIG)
    nodes.propose(0, b"a")
    nodes.lose()
    nodes.now = 1.1
    nodes.give(R1, R0, Alive(0, 0, 0))
    nodes.expire(R0, HEARTBEAT)
    nodes.expire(R0, RETRANSMIT)
    assert [e.message for e in nodes.lose(sender=R0)] == [Deaf(0)] * 4, "two of five"
    nodes.give(R2, R0, Alive(0, 0, 0))
    nodes.expire(R0, HEARTBEAT)
    assert len(nodes.on_wire(Alive, sender=R0)) == 4
    nodes.expire(R0, RETRANSMIT)
    assert nodes.on_wire(Propose, sender=R0)


def test_a_leader_that_says_it_is_deaf_is_suspected_all_the_same() -> None:
    nodes = OrderingCluster(CONFIG)
    nodes.lose()
    nodes.now = 1.1
    nodes.give(R0, R1, Deaf(0))
    nodes.expire(R1, SUSPECT)
    assert nodes.on_wire(Prepare, sender=R1)


def test_two_deaf_leaders_tell_each_other_who_is_ahead() -> None:
    nodes = OrderingCluster(CONFIG)
    nodes.give(R1, R0, Deaf(1))
    assert nodes.replicas[0].ordering.view == 1
    nodes.expire(R0, HEARTBEAT)
    assert nodes.on_wire(Alive, sender=R0), "it follows, and need not be silent"


def test_a_follower_beats_whomever_it_hears() -> None:
    """It may be the one whom others hear, and decides nothing."""
    nodes = OrderingCluster(CONFIG)
    nodes.lose()
    nodes.now = 5.0
    nodes.expire(R1, HEARTBEAT)
    assert len(nodes.on_wire(Alive, sender=R1)) == 4
