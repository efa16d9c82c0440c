"""Executor: every request once, in order, with its reply kept for a retry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.columns import Cells, Columns
from actors.core.errors import RemoteProtocolError
from actors.core.executor import (
    DIGEST_STRIDE,
    DIGESTS_KEPT,
    REPLY_BYTES_INLINE,
    DigestTrail,
    Executor,
)
from tests.actors.core.wired import Echo, columns, requests, rows

CLIENTS = 5


class Sized(Echo):
    """Replies with as many bytes as the number that the command is."""

    def execute(self, commands: Cells) -> Cells:
        super().execute(commands)
        return Cells.of([command * int(command) for command in commands.values()])


def executor(service: Echo | None = None) -> Executor:
    return Executor(service or Echo(), CLIENTS)


def executed(node: Executor, *batch: tuple[int, int]) -> dict[int, int]:
    """Execute a batch; return the sequence that each client gets a reply to."""
    replies = node.execute(requests(*batch))
    for client, sequence, reply in rows(replies):
        assert reply == b"%4d:%4d" % (client, sequence)
    assert len(replies) == len(set(replies.clients.tolist())), "one reply per client"
    return dict(zip(replies.clients.tolist(), replies.sequences.tolist(), strict=True))


def test_a_repeat_is_not_executed_and_gets_the_kept_reply() -> None:
    service = Echo()
    node = executor(service)
    assert executed(node, (1, 1), (2, 1)) == {1: 1, 2: 1}
    assert executed(node, (2, 1), (1, 1)) == {1: 1, 2: 1}
    assert len(service.executed) == 2


def test_a_repeat_inside_one_batch_is_executed_once() -> None:
    service = Echo()
    assert executed(executor(service), (1, 1), (1, 1), (2, 1)) == {1: 1, 2: 1}
    assert len(service.executed) == 2


def test_a_second_new_request_of_a_client_in_one_batch_is_executed_after_the_first() -> None:
    service = Echo()
    assert executed(executor(service), (1, 1), (2, 1), (1, 2)) == {1: 2, 2: 1}
    assert service.executed == [b"   1:   1", b"   2:   1", b"   1:   2"]


def test_an_old_request_is_not_executed_and_the_reply_says_how_far_its_client_is() -> None:
    """So that whoever holds it pending learns that nobody awaits it any more."""
    service = Echo()
    node = executor(service)
    executed(node, (1, 1), (1, 2))
    assert executed(node, (1, 1), (2, 1)) == {1: 2, 2: 1}
    assert len(service.executed) == 3


batches = st.lists(
    st.lists(st.tuples(st.integers(0, CLIENTS - 1), st.integers(1, 6)), max_size=8), max_size=8
)


@given(batches)
def test_any_batches_are_executed_exactly_once_and_in_order(
    found: list[list[tuple[int, int]]],
) -> None:
    service = Echo()
    node = executor(service)
    last: dict[int, int] = {}
    order: list[bytes] = []
    for batch in found:
        for client, sequence in batch:
            if sequence > last.get(client, 0):
                last[client] = sequence
                order.append(b"%4d:%4d" % (client, sequence))
        assert executed(node, *batch) == {client: last[client] for client, _ in batch}
    assert service.executed == order
    assert node.requests == len(order) == node.executions.sum()
    assert node.last.tolist() == [last.get(client, 0) for client in range(CLIENTS)]
    assert node.batches == len(found)


lengths = st.sampled_from([0, 1, REPLY_BYTES_INLINE - 1, REPLY_BYTES_INLINE, 20, 99])


@given(st.lists(st.lists(lengths, min_size=1, max_size=CLIENTS), min_size=1, max_size=5))
def test_kept_replies_of_any_length_are_found_again(steps: list[list[int]]) -> None:
    """Short ones and long ones of one client take turns."""
    node = Executor(Sized(), CLIENTS)
    for sequence, step in enumerate(steps, 1):
        commands = [(client, sequence, b"%d" % length) for client, length in enumerate(step)]
        batch = columns(*commands).encode()
        fresh = rows(node.execute(batch))
        assert fresh == [(c, s, command * int(command)) for c, s, command in commands]
        assert rows(node.execute(batch)) == fresh


def test_an_empty_batch_is_executed_to_no_effect() -> None:
    node = executor()
    assert executed(node) == {}
    assert node.batches == 1


def test_a_request_numbered_zero_is_not_executed() -> None:
    """Clients number from 1: zero is what the table holds of a client never seen."""
    service = Echo()
    executed_rows = executor(service).execute(requests((1, 0), (2, 1)))
    assert (2, 1, b"   2:   1") in rows(executed_rows)
    assert service.executed == [b"   2:   1"]


# --- Digests ------------------------------------------------------------------------------------


def trail(batches: list[bytes]) -> DigestTrail:
    found = DigestTrail()
    for batch in batches:
        found.fold(batch)
    return found


@given(st.lists(st.binary(max_size=3), max_size=8), st.lists(st.binary(max_size=3), max_size=8))
def test_digests_are_equal_exactly_where_the_executed_prefixes_are(
    one: list[bytes], other: list[bytes]
) -> None:
    ones, others = trail(one).kept(), trail(other).kept()
    assert ones.keys() == set(range(len(one) + 1))
    for n in ones.keys() & others.keys():
        assert (ones[n] == others[n]) == (one[:n] == other[:n])


def test_where_a_batch_ends_matters() -> None:
    assert trail([b"ab", b"c"]).kept()[2] != trail([b"a", b"bc"]).kept()[2]


def test_old_digests_thin_out_but_the_recent_ones_are_all_kept() -> None:
    batches = DIGESTS_KEPT + 3 * DIGEST_STRIDE + 5
    full, part = trail([b"x"] * batches).kept(), trail([b"x"] * DIGEST_STRIDE).kept()
    recent = set(range(batches - DIGESTS_KEPT + 1, batches + 1))
    assert full.keys() == recent | set(range(0, batches, DIGEST_STRIDE))
    assert full[DIGEST_STRIDE] == part[DIGEST_STRIDE]


def test_a_batch_counts_in_the_digest_also_where_all_of_it_is_old() -> None:
    node, twin = executor(), executor()
    batch = requests((1, 1))
    node.execute(batch)
    node.execute(batch)
    twin.execute(batch)
    assert node.digests.kept().keys() != twin.digests.kept().keys()
    assert isinstance(twin.execute(batch), Columns)
    assert node.digests.kept() == twin.digests.kept()


# --- Snapshots ----------------------------------------------------------------------------------


def restored(node: Executor) -> tuple[Executor, Echo]:
    """Return an executor, and its service, with some state of its own and then that of `node`."""
    service = Echo()
    other = executor(service)
    executed(other, (0, 9), (4, 9))
    other.restore(node.snapshot())
    return other, service


@given(batches, batches)
def test_from_a_snapshot_on_execution_is_the_same(
    before: list[list[tuple[int, int]]], after: list[list[tuple[int, int]]]
) -> None:
    service = Echo()
    node = executor(service)
    for batch in before:
        executed(node, *batch)
    other, other_service = restored(node)
    for batch in after:
        assert executed(other, *batch) == executed(node, *batch)
    assert other_service.executed == service.executed
    assert other.executions.tolist() == node.executions.tolist()
    assert other.last.tolist() == node.last.tolist()
    assert (other.batches, other.requests) == (node.batches, node.requests)
    assert rows(other.last_replies()) == rows(node.last_replies())
    kept, others = node.digests.kept(), other.digests.kept()
    assert others.keys() == set(range(len(before), node.batches + 1))
    assert all(kept[batches] == digest for batches, digest in others.items())


@given(st.lists(lengths, min_size=1, max_size=CLIENTS))
def test_a_snapshot_keeps_replies_of_any_length(step: list[int]) -> None:
    node, other = Executor(Sized(), CLIENTS), Executor(Sized(), CLIENTS)
    batch = columns(*((client, 1, b"%d" % length) for client, length in enumerate(step))).encode()
    replies = rows(node.execute(batch))
    other.restore(node.snapshot())
    assert rows(other.execute(batch)) == replies


def test_a_snapshot_of_nothing_is_one() -> None:
    other, service = restored(executor())
    assert service.executed == []
    assert rows(other.last_replies()) == []
    assert executed(other, (0, 1)) == {0: 1}


@pytest.mark.parametrize("clients", [CLIENTS - 1, CLIENTS + 1])
def test_a_snapshot_of_a_system_of_other_clients_is_refused(clients: int) -> None:
    with pytest.raises(RemoteProtocolError):
        executor().restore(Executor(Echo(), clients).snapshot())


@given(st.binary(max_size=60))
def test_what_is_no_snapshot_is_refused(garbage: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        executor().restore(garbage)
