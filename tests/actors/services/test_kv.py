"""The store behaves as a dict, answers everything, and copies of it stay equal."""

from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.columns import U32, Cells, Columns
from actors.core.config import LoadConfig
from actors.core.errors import LocalProtocolError, RemoteProtocolError
from actors.services import kv
from actors.services.kv import KvService, KvWorkload, Operation, Reply, Status

keys = st.sampled_from([b"", b"a", b"b", b"long key"])
values = st.sampled_from([b"", b"1", b"2", b"long value"])
calls = st.one_of(
    st.tuples(st.just(Operation.GET), keys),
    st.tuples(st.just(Operation.PUT), keys, values),
    st.tuples(st.just(Operation.COMPARE_AND_SET), keys, values | st.none(), values),
    st.tuples(st.just(Operation.DELETE), keys),
)
ENCODE = {
    Operation.GET: kv.get,
    Operation.PUT: kv.put,
    Operation.COMPARE_AND_SET: kv.compare_and_set,
    Operation.DELETE: kv.delete,
}
commands = calls.map(lambda call: ENCODE[call[0]](*call[1:]))
any_bytes = commands | st.binary(max_size=20)


def execute(service: KvService, commands: list[bytes]) -> list[Reply]:
    return [kv.decode_reply(reply) for reply in service.execute(Cells.of(commands)).values()]


def reply_of_model(model: dict[bytes, bytes], call: tuple) -> Reply:
    """Do to a dict what `call` asks of the store."""
    match call:
        case Operation.GET, key:
            return Reply(Status.OK, model[key]) if key in model else Reply(Status.NOT_FOUND)
        case Operation.PUT, key, value:
            model[key] = value
            return Reply(Status.OK)
        case Operation.COMPARE_AND_SET, key, expected, value:
            if model.get(key) == expected:
                return reply_of_model(model, (Operation.PUT, key, value))
            if key in model:
                return Reply(Status.COMPARE_FAILED, model[key])
            return Reply(Status.NOT_FOUND)
        case Operation.DELETE, key:
            return Reply(Status.NOT_FOUND if model.pop(key, None) is None else Status.OK)
    raise AssertionError(call)


@given(st.lists(calls, max_size=50))
def test_the_store_behaves_as_a_dict(calls: list[tuple]) -> None:
    service = KvService()
    model: dict[bytes, bytes] = {}
    replies = execute(service, [ENCODE[call[0]](*call[1:]) for call in calls])
    assert replies == [reply_of_model(model, call) for call in calls]
    every_key = [b"", b"a", b"b", b"long key"]
    assert execute(service, [kv.get(key) for key in every_key]) == [
        reply_of_model(model, (Operation.GET, key)) for key in every_key
    ]


@given(st.lists(any_bytes, max_size=30), st.integers(0, 30))
def test_equal_commands_give_equal_replies_and_snapshots(commands: list[bytes], cut: int) -> None:
    """Also where one copy executes them as one batch and the other as two."""
    one, other = KvService(), KvService()
    together = execute(one, commands)
    assert together == execute(other, commands[:cut]) + execute(other, commands[cut:])
    assert one.snapshot() == other.snapshot()


@given(st.dictionaries(st.binary(max_size=4), st.binary(max_size=4)), st.randoms())
def test_equal_states_have_equal_snapshots_whatever_their_history(
    state: dict[bytes, bytes], random: Random
) -> None:
    one, other = KvService(), KvService()
    shuffled = list(state.items())
    random.shuffle(shuffled)
    execute(one, [kv.put(*item) for item in state.items()])
    execute(other, [kv.put(b"passing", b"")] + [kv.put(*item) for item in shuffled])
    execute(other, [kv.delete(b"passing")])
    assert one.snapshot() == other.snapshot()


@given(st.lists(commands, max_size=30), st.lists(commands, max_size=30))
def test_a_restored_copy_goes_on_as_the_original(before: list[bytes], after: list[bytes]) -> None:
    original, copy = KvService(), KvService()
    execute(original, before)
    execute(copy, [kv.put(b"a", b"forgotten by restore"), kv.put(b"other", b"")])
    copy.restore(original.snapshot())
    assert copy.snapshot() == original.snapshot()
    assert execute(copy, after) == execute(original, after)


@pytest.mark.parametrize(
    "snapshot",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode(7),
        msgspec.msgpack.encode([(b"a",)]),
        msgspec.msgpack.encode([(b"a", 1)]),
        msgspec.msgpack.encode([(b"b", b""), (b"a", b"")]),
        msgspec.msgpack.encode([(b"a", b"1"), (b"a", b"2")]),
        msgspec.msgpack.encode([(bytes(kv.KEY_BYTES_MAX + 1), b"")]),
        msgspec.msgpack.encode([(b"a", b"1")]) + b"\x00",
    ],
    ids=[
        "empty",
        "not msgpack",
        "not a list",
        "not pairs",
        "not bytes",
        "out of order",
        "key twice",
        "key too long",
        "more follows",
    ],
)
def test_restore_refuses_what_no_snapshot_returned(snapshot: bytes) -> None:
    """The state is what it was before."""
    service = KvService()
    execute(service, [kv.put(b"kept", b"1")])
    with pytest.raises(RemoteProtocolError):
        service.restore(snapshot)
    assert execute(service, [kv.get(b"kept")]) == [Reply(Status.OK, b"1")]


MALFORMED = {
    "empty": b"",
    "head cut short": kv.get(b"")[:2],
    "unknown operation": b"\x00" + kv.get(b"a")[1:],
    "operation after the last": b"\x05" + kv.get(b"a")[1:],
    "key cut short": kv.get(b"abc")[:-1],
    "get with a rest": kv.get(b"a") + b"x",
    "delete with a rest": kv.delete(b"a") + b"x",
    "compare-and-set without expected_bytes": kv.compare_and_set(b"a", None, b"")[:-1],
    "compare-and-set with expected cut short": kv.compare_and_set(b"a", b"xyz", b"")[:-1],
}


@pytest.mark.parametrize("command", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_command_is_answered_and_changes_nothing(command: bytes) -> None:
    service = KvService()
    execute(service, [kv.put(b"a", b"1")])
    before = service.snapshot()
    assert execute(service, [command]) == [Reply(Status.MALFORMED)]
    assert service.snapshot() == before


@given(st.lists(st.binary(max_size=40) | commands.map(lambda command: command[:-1])))
def test_any_bytes_are_answered(commands: list[bytes]) -> None:
    assert len(execute(KvService(), commands)) == len(commands)


def test_keys_have_at_most_65535_bytes() -> None:
    longest = bytes(kv.KEY_BYTES_MAX)
    assert execute(KvService(), [kv.put(longest, b"1"), kv.get(longest)]) == [
        Reply(Status.OK),
        Reply(Status.OK, b"1"),
    ]
    with pytest.raises(LocalProtocolError, match="65536 bytes"):
        kv.get(longest + b"x")


@pytest.mark.parametrize("reply", [b"", b"\x04", b"\xffvalue"])
def test_a_reply_without_a_known_status_is_the_peers_fault(reply: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        kv.decode_reply(reply)


# --- Workload -----------------------------------------------------------------------------------


def grid(clients: int, sequences: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of a client and a sequence, as two columns."""
    pairs = np.indices((clients, sequences), U32).reshape(2, -1)
    return pairs[0], pairs[1]


def commands_of(config: LoadConfig, clients: int = 40, sequences: int = 50) -> list[bytes]:
    return list(KvWorkload(config).commands(*grid(clients, sequences)).values())


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 2**32 - 1)), max_size=20))
def test_a_retry_sends_the_same_command_in_whatever_company(pairs: list[tuple[int, int]]) -> None:
    clients, sequences = np.array(pairs, U32).reshape(-1, 2).T
    together = KvWorkload(LoadConfig()).commands(clients, sequences)
    alone = [
        next(KvWorkload(LoadConfig()).commands(clients[i : i + 1], sequences[i : i + 1]).values())
        for i in range(len(pairs))
    ]
    assert list(together.values()) == alone


@pytest.mark.parametrize("value_bytes", [0, 1, 20])
def test_commands_are_laid_out_as_the_store_reads_them(value_bytes: int) -> None:
    """All that the encoding functions make of the keys and values that are drawn, and no others."""
    config = LoadConfig(request_bytes=value_bytes, kv_keys=3)
    drawn_keys = [number.to_bytes(4, "little") for number in range(3)]
    drawn_values = [(bytes([number]) + bytes(20))[:value_bytes] for number in range(4)]
    possible = {encode(key) for encode in (kv.get, kv.delete) for key in drawn_keys}
    possible |= {kv.put(key, value) for key in drawn_keys for value in drawn_values}
    possible |= {
        kv.compare_and_set(key, expected, value)
        for key in drawn_keys
        for expected in drawn_values
        for value in drawn_values
    }
    assert set(commands_of(config, clients=400)) == possible


@pytest.mark.parametrize("get_fraction", [0.0, 0.5, 1.0])
def test_operations_have_their_shares(get_fraction: float) -> None:
    """Of 20,000 draws no share is off by more than 0.02: that would be over five deviations."""
    commands = commands_of(LoadConfig(kv_get_fraction=get_fraction), clients=400)
    drawn = Counter(command[0] for command in commands)
    others = 1 - get_fraction
    expected = {
        Operation.GET: get_fraction,
        Operation.PUT: 0.8 * others,
        Operation.COMPARE_AND_SET: 0.1 * others,
        Operation.DELETE: 0.1 * others,
    }
    for operation, share in expected.items():
        assert drawn[operation] / len(commands) == pytest.approx(share, abs=0.02)
        assert bool(share) == bool(drawn[operation])


def test_all_keys_are_used_about_equally() -> None:
    commands = commands_of(LoadConfig(kv_keys=10), clients=400)
    drawn = Counter(command[3:7] for command in commands)
    assert len(drawn) == 10
    assert all(1700 < count < 2300 for count in drawn.values())


def test_another_seed_sends_other_commands() -> None:
    assert commands_of(LoadConfig(seed=1)) != commands_of(LoadConfig(seed=2))


def test_some_of_every_kind_of_reply_is_met() -> None:
    """Compare-and-set both succeeds and fails, and gets and deletes find and miss."""
    config = LoadConfig(kv_keys=50)
    commands = commands_of(config)
    replies = execute(KvService(), commands)
    met = {(Operation(c[0]), r.status) for c, r in zip(commands, replies, strict=True)}
    swap = Operation.COMPARE_AND_SET
    assert met == {
        (Operation.GET, Status.OK),
        (Operation.GET, Status.NOT_FOUND),
        (Operation.PUT, Status.OK),
        (swap, Status.OK),
        (swap, Status.NOT_FOUND),
        (swap, Status.COMPARE_FAILED),
        (Operation.DELETE, Status.OK),
        (Operation.DELETE, Status.NOT_FOUND),
    }


def test_commands_survive_the_wire() -> None:
    clients, sequences = grid(10, 10)
    commands = KvWorkload(LoadConfig()).commands(clients, sequences)
    decoded = Columns.decode(Columns(clients, sequences, commands).encode())
    assert list(decoded.cells.values()) == list(commands.values())
