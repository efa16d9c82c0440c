"""Everything that nodes say to each other: small, frozen, one sentence each.

Encoded with msgpack as an array that starts with the number in `tag`. Values are opaque bytes to
the ordering messages; `requests` and `replies` are encoded `columns.Columns`.
"""

import msgspec

from actors.core.ids import Instance, ReplicaId, View


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all messages."""


# --- Ordering (paxos) ---------------------------------------------------------------------------


class Prepare(Wire, frozen=True, tag=1):
    """Candidate of `view` asks for what was accepted from instance `first` on."""

    view: View
    first: Instance


class Accepted(Wire, frozen=True):
    """Part of a PrepareOk: the value that a replica accepted in `instance`, and in which view."""

    instance: Instance
    view: View
    value: bytes


class PrepareOk(Wire, frozen=True, tag=2):
    """Replica joins `view`; below `undecided` it knows every decision, beyond it `accepted`."""

    view: View
    undecided: Instance
    accepted: list[Accepted]


class Propose(Wire, frozen=True, tag=3):
    """Leader asks replicas to accept `value` in `instance`; below `undecided` all is decided."""

    view: View
    instance: Instance
    value: bytes
    undecided: Instance


class Accept(Wire, frozen=True, tag=4):
    """Replica has accepted the leader's value of `view` in `instance`."""

    view: View
    instance: Instance


class Decide(Wire, frozen=True, tag=5):
    """Leader of `view` says that every instance below `undecided` is decided."""

    view: View
    undecided: Instance


class Alive(Wire, frozen=True, tag=6):
    """Replica is up, in `view`; decided below `undecided`, executed below `executed`."""

    view: View
    undecided: Instance
    executed: Instance


class CatchUp(Wire, frozen=True, tag=7):
    """Replica asks for the decisions from `first` up to but not including `last`."""

    first: Instance
    last: Instance


class CaughtUp(Wire, frozen=True, tag=8):
    """Decided values of the instances from `first` on."""

    first: Instance
    values: list[bytes]


# --- Clients ------------------------------------------------------------------------------------


class Requests(Wire, frozen=True, tag=10):
    """Clients' requests, as many as share a frame."""

    requests: bytes


class Replies(Wire, frozen=True, tag=11):
    """Replies to clients' requests, as many as share a frame."""

    replies: bytes


class Redirect(Wire, frozen=True, tag=12):
    """Replica is not the leader: `leader` is, as far as it knows."""

    leader: ReplicaId


# --- Dissemination (S-Paxos) --------------------------------------------------------------------


class Payload(Wire, frozen=True, tag=20):
    """The requests of batch (`origin`, `sequence`)."""

    origin: ReplicaId
    sequence: int
    requests: bytes


class Ack(Wire, frozen=True, tag=21):
    """Replica holds, of each origin, every batch up to `held[origin]`."""

    held: list[int]


class Fetch(Wire, frozen=True, tag=22):
    """Replica asks a holder for batches that it lacks: `sequences` of `origin`."""

    origin: ReplicaId
    sequences: list[int]


# --- Between a host's replica and its coordinator (S-Paxos) -------------------------------------


class Held(Wire, frozen=True, tag=30):
    """Replica tells its coordinator up to which of its batches each replica holds all."""

    held: list[int]


class Executed(Wire, frozen=True, tag=31):
    """Replica tells its coordinator that batch `sequence` is executed, with some `replies`."""

    sequence: int
    replies: bytes


Message = (
    Prepare
    | PrepareOk
    | Propose
    | Accept
    | Decide
    | Alive
    | CatchUp
    | CaughtUp
    | Requests
    | Replies
    | Redirect
    | Payload
    | Ack
    | Fetch
    | Held
    | Executed
)
