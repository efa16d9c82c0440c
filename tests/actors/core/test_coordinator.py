"""The coordinator: batches, disseminates, sends again until stable, replies when executed."""

import msgspec
import pytest

from actors.core.config import Config
from actors.core.coordinator import BATCH, RETRANSMIT, Coordinator
from actors.core.errors import RemoteProtocolError, RestartError
from actors.core.ids import INCARNATIONS_MAX, Address
from actors.core.journal import Started, decode
from actors.core.messages import Alive, Executed, Held, Message, Payload, Replies, Requests
from tests.actors.core.wired import FLEET, Wired, columns, coordinator, replica, requests, rows

ME = coordinator(1)
MY_REPLICA = replica(1)


def lone(**settings: float) -> Wired:
    """Return the coordinator of host 1 without any replica."""
    return Wired({ME: Coordinator(1, Config(**{"clients": 20, **settings}))})


def ask(nodes: Wired, *asked: tuple[int, int], fleet: Address = FLEET) -> None:
    nodes.give(fleet, ME, Requests(requests(*asked)))


def payloads(nodes: Wired) -> list[tuple[int, int, list[int]]]:
    """Return (replica, sequence, clients) of every payload on the wire, and take them off it."""
    found = []
    for _, receiver, message in nodes.lose(Payload):
        assert isinstance(message, Payload)
        assert message.origin == 1
        found.append((receiver.number, message.sequence, [c for c, _, _ in rows(message.requests)]))
    return found


def executed(*answered: tuple[int, int]) -> Executed:
    return Executed(columns(*((c, s, b"reply") for c, s in answered)).encode())


def test_an_idle_coordinator_sends_requests_at_once_to_every_replica() -> None:
    nodes = lone()
    ask(nodes, (3, 1), (4, 1))
    assert payloads(nodes) == [(0, 1, [3, 4]), (1, 1, [3, 4]), (2, 1, [3, 4])]


def test_as_many_unstable_batches_are_open_as_the_window_allows() -> None:
    nodes = lone(dissemination_window=2)
    for client in range(5):
        ask(nodes, (client, 1))
    assert {(sequence, *clients) for _, sequence, clients in payloads(nodes)} == {(1, 0), (2, 1)}
    nodes.give(MY_REPLICA, ME, Held(ME.number, [1, 0, 0]))
    assert payloads(nodes) == [], "one holder of three does not make it stable"
    nodes.give(MY_REPLICA, ME, Held(ME.number, [1, 1, 0]))
    assert payloads(nodes) == [(i, 3, [2, 3, 4]) for i in range(3)], "what waited shares a batch"


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    nodes = lone(dissemination_batch_bytes_max=len(requests((0, 1), (1, 1))))
    ask(nodes, *((client, 1) for client in range(4)))
    assert [clients for to, _, clients in payloads(nodes) if to == 0] == [[0, 1], [2, 3]]


def test_an_unfilled_batch_waits_for_its_delay() -> None:
    nodes = lone(dissemination_batch_delay_ms=50)
    ask(nodes, (0, 1))
    nodes.now = 0.02
    ask(nodes, (1, 1))
    assert payloads(nodes) == []
    assert nodes.timers[ME, BATCH] == 0.05
    nodes.expire(ME, BATCH)
    assert payloads(nodes) == [(i, 1, [0, 1]) for i in range(3)]


def test_the_delay_of_the_next_batch_counts_anew() -> None:
    nodes = lone(dissemination_batch_delay_ms=50)
    ask(nodes, (0, 1))
    nodes.expire(ME, BATCH)
    nodes.now = 1.0
    ask(nodes, (1, 1))
    assert nodes.timers[ME, BATCH] == 1.05


def test_an_unstable_batch_is_sent_again_to_those_who_lack_it_and_to_its_own_replica() -> None:
    """That one may have come back, and not know any more whose batches it should report on."""
    nodes = lone(replicas=5)
    ask(nodes, (0, 1))
    nodes.lose()
    nodes.give(MY_REPLICA, ME, Held(ME.number, [0, 1, 0, 1, 0]))
    nodes.expire(ME, RETRANSMIT)
    assert [to for to, _, _ in payloads(nodes)] == [0, ME.number, 2, 4]


@pytest.mark.parametrize("tenths", range(1, 10))
def test_an_unstable_batch_is_sent_again_at_the_first_expiry(tenths: int) -> None:
    nodes = lone()
    nodes.now = tenths / 10
    ask(nodes, (0, 1))
    nodes.lose()
    nodes.expire(ME, RETRANSMIT)
    assert len(payloads(nodes)) == 3


def test_an_unstable_batch_is_sent_again_as_often_as_it_takes() -> None:
    nodes = lone()
    ask(nodes, (0, 1))
    nodes.lose()
    for _ in range(3):
        nodes.expire(ME, RETRANSMIT)
        assert len(payloads(nodes)) == 3


def test_a_stable_batch_is_not_sent_again() -> None:
    """Whoever still lacks it fetches it from a holder."""
    nodes = lone()
    ask(nodes, (0, 1))
    nodes.lose()
    nodes.give(MY_REPLICA, ME, Held(ME.number, [0, 1, 1]))
    nodes.expire(ME, RETRANSMIT)
    assert payloads(nodes) == []
    assert (ME, RETRANSMIT) not in nodes.timers


def test_an_old_report_that_comes_late_takes_no_stability_back() -> None:
    nodes = lone(dissemination_window=1)
    ask(nodes, (0, 1))
    nodes.give(
        MY_REPLICA,
        ME,
        Held(ME.number, [1, 1, 0]),
        Held(ME.number, [0, 1, 0]),
        Held(ME.number, [1, 1, 0]),
    )
    nodes.lose()
    ask(nodes, (1, 1))
    assert len(payloads(nodes)) == 3
    assert nodes.nodes[ME].gauges()["unstable_batches"] == 1


def test_replies_go_to_the_clients_when_their_batch_is_executed() -> None:
    nodes = lone()
    ask(nodes, (0, 1), (1, 7))
    nodes.lose()
    nodes.give(MY_REPLICA, ME, executed((0, 1), (1, 7)))
    ((_, receiver, message),) = nodes.wire
    assert isinstance(message, Replies)
    assert (receiver, rows(message.replies)) == (FLEET, [(0, 1, b"reply"), (1, 7, b"reply")])
    assert nodes.nodes[ME].gauges()["pending_requests"] == 0


def test_a_retry_of_a_request_under_way_is_not_batched_again() -> None:
    nodes = lone()
    ask(nodes, (0, 1))
    nodes.lose()
    ask(nodes, (0, 1))
    assert payloads(nodes) == []


def test_a_crowded_coordinator_stops_reading_until_it_has_replied() -> None:
    nodes = lone(pending_requests_max=2)
    ask(nodes, (0, 1), (1, 1))
    assert nodes.throttled[ME]
    nodes.give(MY_REPLICA, ME, executed((0, 1), (1, 1)))
    assert not nodes.throttled[ME]


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (replica(0), executed((0, 1))),
        (replica(0), Held(ME.number, [1, 1, 1])),
        (FLEET, Held(ME.number, [1, 1, 1])),
        (MY_REPLICA, Requests(requests((0, 1)))),
        (MY_REPLICA, Alive(0, 0, 0)),
        (MY_REPLICA, Held(ME.number, [1, 1])),
        (MY_REPLICA, Executed(b"garbage")),
        (MY_REPLICA, executed((1 << 22, 1))),
        (FLEET, Requests(b"garbage")),
    ],
    ids=str,
)
def test_what_no_correct_peer_sends_is_refused(sender: Address, message: Message) -> None:
    with pytest.raises(RemoteProtocolError):
        lone().give(sender, ME, message)


# --- Lives --------------------------------------------------------------------------------------


def in_life(epoch: int) -> Wired:
    """Return the coordinator of host 1 in its `epoch`th life."""
    config = Config(clients=20, crash_model="epoch")
    records: list[bytes] = []
    for _ in range(epoch):
        nodes = Wired({ME: Coordinator(1, config, records)})
        records += [store.record for store in nodes.stored[ME]]
    return nodes


@pytest.mark.parametrize(("epoch", "origin"), [(1, 1), (2, 4), (3, 7)])
def test_each_life_makes_batches_of_an_origin_of_its_own(epoch: int, origin: int) -> None:
    """None knows how far the one before had come."""
    nodes = in_life(epoch)
    ask(nodes, (0, 1))
    (message,) = {envelope.message for envelope in nodes.on_wire(Payload)}
    assert (message.origin, message.sequence) == (origin, 1)


def test_the_number_of_a_life_is_stored_before_its_first_batch_leaves() -> None:
    nodes = in_life(2)
    assert nodes.on_wire() == []
    assert [store.lazy for store in nodes.stored[ME]] == [False]
    assert [decode([store.record]) for store in nodes.stored[ME]] == [[Started(2)]]


def test_what_is_held_of_an_earlier_life_makes_nothing_stable() -> None:
    nodes = in_life(2)
    ask(nodes, (0, 1))
    nodes.give(MY_REPLICA, ME, Held(1, [1, 1, 1]))
    assert nodes.nodes[ME].gauges()["unstable_batches"] == 1
    nodes.give(MY_REPLICA, ME, Held(4, [1, 1, 1]))
    assert nodes.nodes[ME].gauges()["unstable_batches"] == 0


def test_there_are_only_so_many_lives() -> None:
    config = Config(crash_model="epoch")
    lives = [msgspec.msgpack.encode(Started(epoch + 1)) for epoch in range(INCARNATIONS_MAX)]
    assert Coordinator(1, config, lives[:-1]).counts()
    with pytest.raises(RestartError):
        Coordinator(1, config, lives)
