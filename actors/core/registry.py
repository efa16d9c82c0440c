"""Protocols by name: the only place that tells them apart.

To add a protocol, write its nodes in one file of this package and add one entry here.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from typing import Protocol as TypingProtocol

from actors.core.config import Config
from actors.core.coordinator import Coordinator
from actors.core.effects import Node
from actors.core.executor import Executor
from actors.core.ids import ReplicaId, Role
from actors.core.jpaxos import JPaxosReplica
from actors.core.ordering import Ordering
from actors.core.service import Service
from actors.core.spaxos import SPaxosReplica
from actors.core.unreplicated import UnreplicatedServer

Records = Sequence[bytes]


class ReplicaNode(Node, TypingProtocol):
    """A node that executes: what every protocol's replica is."""

    executor: Executor
    ordering: Ordering

    @property
    def is_recovering(self) -> bool:
        """Whether it has started again and takes no part yet."""

    def suspect_leader(self, now: float) -> None:
        """Start this replica's own next view, as if the leader had been silent for too long."""


class Protocol(NamedTuple):
    """How to build the nodes of one protocol, and whom its clients talk to.

    With `clients_talk_to` "replica" clients follow the leader; with "coordinator" they are spread
    over the coordinators, one per host, which `coordinator` builds. Both are built with the records
    that a former life of the node had stored (`effects.Store`), in order; none at its first start.
    """

    name: str
    description: str
    replica: Callable[[ReplicaId, Config, Service, Records], ReplicaNode]
    coordinator: Callable[[ReplicaId, Config, Records], Node] | None = None
    is_replicated: bool = True
    """Whether there may be several hosts, of which some may crash: what there is to be checked."""
    has_batches: bool = True
    """Whether several requests are ordered at once."""

    @property
    def clients_talk_to(self) -> Role:
        """Role of the nodes that take requests."""
        return "coordinator" if self.coordinator else "replica"


def _multipaxos(me: ReplicaId, config: Config, service: Service, records: Records) -> ReplicaNode:
    return JPaxosReplica(me, config, service, records, requests_per_instance_max=1)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "jpaxos",
            "Multi-Paxos, batched and pipelined: clients talk to the leader",
            JPaxosReplica,
        ),
        Protocol(
            "spaxos",
            "S-Paxos: every host talks to clients and disseminates, the leader orders ids",
            SPaxosReplica,
            Coordinator,
        ),
        Protocol(
            "multipaxos",
            "Multi-Paxos, one request per instance: clients talk to the leader",
            _multipaxos,
            has_batches=False,
        ),
        Protocol(
            "unreplicated",
            "no replication: one host executes and answers, to compare the others with",
            UnreplicatedServer,
            is_replicated=False,
            has_batches=False,
        ),
    )
}

REPLICATED = [protocol.name for protocol in PROTOCOLS.values() if protocol.is_replicated]
"""The names of those that promise something when hosts crash."""
