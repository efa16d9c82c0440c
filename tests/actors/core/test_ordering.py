"""The ordering layer as protocols see it: what is idle, what it handles, what it keeps."""

import pytest

from actors.core.config import Config
from actors.core.errors import RemoteProtocolError
from actors.core.messages import Accept, Ack, Alive, Propose, Redirect, Requests
from tests.actors.core.wired import FLEET, OrderingCluster, coordinator, replica, requests

R0, R1, R2 = map(replica, range(3))


def test_it_is_idle_where_nothing_is_known_that_is_not_decided() -> None:
    nodes = OrderingCluster(Config(replicas=3))
    ordering = nodes.replicas[0].ordering
    assert ordering.is_idle
    nodes.propose(0, b"a")
    assert not ordering.is_idle
    nodes.settle()
    assert ordering.is_idle


def test_it_handles_the_messages_of_ordering_alone() -> None:
    ordering = OrderingCluster(Config()).replicas[0].ordering
    assert all(map(ordering.handles, [Propose(0, 0, b"", 0), Accept(0, 0), Alive(0, 0, 0)]))
    assert not any(map(ordering.handles, [Ack([], []), Redirect(0), Requests(requests((0, 1)))]))


@pytest.mark.parametrize("sender", [FLEET, coordinator(1), R0])
def test_nobody_but_other_replicas_takes_part(sender: tuple[str, int]) -> None:
    with pytest.raises(RemoteProtocolError):
        OrderingCluster(Config()).give(sender, R0, Accept(0, 0))


def test_the_first_view_has_a_leader_from_the_start() -> None:
    nodes = OrderingCluster(Config())
    assert [node.ordering.leads for node in nodes.replicas] == [True, False, False]
    assert {node.ordering.leader for node in nodes.replicas} == {0}


def test_one_replica_alone_keeps_no_more_of_the_log_than_it_must() -> None:
    nodes = OrderingCluster(Config(replicas=1))
    nodes.propose(0, b"a", b"b")
    nodes.expire(R0, "heartbeat")
    assert nodes.replicas[0].gauges()["log_instances"] == 0


def test_what_a_candidate_has_open_is_nothing() -> None:
    nodes = OrderingCluster(Config())
    nodes.propose(0, b"a")
    nodes.promote(0)
    assert nodes.replicas[0].gauges()["open_instances"] == 0
    nodes.settle()
    assert nodes.ordered(2) == [b"a"]
