"""The return of replicas that have forgotten their votes: `crash_model = "epoch"`."""

import pytest

from actors.core.config import Config
from actors.core.effects import Outbox, SetTimer
from actors.core.errors import RemoteProtocolError
from actors.core.ids import BatchId, ReplicaId
from actors.core.messages import (
    Accept,
    Ack,
    Alive,
    CatchUp,
    Held,
    Payload,
    Prepare,
    PrepareOk,
    Propose,
    Recover,
    Recovered,
)
from actors.core.recovery import PATIENCE, RECOVER, Epochs, Recovery
from actors.core.spaxos import SPaxosReplica
from tests.actors.core.lives import Lives, commands
from tests.actors.core.wired import coordinator, replica, requests

R0, R1, R2, R3, R4 = map(replica, range(5))
C0, C1, C2 = map(coordinator, range(3))
BOTH = pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
ASKED = [(client, 1) for client in range(4)]


def system(protocol: str = "jpaxos", **settings: object) -> Lives:
    nodes = Lives(protocol, **{"crash_model": "epoch", **settings})
    nodes.lose()
    return nodes


# --- Epochs -------------------------------------------------------------------------------------


def epochs(me: ReplicaId = 0, epoch: int = 1, *, crash_model: str = "epoch") -> Epochs:
    return Epochs(me, Config(crash_model=crash_model), epoch)  # type: ignore[arg-type]


def test_the_highest_number_that_was_heard_of_stays() -> None:
    known = epochs(1, 4)
    assert not known.learn(2, 3)
    assert known.learn(2, 2), "of an earlier life"
    assert not known.learn(2, 3)
    assert known.vector() == [1, 4, 3]


def test_who_has_started_again_is_told_once() -> None:
    known = epochs()
    known.learn_all(1, [1, 1, 2])
    assert known.take_restarted() == {2}
    known.learn_all(1, [1, 1, 2])
    assert known.take_restarted() == set()


@pytest.mark.parametrize("crash_model", ["crash_stop", "full"])
def test_where_votes_are_not_forgotten_numbers_are_not_told(crash_model: str) -> None:
    known = epochs(crash_model=crash_model)
    assert known.vector() == []
    with pytest.raises(RemoteProtocolError):
        known.learn_all(1, [1, 1, 1])


@pytest.mark.parametrize("vector", [[], [1], [1] * 4])
def test_a_vector_of_another_length_is_refused(vector: list[int]) -> None:
    with pytest.raises(RemoteProtocolError):
        epochs().learn_all(1, vector)


# --- What has to be reached ---------------------------------------------------------------------


class Asking:
    """The asking side of replica 4 of 5, in its second life."""

    def __init__(self) -> None:
        self.out = Outbox()
        self.now = 0.0
        config = Config(replicas=5, crash_model="epoch", retransmit_timeout_ms=100)
        self.recovery = Recovery(4, config, Epochs(4, config, 2), self.out)

    def answer(
        self,
        sender: int,
        view: int,
        following: int = 0,
        held: tuple[int, ...] = (),
        *,
        epoch: int = 2,
        life: int = 1,
    ) -> None:
        epochs = [life if replica == sender else 1 for replica in range(4)]
        message = Recovered(epoch, view, following, list(held), [*epochs, 2])
        self.recovery.on_recovered(sender, message, self.now)


def test_a_majority_has_to_answer() -> None:
    asking = Asking()
    asking.answer(0, 0, 7)
    asking.answer(1, 0)
    assert asking.recovery.goal() is None
    asking.answer(1, 0)
    assert asking.recovery.goal() is None, "one counts once"
    asking.answer(2, 0)
    assert asking.recovery.goal() == (0, 7, [])


def test_the_leader_of_the_highest_view_has_to_answer() -> None:
    """It alone knows how far the former life may have voted."""
    asking = Asking()
    for sender in (0, 2, 3):
        asking.answer(sender, 1, 5 if sender == 0 else 0)
    assert asking.recovery.goal() is None
    asking.answer(1, 1, 9)
    assert asking.recovery.goal() == (1, 9, [])


def test_what_the_leader_said_of_an_earlier_view_is_not_enough() -> None:
    asking = Asking()
    for sender in (0, 1, 2):
        asking.answer(sender, 0, 5)
    asking.answer(2, 5)
    assert asking.recovery.goal() is None
    asking.answer(0, 5, 11)
    assert asking.recovery.goal() == (5, 11, [])


def test_answers_to_an_earlier_life_count_for_nothing() -> None:
    asking = Asking()
    for sender in (0, 1, 2):
        asking.answer(sender, 0, 7, epoch=1)
    assert asking.recovery.goal() is None


def test_the_first_answer_of_a_view_stays() -> None:
    """Under load the log grows all the time: the goal must not."""
    asking = Asking()
    for following in (7, 8, 9):
        for sender in (0, 1, 2):
            asking.answer(sender, 0, following)
    assert asking.recovery.goal() == (0, 7, [])


def test_what_one_held_who_has_forgotten_it_since_is_not_waited_for() -> None:
    """Perhaps nobody holds it any more."""
    asking = Asking()
    asking.answer(0, 0, 7)
    asking.answer(1, 0, 0, (0, 9, 0, 0, 0))
    asking.answer(2, 0)
    assert asking.recovery.goal() == (0, 7, [0, 9, 0, 0, 0])
    asking.answer(1, 0, 0, (0, 4, 0, 0, 0), life=2)
    assert asking.recovery.goal() == (0, 7, [0, 4, 0, 0, 0])


def test_all_that_anyone_of_them_holds_has_to_be_held() -> None:
    asking = Asking()
    asking.answer(0, 0, 7, (3, 0, 1, 0, 0))
    asking.answer(1, 0, 0, (2, 2, 1, 0, 0))
    asking.answer(2, 0, 0, (0, 0, 1, 0, 0, 4))
    assert asking.recovery.goal() == (0, 7, [3, 2, 1, 0, 0, 4])


def test_it_asks_all_others_until_it_takes_part() -> None:
    asking = Asking()
    asking.recovery.ask(1.0)
    assert asking.out.broadcasts == 1
    assert SetTimer(RECOVER, 1.1) in asking.out.drain()
    asking.recovery.finish()
    asking.recovery.ask(1.1)
    assert asking.out.drain() == []
    assert asking.recovery.goal() is None


def test_who_is_silent_for_long_has_not_answered() -> None:
    """Its answer may be of a life that is over by now."""
    asking = Asking()
    for sender in (0, 1, 2):
        asking.answer(sender, 0, 7)
    for asked in range(1, PATIENCE + 2):
        asking.now = 0.1 * asked
        asking.recovery.ask(asking.now)
        asking.answer(0, 0, 7)
        asking.answer(1, 0, 7)
    assert asking.recovery.goal() is None
    asking.answer(3, 0)
    assert asking.recovery.goal() == (0, 7, [])


# --- The way back -------------------------------------------------------------------------------


@BOTH
def test_a_first_start_is_no_return(protocol: str) -> None:
    nodes = Lives(protocol, crash_model="epoch")
    assert not any(node.is_recovering for node in nodes.replicas.values())
    assert nodes.on_wire(Recover) == []


@BOTH
@pytest.mark.parametrize("accept_to", ["all", "leader"])
@pytest.mark.parametrize("returning", [0, 1, 2])
def test_a_replica_that_returns_executes_what_all_have_and_takes_part(
    protocol: str, accept_to: str, returning: int
) -> None:
    nodes = system(protocol, accept_to=accept_to)
    assert sorted(nodes.serve(0, *ASKED)) == ASKED
    nodes.restart(replica(returning))
    assert nodes.replicas[returning].is_recovering
    nodes.pass_time(3)
    assert not nodes.replicas[returning].is_recovering
    gone = replica((returning + 1) % 3)
    nodes.crash(gone)
    nodes.pass_time(5)
    leader = nodes.replicas[returning].ordering.leader
    assert nodes.serve(leader, (9, 1)) == [(9, 1)], "a majority only with who has returned"
    nodes.pass_time(1)
    assert sorted(nodes.executed(returning)) == commands(*ASKED, (9, 1))


@BOTH
def test_it_returns_again_and_again(protocol: str) -> None:
    nodes = system(protocol)
    for sequence in range(1, 5):
        assert nodes.serve(0, (7, sequence)) == [(7, sequence)]
        nodes.restart(R2)
        nodes.pass_time(3)
        assert not nodes.replicas[2].is_recovering
    assert nodes.executed(2) == commands(*((7, sequence) for sequence in range(1, 5)))


@BOTH
def test_it_returns_under_load(protocol: str) -> None:
    nodes = system(protocol)
    nodes.serve(0, *ASKED)
    nodes.restart(R2)
    for sequence in range(1, 40):
        nodes.serve(0, (9, sequence))
        nodes.pass_time(0.1)
    assert not nodes.replicas[2].is_recovering
    assert nodes.executed(2) == nodes.executed(0)


def test_it_votes_and_promises_nothing_before() -> None:
    nodes = system(replicas=5)
    nodes.restart(R2)
    nodes.lose()
    nodes.give(R0, R2, Propose(0, 0, b"a", 0))
    nodes.give(R1, R2, Prepare(1, 0), CatchUp(0, 1), Recover(2))
    assert nodes.on_wire() == []


def test_it_does_not_suspect_before() -> None:
    nodes = system()
    nodes.restart(R1)
    nodes.lose()
    nodes.replicas[1].suspect_leader(nodes.now)
    nodes.drain(R1)
    assert nodes.on_wire(Prepare) == []
    assert nodes.replicas[1].ordering.view == 0


def test_it_does_not_lead_before_though_view_0_is_its_own() -> None:
    nodes = system()
    nodes.restart(R0)
    nodes.ask(0, (1, 1))
    assert not nodes.replicas[0].ordering.leads
    assert nodes.on_wire(Propose) == []


def test_what_was_decided_with_a_forgotten_vote_is_not_overruled() -> None:
    """Without who knows the decision there is no majority that could forget it."""
    nodes = system()
    nodes.ask(0, (7, 1))
    nodes.deliver(Propose, to=R1)
    nodes.deliver(Accept, to=R0)
    assert nodes.executed(0) == commands((7, 1))
    nodes.lose()
    nodes.restart(R1)
    nodes.crash(R0)
    nodes.pass_time(20)
    assert nodes.replicas[1].is_recovering
    assert not nodes.replicas[2].ordering.leads


@BOTH
def test_without_a_majority_that_remembers_nobody_returns(protocol: str) -> None:
    nodes = system(protocol)
    nodes.serve(0, *ASKED)
    nodes.restart(R1, R2)
    nodes.pass_time(20)
    assert nodes.replicas[1].is_recovering
    assert nodes.replicas[2].is_recovering
    assert nodes.serve(0, (9, 1)) == []


@BOTH
def test_two_of_five_return_together(protocol: str) -> None:
    nodes = system(protocol, replicas=5)
    nodes.serve(2, *ASKED)
    nodes.serve(0, *ASKED)
    nodes.restart(R0, R3)
    nodes.pass_time(5)
    assert not any(node.is_recovering for node in nodes.replicas.values())
    assert [sorted(nodes.executed(host)) for host in range(5)] == [commands(*ASKED)] * 5


# --- The others ---------------------------------------------------------------------------------


def test_a_leader_tells_up_to_where_it_has_opened_instances() -> None:
    nodes = system(window=4)
    for client in range(3):
        nodes.ask(0, (client, 1))
    nodes.lose()
    nodes.give(R2, R0, Recover(2))
    ((_, receiver, message),) = nodes.on_wire()
    assert (receiver, message) == (R2, Recovered(2, 0, 3, [], [1, 1, 2]))


def test_a_follower_tells_its_view_alone() -> None:
    nodes = system()
    nodes.serve(0, *ASKED)
    nodes.lose()
    nodes.give(R2, R1, Recover(2))
    assert [e.message for e in nodes.on_wire()] == [Recovered(2, 0, 0, [], [1, 1, 2])]


def test_a_candidate_answers_once_it_leads() -> None:
    """Before it does not know in which instances the former life may have voted."""
    nodes = system(replicas=5)
    nodes.replicas[1].suspect_leader(nodes.now)
    nodes.drain(R1)
    nodes.give(R2, R1, Recover(2))
    assert nodes.on_wire(Recovered) == []
    nodes.settle()
    assert nodes.replicas[1].ordering.leads
    nodes.give(R2, R1, Recover(2))
    assert nodes.on_wire(Recovered)


def test_a_question_of_a_life_that_is_over_is_not_answered() -> None:
    nodes = system()
    nodes.give(R2, R0, Recover(3))
    nodes.lose()
    nodes.give(R2, R0, Recover(2))
    assert nodes.on_wire() == []


def test_where_the_leader_returns_the_next_one_leads_at_once_and_nobody_else() -> None:
    nodes = system(replicas=5)
    nodes.restart(R0)
    nodes.deliver(Recover)
    assert {envelope.sender for envelope in nodes.on_wire(Prepare)} == {R1}


def test_the_question_of_a_former_leader_is_no_heartbeat() -> None:
    """Else one that cannot return would keep the others waiting for ever."""
    nodes = system(replicas=5)
    for _ in range(30):
        nodes.now += 0.1
        nodes.give(R0, R2, Recover(2))
    nodes.expire(R2, "suspect")
    assert nodes.on_wire(Prepare, sender=R2)


def test_a_promise_of_an_earlier_life_is_not_counted() -> None:
    nodes = system(replicas=5)
    nodes.replicas[1].suspect_leader(nodes.now)
    nodes.drain(R1)
    nodes.lose()
    candidate = nodes.replicas[1].ordering
    nodes.give(R2, R1, PrepareOk(1, 0, [], [1] * 5))
    nodes.give(R3, R1, PrepareOk(1, 0, [], [1, 1, 2, 1, 1]))
    assert not candidate.leads, "replica 2 has started again since it promised"
    nodes.give(R2, R1, PrepareOk(1, 0, [], [1, 1, 2, 1, 1]))
    assert candidate.leads


def test_a_promise_of_an_earlier_life_is_not_counted_where_its_return_was_known_before() -> None:
    nodes = system(replicas=5)
    nodes.give(R2, R1, Recover(2))
    nodes.replicas[1].suspect_leader(nodes.now)
    nodes.drain(R1)
    nodes.give(R2, R1, PrepareOk(1, 0, [], [1] * 5))
    nodes.give(R3, R1, PrepareOk(1, 0, [], [1] * 5))
    assert not nodes.replicas[1].ordering.leads
    nodes.give(R4, R1, PrepareOk(1, 0, [], [1] * 5))
    assert nodes.replicas[1].ordering.leads


def test_a_promise_without_epochs_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        system().give(R2, R1, PrepareOk(1, 0, [], []))


# --- Payloads (S-Paxos) -------------------------------------------------------------------------


def spaxos(nodes: Lives, host: int) -> SPaxosReplica:
    node = nodes.replicas[host]
    assert isinstance(node, SPaxosReplica)
    return node


def test_who_has_forgotten_a_payload_holds_it_no_more() -> None:
    """A batch must not be ordered on the word of one that has forgotten it."""
    nodes = system("spaxos", replicas=5)
    nodes.ask(1, (7, 1))
    nodes.deliver(Payload, to=R1)
    nodes.deliver(Payload, to=R2)
    nodes.deliver(Ack, to=R0)
    nodes.give(R2, R0, Recover(2))
    nodes.give(R3, R0, Ack([0, 1, 0, 0, 0], [1, 1, 1, 1, 1]))
    assert nodes.on_wire(Propose) == [], "two of five"
    nodes.give(R4, R0, Ack([0, 1, 0, 0, 0], [1, 1, 1, 1, 1]))
    assert nodes.on_wire(Propose)


def test_who_acknowledges_a_payload_passes_on_who_may_have_forgotten_it() -> None:
    """Otherwise who has lost it counts as a holder with those who got it after its return."""
    nodes = system("spaxos", replicas=5)
    held = [0, 1, 0, 0, 0]
    nodes.give(R1, R0, Ack(held, [1, 1, 1, 1, 1]))
    nodes.give(R2, R0, Ack(held, [1, 1, 1, 1, 1]))
    nodes.give(R3, R0, Ack(held, [1, 1, 2, 1, 1]))
    assert nodes.on_wire(Propose) == [], "held by two of five"
    nodes.give(R2, R0, Ack(held, [1, 1, 2, 1, 1]))
    assert nodes.on_wire(Propose)


def test_an_ack_of_an_earlier_life_counts_for_nothing() -> None:
    nodes = system("spaxos", replicas=5)
    nodes.give(R2, R0, Recover(2))
    for sender in (R1, R2, R3):
        nodes.give(sender, R0, Ack([0, 1, 0, 0, 0], [1, 1, 1, 1, 1]))
    assert nodes.on_wire(Propose) == []
    nodes.give(R2, R0, Ack([0, 1, 0, 0, 0], [1, 1, 2, 1, 1]))
    assert nodes.on_wire(Propose)


def test_the_coordinator_sends_again_to_who_has_forgotten() -> None:
    nodes = system("spaxos", replicas=5)
    nodes.ask(1, (7, 1))
    nodes.deliver(Payload, to=R1)
    nodes.deliver(Payload, to=R2)
    nodes.deliver(Ack, to=R1)
    nodes.deliver(Held)
    nodes.lose()
    nodes.give(R2, R1, Recover(2))
    nodes.deliver(Held)
    nodes.expire(C1, "retransmit")
    assert R2 in {envelope.receiver for envelope in nodes.on_wire(Payload)}


def test_it_takes_part_once_it_holds_what_others_hold() -> None:
    """Among those who answer is a holder of all that was stable, ordered or not."""
    nodes = system("spaxos")
    nodes.ask(1, (7, 1))
    nodes.deliver(Payload)
    nodes.lose()
    nodes.restart(R2)
    nodes.deliver(Recover)
    nodes.deliver(Recovered)
    assert nodes.replicas[2].is_recovering
    nodes.give(R1, R2, Payload(1, 1, requests((7, 1))))
    assert not nodes.replicas[2].is_recovering
    assert spaxos(nodes, 2).holds(BatchId(1, 1))


def test_a_whole_host_returns_and_serves_its_clients() -> None:
    nodes = system("spaxos")
    assert nodes.serve(2, *ASKED) == ASKED
    nodes.restart(R2, C2)
    nodes.pass_time(3)
    assert nodes.serve(2, (7, 1)) == [(7, 1)]
    nodes.pass_time(1)
    assert [nodes.executed(host) for host in range(3)] == [commands(*ASKED, (7, 1))] * 3


def test_a_retry_at_a_coordinator_that_has_returned_is_executed_once() -> None:
    nodes = system("spaxos")
    nodes.serve(2, (7, 1))
    nodes.restart(C2)
    assert nodes.serve(2, (7, 1)) == [(7, 1)]
    assert [nodes.executed(host) for host in range(3)] == [commands((7, 1))] * 3


def test_a_replica_that_returns_learns_of_the_heartbeats_while_it_recovers() -> None:
    nodes = system()
    nodes.serve(0, *ASKED)
    nodes.restart(R2)
    nodes.lose(Recover)
    nodes.give(R0, R2, Alive(0, 4, 4))
    nodes.expire(R2, "catch_up")
    nodes.settle()
    assert nodes.executed(2) == commands(*ASKED)
    assert nodes.replicas[2].is_recovering, "it has still to be told that this is all"
