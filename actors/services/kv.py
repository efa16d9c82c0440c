"""A key-value store: get, put, compare-and-set and delete on byte strings.

A command, little-endian, where `rest` is what remains of the command:

    operation u8 | key_bytes u16 | key | rest

    1 get               rest is empty
    2 put               rest is the value
    3 compare-and-set   rest is expected_bytes u32 | expected | value; where expected_bytes is
                        0xFFFFFFFF no `expected` follows, and the key is expected not to exist
    4 delete            rest is empty

A reply is `status u8 | value`:

    0 ok                value is the one found by get, else empty
    1 not found         value is empty; to get, delete, and a compare-and-set that expects a value
    2 compare failed    value is the one that compare-and-set found instead
    3 malformed         value is empty; the command is none of the above, and changed nothing

A key has at most 65,535 bytes: encoding a longer one raises LocalProtocolError.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from actors.core.columns import U32, VARIED, Bytes, Cells, U32s
from actors.core.config import LoadConfig
from actors.core.errors import LocalProtocolError, RemoteProtocolError
from actors.services.registry import ServiceKind

KEY_BYTES_MAX = 0xFFFF
ABSENT = 0xFFFF_FFFF

_HEAD = struct.Struct("<BH")
_EXPECTED_BYTES = struct.Struct("<I")


class Operation(IntEnum):
    """First byte of a command."""

    GET = 1
    PUT = 2
    COMPARE_AND_SET = 3
    DELETE = 4


class Status(IntEnum):
    """First byte of a reply."""

    OK = 0
    NOT_FOUND = 1
    COMPARE_FAILED = 2
    MALFORMED = 3


class Reply(NamedTuple):
    """A decoded reply."""

    status: Status
    value: bytes = b""


def get(key: bytes) -> bytes:
    """Encode: return the value of `key`."""
    return _head(Operation.GET, key)


def put(key: bytes, value: bytes) -> bytes:
    """Encode: let `value` be the value of `key`."""
    return _head(Operation.PUT, key) + value


def compare_and_set(key: bytes, expected: bytes | None, value: bytes) -> bytes:
    """Encode: put `value` if that of `key` is `expected`; None if the key must not exist."""
    head = _head(Operation.COMPARE_AND_SET, key)
    if expected is None:
        return head + _EXPECTED_BYTES.pack(ABSENT) + value
    return head + _EXPECTED_BYTES.pack(len(expected)) + expected + value


def delete(key: bytes) -> bytes:
    """Encode: forget `key`."""
    return _head(Operation.DELETE, key)


def _head(operation: Operation, key: bytes) -> bytes:
    if len(key) > KEY_BYTES_MAX:
        raise LocalProtocolError(f"key of {len(key)} bytes: at most {KEY_BYTES_MAX} are allowed")
    return _HEAD.pack(operation, len(key)) + key


def decode_reply(reply: bytes) -> Reply:
    """Read a reply; raises RemoteProtocolError where it has no known status."""
    if not reply or reply[0] >= len(Status):
        raise RemoteProtocolError(f"reply of the kv service begins with {reply[:1]!r}")
    return Reply(Status(reply[0]), reply[1:])


_OK = bytes([Status.OK])
_NOT_FOUND = bytes([Status.NOT_FOUND])
_COMPARE_FAILED = bytes([Status.COMPARE_FAILED])
_MALFORMED = bytes([Status.MALFORMED])

Indices = NDArray[np.uint64]

_Key = Annotated[bytes, Meta(max_length=KEY_BYTES_MAX)]
_SNAPSHOT = msgspec.msgpack.Decoder(list[tuple[_Key, bytes]])


class KvService:
    """One replica's copy of the store, empty at first."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._operations: dict[int, Callable[[bytes, bytes], bytes]] = {
            Operation.GET: self._get,
            Operation.PUT: self._put,
            Operation.COMPARE_AND_SET: self._compare_and_set,
            Operation.DELETE: self._delete,
        }

    def execute(self, commands: Cells) -> Cells:
        """Execute the commands in order; the head of this module describes both layouts."""
        return Cells.of([self._execute(command) for command in commands.values()])

    def snapshot(self) -> bytes:
        """Return the pairs in the order of their keys, as msgpack: equal states, equal bytes."""
        return msgspec.msgpack.encode(sorted(self._values.items()))

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises RemoteProtocolError where no `snapshot` returned that."""
        try:
            pairs = _SNAPSHOT.decode(snapshot)
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"not a snapshot of the kv service: {error}") from error
        values = dict(pairs)
        if sorted(values.items()) != pairs:
            raise RemoteProtocolError("snapshot of the kv service is not in order of unique keys")
        self._values = values

    def _execute(self, command: bytes) -> bytes:
        if len(command) < _HEAD.size:
            return _MALFORMED
        operation, key_bytes = _HEAD.unpack_from(command)
        rest_at = _HEAD.size + key_bytes
        if len(command) < rest_at or operation not in self._operations:
            return _MALFORMED
        return self._operations[operation](command[_HEAD.size : rest_at], command[rest_at:])

    def _get(self, key: bytes, rest: bytes) -> bytes:
        if rest:
            return _MALFORMED
        value = self._values.get(key)
        return _NOT_FOUND if value is None else _OK + value

    def _put(self, key: bytes, value: bytes) -> bytes:
        self._values[key] = value
        return _OK

    def _compare_and_set(self, key: bytes, rest: bytes) -> bytes:
        if len(rest) < _EXPECTED_BYTES.size:
            return _MALFORMED
        (expected_bytes,) = _EXPECTED_BYTES.unpack_from(rest)
        value_at = _EXPECTED_BYTES.size + (0 if expected_bytes == ABSENT else expected_bytes)
        if len(rest) < value_at:
            return _MALFORMED
        expected = None if expected_bytes == ABSENT else rest[_EXPECTED_BYTES.size : value_at]
        found = self._values.get(key)
        if found == expected:
            return self._put(key, rest[value_at:])
        return _NOT_FOUND if found is None else _COMPARE_FAILED + found

    def _delete(self, key: bytes, rest: bytes) -> bytes:
        if rest:
            return _MALFORMED
        return _NOT_FOUND if self._values.pop(key, None) is None else _OK


class KvWorkload:
    """Draws operations and keys; a value that is written has `request_bytes` bytes.

    `kv_get_fraction` of the commands are gets; of the others 8 in 10 are puts, 1 a compare-and-set
    and 1 a delete. Keys are drawn uniformly out of `kv_keys`; values are one of four, so that a
    compare-and-set has a fair chance to succeed.
    """

    def __init__(self, config: LoadConfig) -> None:
        gets, others = config.kv_get_fraction, 1 - config.kv_get_fraction
        self._seed = np.array([config.seed], np.uint64)
        self._keys = np.uint64(config.kv_keys)
        # Where a number in [0, 1) falls among these says which of _OPERATIONS it draws.
        self._bounds = np.array([gets, gets + 0.8 * others, gets + 0.9 * others])
        self._values = np.zeros((4, config.request_bytes), np.uint8)
        self._values[:, :1] = np.arange(4)[:, None]

    def commands(self, clients: U32s, sequences: U32s) -> Cells:
        """Return the command of each (client, sequence): the same whenever it is asked again."""
        # Hashes, not a generator's stream: a retry asks again in other company.
        names = clients.astype(np.uint64) << np.uint64(32) | sequences
        first = _splitmix64(names ^ _splitmix64(self._seed))
        second = _splitmix64(first)
        third = _splitmix64(second)
        operations = _OPERATIONS[np.searchsorted(self._bounds, _unit_interval(first), "right")]
        keys = (second % self._keys).astype(U32)
        return self._encode(operations, keys, third >> np.uint64(62), third & np.uint64(3))

    def _encode(self, operations: Bytes, keys: U32s, expected: Indices, written: Indices) -> Cells:
        """Encode commands, a row each; `expected` and `written` are indices of values."""
        value_bytes = self._values.shape[1]
        rest_at = _HEAD.size + U32.itemsize
        expected_at = rest_at + _EXPECTED_BYTES.size
        # Every row has room for the longest operation; what the shorter ones leave is cut out.
        width = expected_at + 2 * value_bytes
        rows = np.zeros((len(keys), width), np.uint8)
        rows[:, 0] = operations
        rows[:, 1] = U32.itemsize
        rows[:, _HEAD.size : rest_at] = keys[:, None].view(np.uint8)
        puts = operations == Operation.PUT
        rows[puts, rest_at : rest_at + value_bytes] = self._values[written[puts]]
        swaps = operations == Operation.COMPARE_AND_SET
        rows[swaps, rest_at:expected_at] = np.array([value_bytes], U32).view(np.uint8)
        rows[swaps, expected_at : expected_at + value_bytes] = self._values[expected[swaps]]
        rows[swaps, expected_at + value_bytes :] = self._values[written[swaps]]
        sizes = (rest_at + puts * value_bytes + swaps * (width - rest_at)).astype(U32)
        return Cells(len(keys), VARIED, sizes, rows[np.arange(width) < sizes[:, None]])


_OPERATIONS = np.array(list(Operation), np.uint8)


def _splitmix64(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one step of Vigna's splitmix64 from each state: a bijection that scatters well."""
    mixed = states + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D0_49BB_1331_11EB)
    return mixed ^ mixed >> np.uint64(31)


def _unit_interval(numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Map numbers to [0, 1), with all the bits that a float has."""
    return np.ldexp((numbers >> np.uint64(11)).astype(np.float64), -53)


SERVICE = ServiceKind(
    name="kv",
    description="key-value store: get, put, compare-and-set, delete",
    service=KvService,
    workload=KvWorkload,
)
