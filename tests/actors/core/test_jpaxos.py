"""JPaxos: the leader batches, orders and replies; the others execute and redirect."""

import pytest

from actors.core.catchup import CATCH_UP
from actors.core.config import AcceptTo, Config
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.core.jpaxos import BATCH, JPaxosReplica
from actors.core.messages import (
    Accept,
    Ack,
    Held,
    Message,
    Payload,
    Prepare,
    PrepareOk,
    Propose,
    Redirect,
    Requests,
)
from actors.core.registry import PROTOCOLS
from tests.actors.core.wired import (
    FLEET,
    Echo,
    Wired,
    coordinator,
    replica,
    replied,
    requests,
    rows,
)

R0, R1, R2 = map(replica, range(3))


class JPaxosCluster(Wired):
    def __init__(self, protocol: str = "jpaxos", **settings: object) -> None:
        config = Config(**{"clients": 100, **settings})  # type: ignore[arg-type]
        self.services = [Echo() for _ in range(config.replicas)]
        self.replicas = []
        for me, service in enumerate(self.services):
            node = PROTOCOLS[protocol].replica(me, config, service, ())
            assert isinstance(node, JPaxosReplica)
            self.replicas.append(node)
        super().__init__({replica(me): node for me, node in enumerate(self.replicas)})

    def ask(self, host: Address, *asked: tuple[int, int]) -> None:
        self.give(FLEET, host, Requests(requests(*asked)))

    def promote(self, candidate: int) -> None:
        self.replicas[candidate].suspect_leader(self.now)
        self.drain(replica(candidate))


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("accept_to", ["all", "leader"])
def test_a_request_is_executed_everywhere_and_answered_once_by_the_leader(
    n: int, accept_to: AcceptTo
) -> None:
    nodes = JPaxosCluster(replicas=n, accept_to=accept_to)
    nodes.ask(R0, (7, 1))
    assert replied(nodes.settle_for_clients()) == [(7, 1)]
    nodes.expire(R0, "heartbeat")
    nodes.settle()
    assert [service.executed for service in nodes.services] == [[b"   7:   1"]] * n


def test_followers_redirect_to_the_leader() -> None:
    nodes = JPaxosCluster()
    nodes.ask(R2, (1, 1))
    assert nodes.settle_for_clients() == [Redirect(0)]
    assert nodes.replicas[2].gauges()["pending_requests"] == 0


def test_what_waits_while_the_window_is_full_shares_a_value() -> None:
    nodes = JPaxosCluster(window=1)
    for client in range(4):
        nodes.ask(R0, (client, 1))
    assert len(nodes.on_wire(Propose, to=R1)) == 1
    nodes.deliver(Propose, to=R1)
    nodes.lose(Propose)
    nodes.deliver(Accept, to=R0)
    ((_, _, second),) = nodes.on_wire(Propose, to=R1)
    assert isinstance(second, Propose)
    assert [client for client, _, _ in rows(second.value)] == [1, 2, 3]


def test_plain_multi_paxos_has_one_request_per_instance() -> None:
    nodes = JPaxosCluster("multipaxos", window=2)
    nodes.ask(R0, *((client, 1) for client in range(5)))
    assert len(nodes.on_wire(Propose, to=R1)) == 2
    assert sorted(replied(nodes.settle_for_clients())) == [(client, 1) for client in range(5)]
    assert nodes.replicas[0].counts()["instances_decided"] == 5


def test_an_unfilled_batch_waits_for_its_delay() -> None:
    nodes = JPaxosCluster(batch_delay_ms=10)
    nodes.ask(R0, (0, 1))
    assert nodes.on_wire(Propose) == []
    assert nodes.timers[R0, BATCH] == 0.01
    nodes.expire(R0, BATCH)
    assert len(nodes.on_wire(Propose, to=R1)) == 1


def test_a_repeated_request_is_answered_again_and_not_executed_again() -> None:
    nodes = JPaxosCluster()
    for _ in range(2):
        nodes.ask(R0, (7, 1))
        assert replied(nodes.settle_for_clients()) == [(7, 1)]
    assert [len(service.executed) for service in nodes.services] == [1, 1, 1]


def test_a_deposed_leader_redirects_all_who_wait() -> None:
    """What it had proposed may or may not be ordered: its clients ask again."""
    nodes = JPaxosCluster(window=1)
    nodes.ask(R0, (0, 1))
    nodes.ask(R0, (1, 1))
    nodes.lose()
    nodes.give(R1, R0, Prepare(1, 0))
    assert nodes.lose(Redirect)[0].message == Redirect(1)
    assert nodes.replicas[0].gauges()["pending_requests"] == 0
    assert nodes.replicas[0].gauges()["batcher_requests"] == 0


def test_a_leader_that_leads_again_has_its_clients_ask_again() -> None:
    """It has forgotten their requests: to go on waiting for them would be in vain."""
    nodes = JPaxosCluster()
    nodes.ask(R0, (7, 1))
    nodes.lose()
    nodes.promote(0)
    assert [envelope.message for envelope in nodes.on_wire(Redirect)] == [Redirect(0)]
    nodes.lose()
    nodes.give(R2, R0, PrepareOk(3, 0, [], []))
    nodes.ask(R0, (7, 1))
    assert nodes.replicas[0].gauges()["pending_requests"] == 1


def test_a_retry_at_the_new_leader_of_what_the_old_one_had_ordered_is_executed_once() -> None:
    nodes = JPaxosCluster()
    nodes.ask(R0, (7, 1))
    nodes.deliver(Propose, to=R1)
    nodes.lose()
    nodes.promote(1)
    nodes.ask(R1, (7, 1))
    assert replied(nodes.settle_for_clients()) == [(7, 1)]
    for laggard in (R0, R2):
        nodes.expire(laggard, CATCH_UP)
        nodes.settle()
    assert [service.executed for service in nodes.services] == [[b"   7:   1"]] * 3


def test_requests_that_come_to_a_candidate_wait_until_it_leads() -> None:
    nodes = JPaxosCluster()
    nodes.promote(1)
    nodes.ask(R1, (7, 1))
    assert nodes.on_wire(Propose, Redirect) == []
    nodes.lose(Prepare)
    nodes.give(R2, R1, PrepareOk(1, 0, [], []))
    assert nodes.on_wire(Propose)


def test_a_candidate_that_gives_way_redirects_who_waits() -> None:
    nodes = JPaxosCluster()
    nodes.promote(1)
    nodes.ask(R1, (7, 1))
    nodes.lose()
    nodes.give(R2, R1, Prepare(2, 0))
    assert [envelope.message for envelope in nodes.on_wire(Redirect)] == [Redirect(2)]


@pytest.mark.parametrize(("rows_max", "frames"), [(0, 1), (1, 3), (2, 2)])
def test_reply_frames_hold_no_more_rows_than_a_frame_may(rows_max: int, frames: int) -> None:
    nodes = JPaxosCluster(requests_per_frame_max=rows_max)
    nodes.ask(R0, (0, 1), (1, 1), (2, 1))
    assert len(nodes.settle_for_clients()) == frames


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (R1, Requests(requests((0, 1)))),
        (FLEET, Accept(0, 0)),
        (coordinator(0), Payload(0, 1, requests((0, 1)))),
        (R1, Ack([0, 0, 0], [])),
        (R1, Held(1, [0, 0, 0])),
        (FLEET, Requests(b"garbage")),
        (FLEET, Requests(requests((100, 1)))),
    ],
    ids=str,
)
def test_what_no_correct_peer_sends_is_refused(sender: Address, message: Message) -> None:
    with pytest.raises(RemoteProtocolError):
        JPaxosCluster().give(sender, R0, message)
