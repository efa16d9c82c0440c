"""Ordering by the rules at the head of `paxos`: each test is one of them, or an attack on one."""

import itertools
import random

import pytest

from actors.core.config import AcceptTo, Config
from actors.core.errors import RemoteProtocolError
from actors.core.messages import (
    Accept,
    Accepted,
    Alive,
    CatchUp,
    CaughtUp,
    Decide,
    Prepare,
    PrepareOk,
    Propose,
)
from actors.core.paxos import ACCEPTED_BYTES, NO_OP, RETRANSMIT
from tests.actors.core.wired import Envelope, OrderingCluster, replica

R0, R1, R2, R3, R4 = map(replica, range(5))


def cluster(
    n: int = 3, accept_to: AcceptTo = "all", window: int = 4, *, announce_at_once: bool = True
) -> OrderingCluster:
    config = Config(replicas=n, accept_to=accept_to, window=window)
    return OrderingCluster(config, announce_at_once=announce_at_once)


def test_a_replica_that_lags_too_far_accepts_nothing_beyond() -> None:
    """Else what it tells a candidate would outgrow a frame."""
    nodes = cluster(3, window=2)
    value = bytes(1 << 20)
    fitting = Config().frame_bytes_max // 2 // (len(value) + ACCEPTED_BYTES)
    nodes.give(R0, R1, *(Propose(0, fitting + beyond, value, 0) for beyond in (-1, 0)))
    votes = [envelope.message for envelope in nodes.on_wire(Accept, sender=R1, to=R0)]
    assert votes == [Accept(0, fitting - 1)]


# --- Phase 2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 5, 7])
@pytest.mark.parametrize("accept_to", ["all", "leader"])
def test_what_the_leader_proposes_is_decided_in_order_everywhere(
    n: int, accept_to: AcceptTo
) -> None:
    nodes = cluster(n, accept_to)
    nodes.propose(0, b"a", b"b")
    nodes.settle()
    nodes.propose(0, b"c")
    nodes.settle()
    assert [nodes.ordered(i) for i in range(n)] == [[b"a", b"b", b"c"]] * n


@pytest.mark.parametrize("accept_to", ["all", "leader"])
def test_a_majority_decides_and_less_does_not(accept_to: AcceptTo) -> None:
    nodes = cluster(5, accept_to)
    nodes.propose(0, b"a")
    nodes.deliver(Propose, to=R1)
    nodes.deliver(Accept, to=R0)
    assert nodes.ordered(0) == []
    nodes.deliver(Propose, to=R2)
    nodes.deliver(Accept, to=R0)
    assert nodes.ordered(0) == [b"a"]


def test_votes_are_counted_once() -> None:
    nodes = cluster(5)
    nodes.propose(0, b"a")
    nodes.give(R1, R0, Accept(0, 0), Accept(0, 0), Accept(0, 0))
    assert nodes.ordered(0) == []
    nodes.give(R2, R0, Accept(0, 0))
    assert nodes.ordered(0) == [b"a"]


def test_accepts_that_overtake_their_propose_decide_when_it_arrives() -> None:
    nodes = cluster(5)
    nodes.give(R1, R4, Accept(0, 0))
    nodes.give(R2, R4, Accept(0, 0))
    nodes.give(R3, R4, Accept(0, 0))
    assert nodes.ordered(4) == [], "a majority, but for an unknown value"
    nodes.give(R0, R4, Propose(0, 0, b"a", 0))
    assert nodes.ordered(4) == [b"a"]


def test_a_repeated_propose_repeats_the_accept() -> None:
    nodes = cluster(3)
    nodes.give(R0, R1, Propose(0, 0, b"a", 0))
    nodes.lose()
    nodes.give(R0, R1, Propose(0, 0, b"a", 0))
    assert nodes.on_wire(Accept, sender=R1, to=R0)


def test_the_window_is_respected_and_opens_again() -> None:
    nodes = cluster(3, window=2)
    leader = nodes.replicas[0].ordering
    nodes.propose(0, b"a", b"b")
    assert not leader.has_room
    with pytest.raises(AssertionError):
        leader.propose(b"c", 0.0)
    nodes.give(R1, R0, Accept(0, 1))
    assert not leader.has_room, "instance 1 is decided, but 0 is not"
    nodes.give(R1, R0, Accept(0, 0))
    assert leader.has_room


def test_only_the_leader_has_room_and_the_no_op_is_not_proposed() -> None:
    nodes = cluster(3)
    assert [node.ordering.has_room for node in nodes.replicas] == [True, False, False]
    with pytest.raises(AssertionError):
        nodes.propose(0, NO_OP)


def test_one_replica_alone_decides_at_once() -> None:
    nodes = cluster(1, window=1)
    nodes.propose(0, b"a", b"b")
    assert nodes.ordered(0) == [b"a", b"b"]


# --- accept_to = "leader" -----------------------------------------------------------------------


def test_votes_for_the_leader_go_to_the_leader_alone() -> None:
    nodes = cluster(5, "leader")
    nodes.propose(0, b"a")
    nodes.deliver(Propose)
    assert {envelope.receiver for envelope in nodes.on_wire(Accept)} == {R0}


def test_followers_learn_from_a_decide_where_it_is_announced_at_once() -> None:
    nodes = cluster(5, "leader", announce_at_once=True)
    nodes.propose(0, b"a")
    nodes.deliver(Propose)
    nodes.deliver(Accept)
    assert nodes.ordered(1) == []
    assert len(nodes.on_wire(Decide)) == 4
    nodes.deliver(Decide)
    assert [nodes.ordered(i) for i in range(5)] == [[b"a"]] * 5


def test_followers_learn_from_the_next_propose_otherwise() -> None:
    nodes = cluster(5, "leader", announce_at_once=False)
    nodes.propose(0, b"a")
    nodes.settle()
    assert nodes.ordered(1) == []
    nodes.propose(0, b"b")
    nodes.deliver(Propose)
    assert nodes.ordered(1) == [b"a"]


def test_followers_learn_from_the_next_alive_where_nothing_is_proposed() -> None:
    nodes = cluster(5, "leader", announce_at_once=False)
    nodes.propose(0, b"a")
    nodes.settle()
    nodes.expire(R0, "heartbeat")
    nodes.deliver(Alive)
    assert nodes.ordered(1) == [b"a"]


def test_the_alive_of_another_replica_decides_nothing_here() -> None:
    """It may be of a replica that knows the decision of another value than ours."""
    nodes = cluster(5, "leader")
    nodes.give(R0, R1, Propose(0, 0, b"a", 0))
    nodes.give(R2, R1, Alive(0, 1, 0))
    assert nodes.ordered(1) == []


def test_a_decide_of_a_newer_view_does_not_decide_what_was_accepted_in_an_older_one() -> None:
    """The newer leader may have had another value decided: catch-up tells."""
    nodes = cluster(5, "leader")
    nodes.give(R0, R4, Propose(0, 0, b"old", 0))
    nodes.give(R1, R4, Decide(1, 1))
    assert nodes.ordered(4) == []
    nodes.give(R2, R4, CaughtUp(0, [b"new"]))
    assert nodes.ordered(4) == [b"new"]


def test_a_decide_beyond_a_lost_propose_decides_only_up_to_it() -> None:
    nodes = cluster(5, "leader")
    nodes.give(R0, R1, Propose(0, 0, b"a", 0), Propose(0, 2, b"c", 0), Decide(0, 3))
    assert nodes.ordered(1) == [b"a"]


# --- Views --------------------------------------------------------------------------------------


def test_a_replica_starts_its_own_next_view() -> None:
    nodes = cluster(5)
    nodes.promote(3)
    assert nodes.replicas[3].ordering.view == 3
    nodes.promote(3)
    assert nodes.replicas[3].ordering.view == 8


def test_a_candidate_leads_with_a_majority_and_not_before() -> None:
    nodes = cluster(5)
    nodes.promote(1)
    candidate = nodes.replicas[1].ordering
    nodes.deliver(Prepare, to=R2)
    nodes.deliver(PrepareOk)
    assert not candidate.leads
    nodes.arrive(nodes.lose(Prepare, to=R3) * 2)
    nodes.deliver(PrepareOk)
    assert candidate.leads


def test_a_promise_repeated_counts_once() -> None:
    nodes = cluster(5)
    nodes.promote(1)
    nodes.give(R2, R1, *[PrepareOk(1, 0, [], [])] * 4)
    assert not nodes.replicas[1].ordering.leads


def test_a_promise_of_another_view_counts_for_nothing() -> None:
    nodes = cluster(3)
    nodes.promote(1)
    nodes.promote(1)
    nodes.give(R2, R1, PrepareOk(1, 0, [], []))
    assert not nodes.replicas[1].ordering.leads


def test_a_replica_that_has_joined_a_view_answers_nothing_of_lower_ones() -> None:
    nodes = cluster(5)
    nodes.give(R2, R3, Prepare(2, 0))
    nodes.lose()
    nodes.give(R0, R3, Propose(0, 0, b"a", 0))
    nodes.give(R1, R3, Prepare(1, 0))
    assert nodes.on_wire() == []


@pytest.mark.parametrize("accept_to", ["all", "leader"])
def test_a_stale_leader_is_ignored_and_steps_down(accept_to: AcceptTo) -> None:
    nodes = cluster(3, accept_to)
    nodes.promote(1)
    nodes.settle(without=lambda envelope: R0 in envelope[:2])
    assert nodes.replicas[1].ordering.leads
    nodes.propose(0, b"stale")
    nodes.propose(1, b"fresh")
    nodes.settle()
    assert [nodes.ordered(i) for i in range(3)] == [[b"fresh"]] * 3
    assert not nodes.replicas[0].ordering.leads


def test_a_majority_in_an_old_view_decides_nothing_in_a_new_one() -> None:
    nodes = cluster(5)
    nodes.give(R0, R4, Propose(0, 0, b"a", 0))  # Two votes: the leader's and its own.
    nodes.give(R1, R4, Prepare(1, 0))
    nodes.give(R2, R4, Accept(0, 0))
    nodes.give(R3, R4, Accept(0, 0))
    assert nodes.ordered(4) == []


def test_votes_of_two_views_do_not_add_up() -> None:
    nodes = cluster(5)
    nodes.give(R0, R4, Propose(0, 0, b"a", 0))
    nodes.give(R2, R4, Accept(1, 0))
    nodes.give(R3, R4, Accept(1, 0))
    assert nodes.ordered(4) == []
    nodes.give(R1, R4, Propose(1, 0, b"b", 0))
    assert nodes.ordered(4) == [b"b"]


def test_an_accept_of_a_higher_view_that_overtakes_its_propose_keeps_the_accepted_value() -> None:
    """It may be the only copy that a future leader can learn."""
    nodes = cluster(5)
    nodes.give(R0, R4, Propose(0, 0, b"a", 0))
    nodes.give(R2, R4, Accept(1, 0))
    nodes.lose()
    nodes.give(R3, R4, Prepare(3, 0))
    assert nodes.on_wire() == [Envelope(R4, R3, PrepareOk(3, 0, [Accepted(0, 0, b"a")], []))]


def test_a_new_leader_proposes_the_value_of_the_highest_view() -> None:
    nodes = cluster(5)
    nodes.give(R0, R3, Propose(0, 0, b"own", 0))
    nodes.promote(3)
    nodes.lose()
    nodes.give(R1, R3, PrepareOk(3, 0, [Accepted(0, 2, b"newest")], []))
    nodes.give(R4, R3, PrepareOk(3, 0, [Accepted(0, 1, b"newer")], []))
    assert {envelope.message for envelope in nodes.on_wire(Propose)} == {
        Propose(3, 0, b"newest", 0)
    }


def test_a_new_leader_fills_gaps_with_the_no_op_and_only_then_opens_instances() -> None:
    nodes = cluster(3)
    nodes.promote(1)
    nodes.lose()
    nodes.give(R2, R1, PrepareOk(1, 0, [Accepted(0, 0, b"a"), Accepted(2, 0, b"c")], []))
    nodes.propose(1, b"d")
    proposed = [envelope.message for envelope in nodes.on_wire(Propose, to=R2)]
    assert [(m.instance, m.value) for m in proposed] == [
        (0, b"a"),
        (1, NO_OP),
        (2, b"c"),
        (3, b"d"),
    ]


def test_a_new_leader_keeps_what_it_accepted_itself() -> None:
    nodes = cluster(3)
    nodes.give(R0, R1, Propose(0, 0, b"a", 0))
    nodes.promote(1)
    nodes.settle(without=lambda envelope: R0 in envelope[:2])
    assert nodes.ordered(1) == [b"a"]


def test_a_new_leader_tells_what_it_has_open() -> None:
    nodes = cluster(3)
    nodes.promote(1)
    nodes.give(R2, R1, PrepareOk(1, 0, [Accepted(1, 0, b"b")], []))
    assert nodes.replicas[1].ordering.proposed_values() == [NO_OP, b"b"]


def test_a_candidate_that_lags_catches_up_before_it_leads() -> None:
    """A promise says nothing of instances below its `undecided`: they are decided already."""
    nodes = cluster(3)
    nodes.propose(0, b"a", b"b")
    nodes.settle(without=lambda envelope: R1 in envelope[:2])
    assert (nodes.ordered(0), nodes.ordered(1)) == ([b"a", b"b"], [])
    nodes.promote(1)
    nodes.deliver(Prepare, to=R2)
    nodes.deliver(PrepareOk)
    assert not nodes.replicas[1].ordering.leads
    assert nodes.on_wire(Propose) == []
    nodes.deliver(CatchUp)
    nodes.deliver(CaughtUp)
    assert nodes.replicas[1].ordering.leads
    assert nodes.ordered(1) == [b"a", b"b"]
    nodes.propose(1, b"c")
    nodes.settle()
    assert [nodes.ordered(i) for i in range(3)] == [[b"a", b"b", b"c"]] * 3


def test_a_candidate_does_not_wait_for_one_who_knew_more_and_crashed() -> None:
    """A majority that knows no more than the candidate tells it all that it needs."""
    nodes = cluster(5)
    nodes.propose(0, b"a")
    nodes.deliver(Propose, to=R1)
    nodes.deliver(Propose, to=R2)
    nodes.deliver(Accept, to=R0)
    nodes.lose()
    assert [nodes.ordered(i) for i in range(3)] == [[b"a"], [], []]
    nodes.promote(1)
    nodes.deliver(Prepare, to=R0)
    nodes.deliver(PrepareOk)
    nodes.crash(R0)
    nodes.settle()
    assert nodes.replicas[1].ordering.leads
    assert [nodes.ordered(i) for i in range(1, 5)] == [[b"a"]] * 4


@pytest.mark.parametrize(
    "message",
    [Propose(0, 0, b"a", 0), Propose(1, 0, b"a", 0), Prepare(3, 0), Decide(3, 0)],
    ids=str,
)
def test_what_only_a_leader_sends_is_refused_from_others(message: Propose | Prepare) -> None:
    with pytest.raises(RemoteProtocolError):
        cluster(3).give(R2, R1, message)


def test_a_replica_does_not_take_part_twice() -> None:
    with pytest.raises(RemoteProtocolError):
        cluster(3).give(R1, R1, Accept(0, 0))


# --- Sending again ------------------------------------------------------------------------------


def test_a_proposal_is_sent_again_only_to_the_silent() -> None:
    nodes = cluster(5)
    nodes.propose(0, b"a")
    nodes.deliver(Propose, to=R3)
    nodes.deliver(Accept, to=R0)
    nodes.lose()
    nodes.expire(R0, RETRANSMIT)
    assert [envelope.receiver for envelope in nodes.on_wire(Propose)] == [R1, R2, R4]


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_proposal_is_sent_again_at_the_first_expiry(tenths: int) -> None:
    """Rounding must not cost another one: in floats (t + 0.2) - t is less than 0.2 for many a t."""
    nodes = cluster(3)
    nodes.now = tenths / 10
    nodes.propose(0, b"a")
    nodes.lose()
    nodes.expire(R0, RETRANSMIT)
    assert nodes.on_wire(Propose)


def test_a_prepare_is_sent_again_only_to_the_silent() -> None:
    nodes = cluster(5)
    nodes.promote(1)
    nodes.deliver(Prepare, to=R3)
    nodes.deliver(PrepareOk)
    nodes.lose()
    nodes.expire(R1, RETRANSMIT)
    assert [envelope.receiver for envelope in nodes.on_wire(Prepare)] == [R0, R2, R4]


def prepares(nodes: OrderingCluster, number: int) -> list[int]:
    """Return at which expiries replica 1 sends Prepare again; nobody answers."""
    found = []
    for expiry in range(1, number + 1):
        nodes.expire(R1, RETRANSMIT)
        if nodes.lose(Prepare):
            found.append(expiry)
    return found


def test_a_candidate_that_is_not_answered_grows_more_patient() -> None:
    """Promises hold what was accepted, and may be on their way."""
    nodes = cluster(3)
    nodes.promote(1)
    nodes.lose()
    assert prepares(nodes, 32) == [1, 3, 7, 15, 23, 31]


def test_a_promise_ends_the_patience() -> None:
    nodes = cluster(5)
    nodes.promote(1)
    nodes.lose()
    prepares(nodes, 10)
    nodes.give(R2, R1, PrepareOk(1, 0, [], []))
    assert prepares(nodes, 4) == [1, 2, 4]


def test_who_is_in_the_view_and_has_not_promised_is_asked_at_the_next_expiry() -> None:
    """After a long cut: it has heard of the view, so the network carries questions again."""
    nodes = cluster(3)
    nodes.promote(1)
    nodes.lose()
    prepares(nodes, 10)
    nodes.give(R2, R1, Alive(0, 0, 0))
    assert prepares(nodes, 2) == []
    nodes.give(R2, R1, Alive(1, 0, 0))
    assert prepares(nodes, 1) == [1]


def test_a_new_candidacy_is_not_patient_from_the_start() -> None:
    nodes = cluster(3)
    nodes.promote(1)
    prepares(nodes, 10)
    nodes.promote(1)
    nodes.lose()
    assert prepares(nodes, 4) == [2, 4], "the first expiry was set before"


def test_what_is_decided_is_not_sent_again() -> None:
    nodes = cluster(3)
    nodes.propose(0, b"a")
    nodes.settle()
    nodes.expire(R0, RETRANSMIT)
    assert nodes.on_wire() == []
    assert (R0, RETRANSMIT) not in nodes.timers


def test_a_proposal_is_sent_again_until_it_is_decided() -> None:
    nodes = cluster(3)
    nodes.propose(0, b"a")
    for _ in range(3):
        nodes.lose()
        nodes.expire(R0, RETRANSMIT)
    nodes.settle()
    assert nodes.ordered(2) == [b"a"]


def test_who_leads_no_more_sends_no_proposal_again() -> None:
    nodes = cluster(3)
    nodes.propose(0, b"a")
    nodes.lose()
    nodes.give(R1, R0, Prepare(1, 0))
    nodes.lose()
    nodes.expire(R0, RETRANSMIT)
    assert nodes.on_wire(Propose) == []


def test_a_proposal_is_sent_again_no_sooner_than_three_round_trips() -> None:
    """Otherwise a slow network would be loaded most when it is slowest."""
    nodes = cluster(3, window=1)
    for value in range(60):
        nodes.propose(0, b"%d" % value)
        nodes.now += 1.0
        nodes.settle()
    nodes.expire(R0, RETRANSMIT)
    nodes.propose(0, b"next")
    assert nodes.timers[R0, RETRANSMIT] - nodes.now == pytest.approx(3.0, rel=0.01)


# --- Everything at once -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("accept_to", ["all", "leader"])
def test_whatever_the_network_does_no_two_replicas_order_differently(
    n: int, accept_to: AcceptTo
) -> None:
    """Messages are lost, repeated, reordered and held back for views; replicas promote at will."""
    for seed in range(60):
        rng = random.Random(seed)
        nodes = cluster(n, accept_to, window=3)
        values = itertools.count()
        late: list[Envelope] = []
        for _ in range(150):
            rng.shuffle(nodes.wire)
            part = nodes.wire[: rng.randint(0, 6)]
            del nodes.wire[: len(part)]
            chance = rng.random()
            if chance < 0.15:
                late += part
            elif chance < 0.3:
                nodes.arrive(part + part)
            elif chance > 0.4:
                nodes.arrive(part)
            if rng.random() < 0.1:
                nodes.arrive(late)
                late = []
            if rng.random() < 0.06:
                nodes.promote(rng.randrange(n))
            for leader, node in enumerate(nodes.replicas):
                if node.ordering.has_room and rng.random() < 0.5:
                    nodes.propose(leader, b"%d" % next(values))
            if rng.random() < 0.2:
                name = rng.choice(sorted(nodes.timers))
                nodes.expire(*name)
            _assert_agreement(nodes, n)
        assert max(len(nodes.ordered(i)) for i in range(n)) > 0, seed


def _assert_agreement(nodes: OrderingCluster, n: int) -> None:
    longest = max((nodes.ordered(i) for i in range(n)), key=len)
    for i in range(n):
        assert nodes.ordered(i) == longest[: len(nodes.ordered(i))]
