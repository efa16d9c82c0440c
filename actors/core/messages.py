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
    """Replica joins `view`; below `undecided` it knows every decision, beyond it `accepted`.

    `epochs`: how often each replica has started, as far as it knows; empty but in `epoch`.
    """

    view: View
    undecided: Instance
    accepted: list[Accepted]
    epochs: list[int]


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


class Deaf(Wire, frozen=True, tag=13):
    """Leader of `view` is up, but hears from too few to get anything decided: wait not for it."""

    view: View


class CatchUp(Wire, frozen=True, tag=7):
    """Replica asks for the decisions from `first` up to but not including `last`."""

    first: Instance
    last: Instance


class CaughtUp(Wire, frozen=True, tag=8):
    """Decided values of the instances from `first` on."""

    first: Instance
    values: list[bytes]


class Gone(Wire, frozen=True, tag=9):
    """What was asked for is gone here: a snapshot of all executed below `executed` replaces it."""

    executed: Instance


# --- Return of a replica that lags or has crashed -----------------------------------------------


class FetchSnapshot(Wire, frozen=True, tag=40):
    """Replica asks for a snapshot, from byte `offset` on: the one of `batches`, or (0) any."""

    batches: int
    offset: int


class Snapshot(Wire, frozen=True, tag=41):
    """Part, from byte `offset` on, of a snapshot of `total_bytes`.

    Everything below `instance` is executed in it, `batches` in all.
    """

    batches: int
    instance: Instance
    offset: int
    total_bytes: int
    part: bytes


class Recover(Wire, frozen=True, tag=42):
    """Replica, started for the `epoch`th time, remembers nothing and asks how far things are."""

    epoch: int


class Recovered(Wire, frozen=True, tag=43):
    """Answer to the Recover of `epoch`: the sender's `view` and what has to be reached.

    Instances below `next` may be decided (said by the view's leader, else 0); of each origin,
    batches up to `held` are held (S-Paxos, else empty); `epochs` as in PrepareOk.
    """

    epoch: int
    view: View
    next: Instance
    held: list[int]
    epochs: list[int]


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
    """Replica holds of each origin every batch up to `held[origin]`.

    `epochs`: how often each replica has started, as far as it knows (`epoch` only, else empty).
    """

    held: list[int]
    epochs: list[int]


class Fetch(Wire, frozen=True, tag=22):
    """Replica asks a holder for batches that it lacks: `sequences` of `origin`."""

    origin: ReplicaId
    sequences: list[int]


# --- Between a host's replica and its coordinator (S-Paxos) -------------------------------------


class Held(Wire, frozen=True, tag=30):
    """Replica tells its coordinator up to which batch of `origin` each replica holds all."""

    origin: int
    held: list[int]


class Executed(Wire, frozen=True, tag=31):
    """Replica tells its coordinator of `replies` to requests of its batches."""

    replies: bytes


Message = (
    Prepare
    | PrepareOk
    | Propose
    | Accept
    | Decide
    | Alive
    | Deaf
    | CatchUp
    | CaughtUp
    | Gone
    | FetchSnapshot
    | Snapshot
    | Recover
    | Recovered
    | Requests
    | Replies
    | Redirect
    | Payload
    | Ack
    | Fetch
    | Held
    | Executed
)
