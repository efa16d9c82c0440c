"""The names that the protocols count with."""

from typing import Literal, NamedTuple

View = int
"""Number of a leadership period; the leader of view v is replica v mod n."""

Instance = int
"""Position in the totally ordered log, from 0."""

ReplicaId = int
"""Index of a replica, and of the host that it lives on: 0 to n - 1."""

Role = Literal["replica", "coordinator", "fleet"]


class Address(NamedTuple):
    """Who a message comes from or goes to: a role and a number within that role."""

    role: Role
    number: int

    def __str__(self) -> str:
        return f"{self.role}-{self.number}"


class BatchId(NamedTuple):
    """Name of a batch: the coordinator that made it and its sequence there, from 1.

    `origin` tells apart the lives of a coordinator, none of which knows how far the one before
    had come: see `origin_of`.
    """

    origin: int
    sequence: int


INCARNATIONS_MAX = 256
"""How often a coordinator may start."""


def origin_of(host: ReplicaId, incarnation: int, replicas: int) -> int:
    """Return the origin of the batches that a coordinator makes in its life `incarnation`, from 1.

    The first lives come first, so that without restarts origins are hosts.
    """
    return host + replicas * (incarnation - 1)


def host_of(origin: int, replicas: int) -> ReplicaId:
    """Return on which host the coordinator with this origin lives."""
    return origin % replicas


def leader_of(view: View, replicas: int) -> ReplicaId:
    """Return the leader of `view` among `replicas` replicas."""
    return view % replicas


def is_member(address: Address, replicas: int) -> bool:
    """Say whether `address` is a replica or a coordinator of a system of `replicas` hosts."""
    return address.role != "fleet" and 0 <= address.number < replicas


def is_host_local(one: Address, other: Address) -> bool:
    """Say whether a message between the two stays on its host.

    Only a coordinator and the replica of the same number share a host.
    """
    return one.number == other.number and {one.role, other.role} == {"replica", "coordinator"}
