"""S-Paxos: only stable batches are ordered, each once, and their own host replies."""

import pytest

from actors.core.batch_ids import decode_ids, encode_ids
from actors.core.catchup import CATCH_UP
from actors.core.config import AcceptTo, Config
from actors.core.coordinator import Coordinator
from actors.core.dissemination import FETCH
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, BatchId
from actors.core.messages import (
    Accept,
    Ack,
    CatchUp,
    CaughtUp,
    Executed,
    Held,
    Message,
    Payload,
    Prepare,
    PrepareOk,
    Propose,
    Replies,
    Requests,
)
from actors.core.paxos import NO_OP
from actors.core.spaxos import SPaxosReplica
from tests.actors.core.wired import (
    FLEET,
    Echo,
    Envelope,
    Wired,
    coordinator,
    replica,
    replied,
    requests,
)

R0, R1, R2, R3, R4 = map(replica, range(5))
C0, C1, C2 = map(coordinator, range(3))


class SPaxosCluster(Wired):
    """Replicas and coordinators of n hosts."""

    def __init__(self, **settings: object) -> None:
        defaults = {"clients": 100, "ack_delay_ms": 0}
        config = Config(**{**defaults, **settings})  # type: ignore[arg-type]
        self.services = [Echo() for _ in range(config.replicas)]
        self.replicas = [
            SPaxosReplica(me, config, service) for me, service in enumerate(self.services)
        ]
        nodes: dict[Address, SPaxosReplica | Coordinator] = {}
        for me, node in enumerate(self.replicas):
            nodes[replica(me)] = node
            nodes[coordinator(me)] = Coordinator(me, config)
        super().__init__(nodes)

    def ask(self, host: int, *asked: tuple[int, int]) -> None:
        self.give(FLEET, coordinator(host), Requests(requests(*asked)))

    def promote(self, candidate: int) -> None:
        self.replicas[candidate].suspect_leader(self.now)
        self.drain(replica(candidate))

    def stabilise(self, host: int, *asked: tuple[int, int], without: Address | None = None) -> None:
        """Let requests be disseminated and acknowledged, but nothing be ordered."""
        self.ask(host, *asked)
        for kind in (Payload, Ack, Held):
            if without:
                self.lose(kind, to=without)
            self.deliver(kind)
        self.lose(Ack)

    def proposed(self, to: Address) -> list[BatchId]:
        """Return the ids in the proposals on the wire to one replica."""
        return [
            batch
            for envelope in self.on_wire(Propose, to=to)
            for batch in decode_ids(envelope.message.value)
        ]

    def executed(self) -> list[list[bytes]]:
        return [service.executed for service in self.services]


def command(client: int, sequence: int) -> bytes:
    return b"%4d:%4d" % (client, sequence)


# --- The way of a request -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 5, 7])
@pytest.mark.parametrize("accept_to", ["all", "leader"])
@pytest.mark.parametrize("ack_delay_ms", [0, 50])
def test_a_request_is_executed_everywhere_and_answered_once_by_the_host_it_was_sent_to(
    n: int, accept_to: AcceptTo, ack_delay_ms: float
) -> None:
    nodes = SPaxosCluster(replicas=n, accept_to=accept_to, ack_delay_ms=ack_delay_ms)
    nodes.ask(n - 1, (7, 1))
    replies: list[Envelope] = []

    def is_reply(envelope: Envelope) -> bool:
        if isinstance(envelope.message, Replies):
            replies.append(envelope)
        return isinstance(envelope.message, Replies)

    nodes.settle(without=is_reply)
    assert [envelope.sender for envelope in replies] == [coordinator(n - 1)]
    assert replied([envelope.message for envelope in replies]) == [(7, 1)]
    assert nodes.executed() == [[command(7, 1)]] * n


def test_the_order_is_the_same_everywhere_whoever_is_asked() -> None:
    nodes = SPaxosCluster()
    for client in range(9):
        nodes.ask(client % 3, (client, 1))
    assert sorted(replied(nodes.settle_for_clients())) == [(client, 1) for client in range(9)]
    first = nodes.services[0].executed
    assert len(first) == 9
    assert nodes.executed() == [first] * 3


def test_leader_does_not_propose_an_unstable_batch() -> None:
    """A batch that only its origin's host holds is never ordered."""
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    nodes.lose(Payload, to=R0)
    nodes.lose(Payload, to=R2)
    nodes.settle()
    assert [replica.counts()["instances_decided"] for replica in nodes.replicas] == [0, 0, 0]


def test_the_leader_proposes_once_f_plus_one_hold_a_batch_and_need_not_hold_it_itself() -> None:
    nodes = SPaxosCluster(replicas=5)
    nodes.ask(1, (7, 1))
    nodes.lose(Payload, to=R0)
    nodes.deliver(Payload, to=R1)
    nodes.deliver(Payload, to=R2)
    nodes.deliver(Ack, to=R0)
    assert nodes.proposed(R1) == []
    nodes.deliver(Payload, to=R3)
    nodes.deliver(Ack, to=R0)
    assert nodes.proposed(R1) == [BatchId(1, 1)]


def test_many_ids_share_a_value_in_the_sequence_of_each_origin() -> None:
    nodes = SPaxosCluster(window=1, dissemination_window=8)
    nodes.stabilise(2, (0, 1))
    for client in range(1, 4):
        nodes.stabilise(1, (client, 1))
        nodes.stabilise(2, (10 + client, 1))
    nodes.deliver(Propose, to=R1)
    nodes.lose(Propose)
    nodes.deliver(Accept, to=R0)
    found = nodes.proposed(R1)
    assert sorted(found) == [
        *(BatchId(1, s) for s in (1, 2, 3)),
        *(BatchId(2, s) for s in (2, 3, 4)),
    ]
    for origin in (1, 2):
        of_origin = [batch.sequence for batch in found if batch.origin == origin]
        assert of_origin == sorted(of_origin)


def test_a_value_holds_no_more_ids_than_fit() -> None:
    nodes = SPaxosCluster(window=8, batch_bytes_max=20, dissemination_window=8)
    nodes.crash(R0)
    nodes.promote(1)
    for client in range(5):
        nodes.stabilise(2, (client, 1))
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    values = [decode_ids(e.message.value) for e in nodes.on_wire(Propose, to=R2)]
    assert [len(value) for value in values] == [2, 2, 1]


def test_hosts_take_turns_where_a_value_has_room_for_one_id() -> None:
    """Otherwise a busy leader's own clients would be served, and nobody else's."""
    nodes = SPaxosCluster(window=6, batch_bytes_max=1, dissemination_window=8)
    nodes.crash(R0)
    nodes.promote(1)
    for client in range(3):
        nodes.stabilise(1, (client, 1))
        nodes.stabilise(2, (client + 10, 1))
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    assert [batch.origin for batch in nodes.proposed(R2)] == [1, 2, 1, 2, 1, 2]


# --- Missing payloads ---------------------------------------------------------------------------


def test_execution_waits_for_a_missing_payload_and_ordering_does_not() -> None:
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    (missing,) = nodes.lose(Payload, to=R2)
    nodes.settle()
    nodes.ask(1, (8, 1))
    nodes.settle()
    assert nodes.replicas[2].counts()["instances_decided"] == 2
    assert nodes.executed() == [[command(7, 1), command(8, 1)]] * 2 + [[]]
    nodes.arrive([missing])
    assert nodes.executed()[2] == [command(7, 1), command(8, 1)]


def test_a_missing_payload_is_fetched() -> None:
    """Its coordinator knows it to be stable and sends it no more."""
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    nodes.lose(Payload, to=R2)
    nodes.settle()
    for _ in range(2):
        nodes.expire(R2, FETCH)
        nodes.settle()
    assert nodes.executed() == [[command(7, 1)]] * 3


def test_a_missing_payload_is_fetched_though_its_origin_is_gone() -> None:
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    nodes.lose(Payload, to=R2)
    nodes.settle()
    nodes.crash(C1)
    nodes.crash(R1)
    for _ in range(4):
        nodes.expire(R2, FETCH)
        nodes.settle()
        if nodes.services[2].executed:
            break
    assert nodes.services[2].executed == [command(7, 1)]


def test_a_leader_whose_backlog_is_full_proposes_as_soon_as_it_has_executed() -> None:
    """In the same step: it has nothing else to wait for."""
    nodes = SPaxosCluster(replicas=3, execution_backlog_max=1, dissemination_window=8)
    nodes.ask(1, (7, 1))
    (missing,) = nodes.lose(Payload, to=R0)
    nodes.settle()
    nodes.ask(1, (8, 1))
    nodes.settle()
    assert nodes.replicas[0].counts()["instances_decided"] == 1
    nodes.arrive([missing])
    assert nodes.proposed(R1) == [BatchId(1, 2)]


# --- Ordered twice ------------------------------------------------------------------------------


def ordered_again(nodes: SPaxosCluster, *batches: BatchId) -> None:
    """Have the leader propose ids once more, as one may across views."""
    nodes.replicas[0].ordering.propose(encode_ids(list(batches)), nodes.now)
    nodes.drain(R0)
    nodes.settle()


def test_an_id_ordered_twice_is_executed_once() -> None:
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    nodes.settle()
    ordered_again(nodes, BatchId(1, 1), BatchId(1, 1))
    assert [replica.executor.batches for replica in nodes.replicas] == [1, 1, 1]
    assert nodes.executed() == [[command(7, 1)]] * 3


def test_an_id_ordered_twice_is_ignored_also_after_its_payload_is_pruned() -> None:
    nodes = SPaxosCluster()
    for client in range(3):
        nodes.ask(1, (client, 1))
        nodes.settle()
    assert nodes.replicas[0]._dissemination.find(BatchId(1, 1)) is None, "pruned"
    ordered_again(nodes, BatchId(1, 1))
    nodes.ask(1, (8, 1))
    nodes.settle()
    assert [len(executed) for executed in nodes.executed()] == [4, 4, 4]
    assert nodes.on_wire() == []
    assert all((replica(i), FETCH) not in nodes.timers for i in range(3)), "nothing is fetched"


def test_a_request_in_two_batches_is_executed_once_and_answered_by_both_hosts() -> None:
    """Its client has given up the first host and asked another."""
    nodes = SPaxosCluster()
    nodes.ask(1, (7, 1))
    nodes.ask(2, (7, 1))
    assert replied(nodes.settle_for_clients()) == [(7, 1), (7, 1)]
    assert nodes.executed() == [[command(7, 1)]] * 3


# --- New leaders --------------------------------------------------------------------------------


def test_a_new_leader_proposes_at_once_all_stable_unordered_ids() -> None:
    nodes = SPaxosCluster(dissemination_window=8)
    nodes.crash(R0)
    for client in range(3):
        nodes.stabilise(1, (client, 1))
        nodes.stabilise(2, (10 + client, 1))
    assert nodes.on_wire(Propose) == []
    nodes.promote(1)
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    assert sorted(nodes.proposed(R2)) == [BatchId(o, s) for o in (1, 2) for s in (1, 2, 3)]


def test_a_new_leader_proposes_no_id_again_that_it_learnt_from_the_log() -> None:
    nodes = SPaxosCluster(replicas=5)
    nodes.stabilise(1, (7, 1))
    nodes.deliver(Propose, to=R2)
    nodes.lose()
    nodes.stabilise(1, (8, 1))
    nodes.lose()
    nodes.promote(1)
    nodes.lose(Prepare, to=R0)
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    assert nodes.proposed(R3) == [BatchId(1, 1), BatchId(1, 2)]


def test_a_new_leader_proposes_no_id_again_that_it_caught_up_with() -> None:
    """What it has decided and not yet taken from the log is neither open nor ordered."""
    nodes = SPaxosCluster()
    nodes.ask(2, (7, 1))
    nodes.settle(without=lambda e: e.receiver == R1 and not isinstance(e.message, Payload | Ack))
    assert nodes.replicas[1].counts()["instances_decided"] == 0
    nodes.promote(1)
    nodes.deliver(Prepare)
    nodes.deliver(PrepareOk)
    nodes.deliver(CatchUp)
    nodes.deliver(CaughtUp)
    assert nodes.replicas[1].gauges()["leads"] == 1
    assert nodes.proposed(R2) == []


def test_a_leader_that_leads_again_proposes_anew_what_was_overruled_in_between() -> None:
    nodes = SPaxosCluster()
    nodes.stabilise(1, (7, 1))
    assert nodes.proposed(R2) == [BatchId(1, 1)]
    nodes.give(R1, R0, Prepare(1, 0))
    nodes.give(R1, R0, Propose(1, 0, NO_OP, 0))
    nodes.lose()
    nodes.promote(0)
    nodes.give(R2, R0, PrepareOk(3, 0, [], []))
    assert nodes.proposed(R2) == [BatchId(1, 1)]


def test_a_gap_filled_with_the_no_op_executes_nothing_and_is_passed() -> None:
    nodes = SPaxosCluster()
    nodes.stabilise(2, (7, 1))
    nodes.lose()
    nodes.promote(1)
    nodes.lose()
    nodes.give(R2, R1, PrepareOk(1, 0, [], []))
    nodes.lose(Propose)
    nodes.give(R0, R1, Accept(1, 0))
    assert nodes.services[1].executed == [command(7, 1)]
    nodes.give(R1, R2, Propose(1, 0, NO_OP, 0))
    nodes.give(R1, R2, Propose(1, 1, encode_ids([BatchId(2, 1)]), 1))
    assert nodes.services[2].executed == [command(7, 1)]


# --- Acks on other messages ---------------------------------------------------------------------


def test_an_ack_rides_on_what_goes_to_all_in_the_same_step() -> None:
    nodes = SPaxosCluster(replicas=5, ack_delay_ms=50)
    nodes.stabilise(1, (7, 1))
    nodes.deliver(Propose, to=R2)
    nodes.lose()
    nodes.nodes[R2].on_message(C1, Payload(1, 2, requests((8, 1))), nodes.now)
    nodes.give(R0, R2, Propose(0, 1, encode_ids([BatchId(1, 1)]), 0))
    assert nodes.on_wire(Accept, sender=R2)
    assert nodes.on_wire(Ack, sender=R2)


def test_an_ack_that_waits_for_a_ride_waits_no_longer_than_the_delay() -> None:
    nodes = SPaxosCluster(replicas=5, ack_delay_ms=50)
    nodes.give(R0, R2, Propose(0, 0, encode_ids([BatchId(1, 1)]), 0))
    nodes.lose()
    nodes.give(C1, R2, Payload(1, 2, requests((8, 1))))
    assert nodes.on_wire(Ack) == []
    nodes.expire(R2, "ack")
    assert len(nodes.on_wire(Ack, sender=R2)) == 4


def test_an_ack_goes_at_once_where_nothing_is_under_way() -> None:
    """The leader waits for it, and there is nothing to ride on."""
    nodes = SPaxosCluster(ack_delay_ms=50)
    nodes.ask(1, (7, 1))
    nodes.deliver(Payload)
    assert len(nodes.on_wire(Ack, sender=R1)) == 2
    assert len(nodes.on_wire(Ack, sender=R2)) == 2


# --- Wrong peers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (FLEET, Requests(requests((0, 1)))),
        (C1, Ack([1, 1, 1], [])),
        (C1, Held(1, [1, 1, 1])),
        (R1, Executed(b"")),
        (C1, Accept(0, 0)),
        (C1, Payload(2, 1, requests((0, 1)))),
        (R1, Ack([1], [])),
        (R1, Ack([1, 1, 1], [1, 1, 1])),
        (Address("replica", 3), Ack([1, 1, 1], [])),
        (Address("replica", 3), Accept(0, 0)),
        (Address("coordinator", 3), Payload(3, 1, requests((0, 1)))),
    ],
    ids=str,
)
def test_what_no_correct_peer_sends_is_refused(sender: Address, message: Message) -> None:
    with pytest.raises(RemoteProtocolError):
        SPaxosCluster().give(sender, R0, message)


def test_a_replica_that_missed_everything_catches_up_with_order_and_payloads() -> None:
    nodes = SPaxosCluster()
    for client in range(3):
        nodes.ask(1, (client, 1))
        nodes.settle(without=lambda envelope: envelope.receiver == R2)
    assert nodes.services[2].executed == []
    nodes.expire(R0, "heartbeat")
    nodes.expire(R1, "heartbeat")
    nodes.settle()
    for _ in range(3):
        for name in (CATCH_UP, FETCH):
            if (R2, name) in nodes.timers:
                nodes.expire(R2, name)
                nodes.settle()
    assert nodes.executed() == [[command(client, 1) for client in range(3)]] * 3
