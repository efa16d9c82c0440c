"""What hosts with limits can reach at most: closed form, from the protocols' flows.

For each protocol the messages of one round of full batches are written down host by host, as they
would be encoded, and what they take of each host is added up. The busiest resource of the busiest
host is the limit. Nothing here is measured, and nothing runs.

A round is the least that a protocol has to send: batches are full and, in S-Paxos, all those that
the windows of the hosts have room for are acknowledged together and ordered in as few instances as
their ids fit. Heartbeats, and what is sent again, are left out.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from actors.core.batch_ids import ID_BYTES, encode_ids
from actors.core.columns import HEADER, HEADER_BYTES, ROW_BYTES, U32, Columns
from actors.core.config import LoadConfig
from actors.core.ids import BatchId, ReplicaId
from actors.core.messages import Accept, Ack, Decide, Payload, Propose, Replies, Requests, Wire
from actors.core.registry import PROTOCOLS
from actors.services import registry as services
from actors.transport.codec import encode
from actors.transport.framing import FRAME_BYTES_MIN

NUMBER = 100_000
"""For views, instances and sequences: msgpack writes such numbers in 5 bytes."""

LEADER: ReplicaId = 0

EVEN = 1.15
"""Up to how many times as much the one host could do, for a limit to be every host's."""


class Limit(NamedTuple):
    """The most that a system can do, and what keeps it from more."""

    throughput_rps: float
    """inf where nothing is limited."""
    host: str
    """"the leader", "the follower", or "every host" where they are used about equally."""
    resource: str
    """"egress", "ingress" or "CPU"."""


class Use(NamedTuple):
    """What one request takes of one host, on average."""

    bytes_out: float
    bytes_in: float
    cpu_s: float


def limit(config: LoadConfig) -> Limit:
    """Return the physical limit of a configuration."""
    limits = [
        Limit(rate / use if use else np.inf, host, resource)
        for host, used in uses(config).items()
        for resource, rate, use in (
            ("egress", _bytes_per_s(config.egress_mbit_s), used.bytes_out),
            ("ingress", _bytes_per_s(config.ingress_mbit_s), used.bytes_in),
            ("CPU", config.modelled_cores, used.cpu_s),
        )
    ]
    least = min(limits, key=lambda each: each.throughput_rps)
    most = max(each.throughput_rps for each in limits if each.resource == least.resource)
    is_even = config.replicas > 1 and most <= EVEN * least.throughput_rps
    return least._replace(host="every host") if is_even else least


def uses(config: LoadConfig) -> dict[str, Use]:
    """Return what a request takes of the leader's host and of a follower's, if there is one."""
    ledger = Ledger(config)
    _ROUNDS[config.protocol](ledger, config)
    followers = {"the follower": ledger.use(1)} if config.replicas > 1 else {}
    return {"the leader": ledger.use(LEADER), **followers}


def _bytes_per_s(mbit_s: float) -> float:
    return mbit_s * 1e6 / 8 if mbit_s else np.inf


# --- Rounds: what is sent for full batches ------------------------------------------------------


class Ledger:
    """Adds up what messages take of each host."""

    def __init__(self, config: LoadConfig) -> None:
        self._config = config
        self._hosts = range(config.replicas)
        self._bytes_out = [0.0] * config.replicas
        self._bytes_in = [0.0] * config.replicas
        self._cpu_s = [0.0] * config.replicas
        self._requests = 0
        clients = np.zeros(1, U32)
        commands = services.find(config.service).workload(config).commands(clients, clients + 1)
        replies = services.find(config.service).service().execute(commands)
        self._request_bytes = len(commands.flat)
        self._reply_bytes = len(replies.flat)

    def use(self, host: ReplicaId) -> Use:
        """Return what each request has taken of a host."""
        return Use(
            self._bytes_out[host] / self._requests,
            self._bytes_in[host] / self._requests,
            self._cpu_s[host] / self._requests,
        )

    def batch(self, bytes_max: int) -> bytes:
        """Return as many requests as fit a batch, at least one."""
        rows = (bytes_max - HEADER_BYTES) // (ROW_BYTES + self._request_bytes)
        return _columns(max(1, rows), self._request_bytes)

    def serve(self, host: ReplicaId, batch: bytes) -> None:
        """Have clients send the requests of a batch to a host, and get their replies from it."""
        rows, _ = Columns.header(batch)
        shared = self._config.requests_per_frame_max or rows
        for frame_rows in (*[shared] * (rows // shared), rows % shared):
            if frame_rows:
                request = Requests(_columns(frame_rows, self._request_bytes))
                reply = Replies(_columns(frame_rows, self._reply_bytes))
                self._pass(self._bytes_in, host, _size(request))
                self._pass(self._bytes_out, host, _size(reply))
        self._cpu_s[host] += rows * self._config.cpu_us_per_client_request * 1e-6
        self._requests += rows

    def execute(self, batch: bytes) -> None:
        """Have every host execute a batch."""
        rows, _ = Columns.header(batch)
        for host in self._hosts:
            self._cpu_s[host] += rows * self._config.cpu_us_per_executed_request * 1e-6

    def broadcast(self, sender: ReplicaId, message: Wire) -> None:
        """Have a host send a message to every other."""
        for host in self._hosts:
            if host != sender:
                self.send(sender, host, message)

    def send(self, sender: ReplicaId, receiver: ReplicaId, message: Wire) -> None:
        """Have a host send a message to another."""
        size = _size(message)
        self._pass(self._bytes_out, sender, size)
        self._pass(self._bytes_in, receiver, size)
        for host in (sender, receiver):
            self._cpu_s[host] += self._config.cpu_us_per_message * 1e-6

    def _pass(self, direction: list[float], host: ReplicaId, size: int) -> None:
        direction[host] += size
        self._cpu_s[host] += size * self._config.cpu_ns_per_byte * 1e-9


def _jpaxos(ledger: Ledger, config: LoadConfig) -> None:
    _order_requests(ledger, config, ledger.batch(config.batch_bytes_max))


def _multipaxos(ledger: Ledger, config: LoadConfig) -> None:
    _order_requests(ledger, config, ledger.batch(1))


def _unreplicated(ledger: Ledger, config: LoadConfig) -> None:
    batch = ledger.batch(config.batch_bytes_max)
    ledger.serve(LEADER, batch)
    ledger.execute(batch)


def _order_requests(ledger: Ledger, config: LoadConfig, batch: bytes) -> None:
    ledger.serve(LEADER, batch)
    _order(ledger, config, batch)
    ledger.execute(batch)


def _spaxos(ledger: Ledger, config: LoadConfig) -> None:
    """Each host sends all batches that its window has room for; then all are acknowledged at once.

    Holders tell up to which batch they hold all, so one Ack may do for every batch under way.
    """
    batch = ledger.batch(config.dissemination_batch_bytes_max)
    hosts = range(config.replicas)
    for host in hosts:
        for _ in range(config.dissemination_window):
            ledger.serve(host, batch)
            ledger.broadcast(host, Payload(host, NUMBER, batch))
            ledger.execute(batch)
        ledger.broadcast(host, Ack([NUMBER] * config.replicas, []))
    ids = [BatchId(host, NUMBER) for host in hosts] * config.dissemination_window
    most = max(1, config.batch_bytes_max // ID_BYTES)
    for first in range(0, len(ids), most):
        _order(ledger, config, encode_ids(ids[first : first + most]))
        if config.accept_to == "leader":
            ledger.broadcast(LEADER, Decide(0, NUMBER))


def _order(ledger: Ledger, config: LoadConfig, value: bytes) -> None:
    """One instance. Where the leader alone hears of votes, its next Propose tells the decision."""
    ledger.broadcast(LEADER, Propose(0, NUMBER, value, NUMBER))
    for follower in range(1, config.replicas):
        if config.accept_to == "all":
            ledger.broadcast(follower, Accept(0, NUMBER))
        else:
            ledger.send(follower, LEADER, Accept(0, NUMBER))


_ROUNDS: dict[str, Callable[[Ledger, LoadConfig], None]] = {
    "jpaxos": _jpaxos,
    "spaxos": _spaxos,
    "multipaxos": _multipaxos,
    "unreplicated": _unreplicated,
}
assert _ROUNDS.keys() == PROTOCOLS.keys(), "a protocol without its flow"


def _columns(rows: int, cell_bytes: int) -> bytes:
    """Return encoded columns, all zeros."""
    return HEADER.pack(rows, cell_bytes) + bytes(rows * (ROW_BYTES + cell_bytes))


def _size(message: Wire) -> int:
    """Return what a message takes on the network, in a frame of its own."""
    return len(encode(message)) + FRAME_BYTES_MIN
