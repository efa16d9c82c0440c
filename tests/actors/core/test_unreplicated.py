"""The server without replication executes and answers at once, each request once."""

import pytest

from actors.core.config import Config
from actors.core.effects import Send
from actors.core.errors import RemoteProtocolError, RestartError
from actors.core.ids import Address
from actors.core.messages import Alive, Replies, Requests
from actors.core.unreplicated import UnreplicatedServer
from tests.actors.core.wired import FLEET, Echo, requests, rows

ALONE = Config(protocol="unreplicated", replicas=1, clients=10)


def server() -> UnreplicatedServer:
    node = UnreplicatedServer(0, ALONE, Echo())
    node.start(0.0)
    return node


def answers(node: UnreplicatedServer) -> list[tuple[Address, list[tuple[int, int]]]]:
    """Drain a server that sends nothing but replies: to whom, and to which requests."""
    found = []
    for effect in node.drain():
        assert isinstance(effect, Send)
        assert isinstance(effect.message, Replies)
        replied = [(client, sequence) for client, sequence, _ in rows(effect.message.replies)]
        found += [(to, replied) for to in effect.to]
    return found


def test_what_has_arrived_is_executed_as_one_batch_and_answered_in_the_same_drain() -> None:
    node, other = server(), Address("fleet", 1)
    node.on_message(FLEET, Requests(requests((1, 1), (2, 1))), 0.0)
    node.on_message(other, Requests(requests((7, 1))), 0.0)
    assert answers(node) == [(FLEET, [(1, 1), (2, 1)]), (other, [(7, 1)])]
    assert answers(node) == []
    assert node.executor.batches == 1
    assert node.counts()["replies_out"] == node.counts()["requests_executed"] == 3


def test_a_repeated_request_gets_the_kept_reply_and_is_executed_once() -> None:
    node = server()
    for _ in range(2):
        node.on_message(FLEET, Requests(requests((1, 1))), 0.0)
        assert answers(node) == [(FLEET, [(1, 1)])]
    assert node.executor.requests == 1


def test_it_leads_from_the_start_and_whoever_suspects_it_changes_nothing() -> None:
    node = server()
    assert list(node.drain()) == []
    node.suspect_leader(1.0)
    assert node.ordering.leads
    assert node.gauges() == {"view": 0, "leads": 1, "pending_requests": 0}
    assert list(node.drain()) == []


def test_nobody_has_anything_to_say_to_it_but_requests() -> None:
    with pytest.raises(RemoteProtocolError, match="replica-1 sends Alive to a server"):
        server().on_message(Address("replica", 1), Alive(0, 0, 0), 0.0)


def test_there_is_one_only_and_it_does_not_return() -> None:
    with pytest.raises(AssertionError, match="3 servers that know nothing of each other"):
        UnreplicatedServer(0, Config(replicas=3), Echo())
    with pytest.raises(RestartError):
        UnreplicatedServer(0, ALONE, Echo(), [b"a former life"])
