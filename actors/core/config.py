"""Every setting that a node needs, with its unit, range and default.

`Config` is what an experiment may vary about the protocols themselves; `experiments.spec` adds the
workload and the measurement. Field names are the keys of a suite file and the columns of the result
tables; descriptions are shown to users.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

AcceptTo = Literal["all", "leader"]
CrashModel = Literal["crash_stop", "epoch", "full"]
Transport = Literal["tcp", "ray"]
Milliseconds = float

CLIENTS_MAX = 1 << 22
FLEETS_MAX = 256


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each host can do, where that is modelled; a profile is a set of these by name."""

    profile: Annotated[
        str, Meta(description="limits of a host by name; each may also be set by itself")
    ] = "none"
    egress_mbit_s: Annotated[
        float, Meta(ge=0, le=1e6, description="what a host can send, in Mbit/s; 0 = no limit")
    ] = 0.0
    ingress_mbit_s: Annotated[
        float, Meta(ge=0, le=1e6, description="what a host can receive, in Mbit/s; 0 = no limit")
    ] = 0.0
    network_delay_ms: Annotated[
        Milliseconds,
        Meta(ge=0, le=10_000, description="one-way latency between hosts, and to and from clients"),
    ] = 0.0
    cpu_us_per_client_request: Annotated[
        float, Meta(ge=0, le=1e6, description="CPU to take a request in and to reply to it")
    ] = 0.0
    cpu_us_per_executed_request: Annotated[
        float, Meta(ge=0, le=1e6, description="CPU to execute a request")
    ] = 0.0
    cpu_us_per_message: Annotated[
        float,
        Meta(ge=0, le=1e6, description="CPU to send, or to receive, a message between hosts"),
    ] = 0.0
    cpu_ns_per_byte: Annotated[
        float, Meta(ge=0, le=1e6, description="CPU for a byte sent or received")
    ] = 0.0
    modelled_cores: Annotated[
        int, Meta(ge=1, le=1024, description="cores of a host that this CPU is taken from")
    ] = 1
    dilation: Annotated[
        float,
        Meta(
            ge=1,
            le=1000,
            description="by how much a run takes longer than what it models; all results are in "
            "modelled time",
        ),
    ] = 1.0
    cores_per_host: Annotated[
        int,
        Meta(ge=0, le=1024, description="cores of the machine that a host is pinned to; 0 = all"),
    ] = 0

    @property
    def is_limited(self) -> bool:
        """Whether anything is modelled."""
        return any(
            (
                self.egress_mbit_s,
                self.ingress_mbit_s,
                self.network_delay_ms,
                self.models_cpu,
            )
        )

    @property
    def models_cpu(self) -> bool:
        """Whether CPU is modelled."""
        return any(
            (
                self.cpu_us_per_client_request,
                self.cpu_us_per_executed_request,
                self.cpu_us_per_message,
                self.cpu_ns_per_byte,
            )
        )


class Config(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one replicated system. Defaults follow the authors' code where it is sensible."""

    protocol: Annotated[str, Meta(description="which protocol orders the requests")] = "jpaxos"
    replicas: Annotated[
        int, Meta(ge=1, le=201, description="number of replicas n; odd, tolerates (n - 1) / 2")
    ] = 3
    clients: Annotated[
        int,
        Meta(ge=1, le=CLIENTS_MAX, description="clients in all; their ids are 0 to clients - 1"),
    ] = 1000
    service: Annotated[str, Meta(description="what is replicated")] = "null"
    accept_to: Annotated[
        AcceptTo, Meta(description="who receives phase 2b: every replica, or the leader alone")
    ] = "all"
    window: Annotated[int, Meta(ge=1, le=1024, description="undecided instances open at once")] = 2
    batch_bytes_max: Annotated[
        int, Meta(ge=1, le=8 << 20, description="most bytes in one proposed value")
    ] = 65_507
    batch_delay_ms: Annotated[
        Milliseconds,
        Meta(
            ge=0,
            le=10_000,
            description="longest wait for a fuller batch (not S-Paxos); 0 = leave with room",
        ),
    ] = 0.0
    dissemination_batch_bytes_max: Annotated[
        int, Meta(ge=1, le=8 << 20, description="most bytes in one disseminated batch (S-Paxos)")
    ] = 65_507
    dissemination_batch_delay_ms: Annotated[
        Milliseconds,
        Meta(ge=0, le=10_000, description="longest wait for a fuller disseminated batch (S-Paxos)"),
    ] = 0.0
    dissemination_window: Annotated[
        int, Meta(ge=1, le=1024, description="unstable batches open per coordinator (S-Paxos)")
    ] = 2
    ack_delay_ms: Annotated[
        Milliseconds,
        Meta(
            ge=0, le=10_000, description="longest wait of an ack for a message to ride on (S-Paxos)"
        ),
    ] = 0.0
    heartbeat_interval_ms: Annotated[
        Milliseconds, Meta(ge=1, le=60_000, description="time between two Alive messages")
    ] = 100.0
    suspect_timeout_ms: Annotated[
        Milliseconds,
        Meta(ge=10, le=600_000, description="silence after which a leader is suspected"),
    ] = 1000.0
    retransmit_timeout_ms: Annotated[
        Milliseconds, Meta(ge=1, le=60_000, description="least time before a message is sent again")
    ] = 200.0
    catch_up_delay_ms: Annotated[
        Milliseconds,
        Meta(ge=1, le=60_000, description="lag after which missed decisions are asked for"),
    ] = 100.0
    fetch_delay_ms: Annotated[
        Milliseconds,
        Meta(ge=1, le=60_000, description="wait before a missing payload is asked for (S-Paxos)"),
    ] = 100.0
    pending_requests_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 22,
            description="unanswered requests at which a host stops reading from clients",
        ),
    ] = 65_536
    requests_per_frame_max: Annotated[
        int,
        Meta(
            ge=0, le=1 << 20, description="requests that may share a frame; 0 = all that are ready"
        ),
    ] = 0
    execution_backlog_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 20,
            description="decided batches waiting for execution at which proposing stops (S-Paxos)",
        ),
    ] = 128
    frame_bytes_max: Annotated[
        int, Meta(ge=4 << 20, le=256 << 20, description="largest frame accepted from a peer")
    ] = 16 << 20
    queue_bytes_max: Annotated[
        int,
        Meta(
            ge=1 << 16,
            le=1 << 30,
            description="bytes queued for one peer beyond which frames are dropped",
        ),
    ] = 64 << 20
    transport: Annotated[
        Transport, Meta(description="what carries messages: TCP, or calls of Ray actors")
    ] = "tcp"

    crash_model: Annotated[
        CrashModel,
        Meta(
            description="what survives a crash: nothing and no return (crash_stop), "
            "a number per start (epoch), every promise and accept (full)"
        ),
    ] = "crash_stop"
    kept_bytes_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 34,
            description="executed log, and executed payloads, kept for a replica that lags; "
            "beyond, it takes a snapshot",
        ),
    ] = 64 << 20
    journal_bytes_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 36,
            description="stored bytes after which a snapshot takes their place (full)",
        ),
    ] = 256 << 20

    @property
    def majority(self) -> int:
        """Size of a quorum."""
        return self.replicas // 2 + 1

    @property
    def stable_holders(self) -> int:
        """Replicas that must hold a payload before its id may be ordered: f + 1."""
        return (self.replicas - 1) // 2 + 1


class LoadConfig(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replicated system and the clients that load it, closed-loop or open-loop."""

    fleets: Annotated[
        int, Meta(ge=1, le=FLEETS_MAX, description="actors that the clients share")
    ] = 1
    request_bytes: Annotated[int, Meta(ge=0, le=1 << 20, description="payload of a request")] = 20
    arrival_rate_rps: Annotated[
        float,
        Meta(
            ge=0,
            le=1e8,
            description="open-loop requests per second in all, a Poisson process; 0 = closed loop",
        ),
    ] = 0.0
    client_timeout_ms: Annotated[
        Milliseconds,
        Meta(ge=10, le=600_000, description="silence after which a client tries another host"),
    ] = 2000.0
    kv_keys: Annotated[int, Meta(ge=1, le=1 << 32, description="distinct keys (kv service)")] = (
        10_000
    )
    kv_get_fraction: Annotated[
        float, Meta(ge=0, le=1, description="share of requests that are gets (kv service)")
    ] = 0.5
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1, description="seed of all randomness")] = 1
