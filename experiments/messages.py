"""Messages per request: counted in virtual time, compared with the formulas, and under load.

The textbook formulas count deliveries in a system where whoever sends to all sends to himself too,
and where a coordinator and the replica of its host are one process. Here nobody sends to himself,
and the leader's own vote rides on its Propose. So that the two can be compared,

    messages = what crosses the network, between hosts or between hosts and clients,
             + 1 for each broadcast, which its sender would deliver to itself,
             + n for each proposal with `accept_to = "all"`, 1 with "leader": the vote it carries.

The payload that a coordinator hands to the replica of its own host is such a self-delivery. What
else the two tell each other (Held, Executed) stays within one process of the formulas: no message.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.core.config import AcceptTo, LoadConfig
from actors.core.ids import Address, ReplicaId, is_host_local
from actors.model.profiles import PROFILES
from actors.sim.network import Network
from actors.sim.system import System
from actors.sim.trace import Event
from experiments.errors import EXIT_FAILED, InputError, RunFailed
from experiments.runner import Measured
from experiments.simulated import measure_all
from experiments.spec import RunConfig
from experiments.summarise import in_window

REPLICAS = (3, 5, 7, 9)
REPLICAS_MAX = 201

DELAY_S = 0.001
"""How long every message between hosts takes; within a host none takes any time."""

REST_S = 1.0
"""Length of a round, in which all that a request has caused comes to an end."""

ROUNDS = range(2, 6)
"""The rounds, of a request each, that are counted: before these a system may still get ready."""

_NO_HEARTBEATS = {"heartbeat_interval_ms": 60_000.0, "suspect_timeout_ms": 600_000.0}
"""Longer than any run here."""


class Formula(NamedTuple):
    """How many messages the textbook counts for a request with n replicas."""

    text: str
    value: Callable[[int], int]


FORMULAS: dict[tuple[str, AcceptTo], Formula] = {
    ("multipaxos", "leader"): Formula("2n + 2", lambda n: 2 * n + 2),
    ("multipaxos", "all"): Formula("n² + n + 2", lambda n: n**2 + n + 2),
    ("spaxos", "leader"): Formula("n² + 4n + 2", lambda n: n**2 + 4 * n + 2),
    ("spaxos", "all"): Formula("2n² + 2n + 2", lambda n: 2 * n**2 + 2 * n + 2),
}


class Count(NamedTuple):
    """How many messages one request takes: a row of the table."""

    protocol: str
    replicas: int
    accept_to: AcceptTo
    messages: int
    """Counted by the rule at the head of this module."""
    formula: int
    """What the formula gives."""
    network_messages: int
    """Those that crossed the network."""


class Delivery(NamedTuple):
    """One message on its way, in seconds of virtual time; `kind` is the name of its type."""

    sent_s: float
    received_s: float
    sender: Address
    receiver: Address
    kind: str


def run(replicas: Sequence[int], json_file: Path | None) -> int:
    """Count, compare, show what load makes of it; return the exit code. Raises InputError."""
    _check_sizes(replicas)
    console = Console()
    counts = [count(*case, n) for case in FORMULAS for n in dict.fromkeys(replicas)]
    if json_file is not None:
        _write(json_file, counts)
    console.print(_counts_table(counts))
    with console.status("under load, in virtual time"):
        loaded = under_load()
    console.print(_load_table(loaded))
    return 0 if all(row.messages == row.formula for row in counts) else EXIT_FAILED


# --- One request at a time ----------------------------------------------------------------------


def count(protocol: str, accept_to: AcceptTo, replicas: int) -> Count:
    """Count the messages of a request, in a system that is otherwise idle."""
    deliveries = _deliveries(protocol, accept_to, replicas)
    caused = [_in_round(number, deliveries) for number in ROUNDS]
    messages = _of_each([_messages(each, accept_to, replicas) for each in caused])
    network_messages = _of_each([len(_over_network(each)) for each in caused])
    formula = FORMULAS[protocol, accept_to].value(replicas)
    return Count(protocol, replicas, accept_to, messages, formula, network_messages)


def _of_each(numbers: Sequence[int]) -> int:
    assert len(set(numbers)) == 1, f"requests differ in what they take: {numbers}"
    return numbers[0]


def one_request(
    protocol: str, accept_to: AcceptTo = "all", *, replicas: int = 3, leader: ReplicaId = 1
) -> pd.DataFrame:
    """Return every message that one request causes, in the order of sending.

    Columns: sent_s and received_s, in seconds since the client has sent its request; sender and
    receiver, as "replica-0"; kind, the name of the message. Messages between hosts all take
    `DELAY_S`. The client asks whom it has to: the leader, or the coordinator of host 0.
    """
    deliveries = _in_round(ROUNDS[-1], _deliveries(protocol, accept_to, replicas, leader))
    table = pd.DataFrame(deliveries, columns=list(Delivery._fields))
    for moment in ("sent_s", "received_s"):
        table[moment] = (table[moment] - ROUNDS[-1] * REST_S).round(9)
    return table.assign(sender=table["sender"].map(str), receiver=table["receiver"].map(str))


def _deliveries(
    protocol: str, accept_to: AcceptTo, replicas: int, leader: ReplicaId = 0
) -> list[Delivery]:
    """Run a system with one client; return what was delivered, in the order of sending."""
    point = {"protocol": protocol, "accept_to": accept_to, "replicas": replicas, "clients": 1}
    config = msgspec.convert(point | _NO_HEARTBEATS, LoadConfig)
    events: list[Event] = []
    system = System(config, Network(delay_min_s=DELAY_S, delay_max_s=DELAY_S), events.append)
    if leader != system.leader:
        system.suspect(leader)
    _send_one_by_one(system)
    assert system.verdict() == "ok", system.verdict()
    received = [_delivery(event) for event in events if event.verb == "receive"]
    return sorted(received, key=lambda each: each.sent_s)


def _send_one_by_one(system: System) -> None:
    """Have the client send a request when a round begins, up to the last of `ROUNDS`."""
    fleet = Address("fleet", 0)
    for _ in range(ROUNDS[-1]):
        system.pause(fleet)  # A reply waits for its client until all else has come to rest.
        system.world.run(REST_S)
        system.resume(fleet)
        system.world.run(0)  # The client takes its reply and sends its next request.
    for clients in system.clients:
        clients.stop()
    system.world.run(REST_S)


def _delivery(event: Event) -> Delivery:
    sender, receiver = event.sender, event.address
    assert sender is not None
    assert receiver is not None
    delay_s = 0.0 if is_host_local(sender, receiver) else DELAY_S
    sent_s = round(event.time_s - delay_s, 9)  # To the nanosecond: sums of delays round.
    return Delivery(sent_s, event.time_s, sender, receiver, type(event.subject).__name__)


def _in_round(number: int, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return what was sent in a round: all that its one request has caused."""
    sent = [each for each in deliveries if each.sent_s // REST_S == number]
    assert [each.kind for each in sent].count("Requests") == 1, sent
    return sent


def _messages(deliveries: Sequence[Delivery], accept_to: AcceptTo, replicas: int) -> int:
    """Count messages by the rule at the head of this module."""
    network = _over_network(deliveries)
    sent = Counter((each.sent_s, each.sender, each.kind) for each in network)
    broadcasts = [kind for (_, _, kind), copies in sent.items() if copies == replicas - 1]
    votes = broadcasts.count("Propose") * (replicas if accept_to == "all" else 1)
    return len(network) + len(broadcasts) + votes


def _over_network(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return [each for each in deliveries if not is_host_local(each.sender, each.receiver)]


def write(folder: Path) -> None:
    """Write what `paxoscope messages` counts and one request of each protocol, as Parquet tables.

    counts.parquet has a row each `Count`, with the formula as `formula_text`; request.parquet the
    rows of `one_request`, with the protocol. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(*case, n) for case in FORMULAS for n in REPLICAS]
    counts = pd.DataFrame([count(*case) for case in cases])
    counts["formula_text"] = [FORMULAS[protocol, votes].text for protocol, votes, _ in cases]
    counts.to_parquet(folder / "counts.parquet", index=False)
    flows = [one_request(protocol).assign(protocol=protocol) for protocol in ("jpaxos", "spaxos")]
    pd.concat(flows, ignore_index=True).to_parquet(folder / "request.parquet", index=False)


# --- Under load ---------------------------------------------------------------------------------

PROFILE = "ethernet-100mbit"
LOADED = (("multipaxos", 0.0), ("jpaxos", 0.0), ("spaxos", 0.0), ("spaxos", 5.0))
"""Protocols, each with its `ack_delay_ms`."""
CLIENTS = (1, 10, 100, 1000, 8000)

_SETTINGS = {
    **_NO_HEARTBEATS,
    "replicas": 3,
    "window": 4,
    "dissemination_window": 4,
    "requests_per_frame_max": 128,
    "warmup_s": 0.1,
    "cooldown_s": 0.1,
}


def under_load() -> pd.DataFrame:
    """Return what a request takes with more and more clients: a row each, 3 replicas.

    Columns: protocol, ack_delay_ms, clients, throughput_rps; then, per request answered, the
    messages, frames and bytes that all send over the network, clients among them, and the messages
    and bytes that the busiest host sends and receives. Raises RunFailed.
    """
    configs = [_loaded(*of, clients) for clients in CLIENTS for of in LOADED]
    return pd.DataFrame(map(_of_a_request, configs, measure_all(configs)))


def _loaded(protocol: str, ack_delay_ms: float, clients: int) -> RunConfig:
    point = {"protocol": protocol, "ack_delay_ms": ack_delay_ms, "clients": clients}
    # Long enough that what is under way at its ends, a request a client, does not matter.
    length = {"duration_s": max(0.2, clients / 8000)}
    limits = {"profile": PROFILE, **PROFILES[PROFILE]}
    return msgspec.convert({**limits, **_SETTINGS, **point, **length}, RunConfig)


def _of_a_request(config: RunConfig, run: Measured) -> dict[str, str | float]:
    if run.safety != "ok":
        raise RunFailed(f"{config.protocol} with {config.clients} clients: {run.safety}")
    window = config.warmup_s, config.duration_s
    completed = float(in_window(run.timeline, *window)["completed"].sum())
    actors = _traffic(in_window(run.counters, *window)) / completed
    hosts = actors[actors.index >= 0]
    return {
        "protocol": config.protocol,
        "ack_delay_ms": config.ack_delay_ms,
        "clients": config.clients,
        "throughput_rps": completed / config.duration_s,
        "messages": actors["messages_out"].sum(),
        "frames": actors["network_frames_out"].sum(),
        "bytes": actors["network_bytes_out"].sum(),
        "host_messages": (hosts["messages_out"] + hosts["messages_in"]).max(),
        "host_bytes": (hosts["network_bytes_out"] + hosts["network_bytes_in"]).max(),
    }


def _traffic(counters: pd.DataFrame) -> pd.DataFrame:
    """Return what crossed the network, by host; clients are host -1."""
    by_host = counters.groupby("host").sum(numeric_only=True)
    for direction in ("out", "in"):
        kinds = by_host.filter(like=f"network_messages_{direction}.")
        by_host[f"messages_{direction}"] = kinds.sum(axis="columns")
    return by_host


# --- What is shown ------------------------------------------------------------------------------


def _check_sizes(replicas: Iterable[int]) -> None:
    for number in replicas:
        if not 3 <= number <= REPLICAS_MAX or number % 2 == 0:
            raise InputError(f"--replicas {number}: must be odd, from 3 to {REPLICAS_MAX}")


def _write(json_file: Path, counts: Iterable[Count]) -> None:
    rows = [row._asdict() for row in counts]
    try:
        json_file.write_text(f"{json.dumps(rows, indent=1)}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{json_file}: cannot be written: {error.strerror}") from error


def _counts_table(counts: Iterable[Count]) -> Table:
    table = _table("Messages per request: one at a time, nothing batched")
    for header in ("protocol", "accept_to"):
        table.add_column(header)
    for header in ("n", "formula", "", "messages", "network"):
        table.add_column(header, justify="right")
    table.add_column("")
    for row in counts:
        text = FORMULAS[row.protocol, row.accept_to].text
        numbers = (row.replicas, text, row.formula, row.messages, row.network_messages)
        matches = row.messages == row.formula
        verdict = Text("ok", "green") if matches else Text("differs", "bold red")
        table.add_row(row.protocol, row.accept_to, *map(str, numbers), verdict)
    return table


def _load_table(loaded: pd.DataFrame) -> Table:
    table = _table(f"Per request under load: n = 3, {PROFILE}; all hosts, and the busiest one")
    table.add_column("protocol")
    for header in ("ack\ndelay\nms", "clients", "req/s", "messages", "frames", "bytes"):
        table.add_column(header, justify="right")
    for header in ("messages", "bytes"):
        table.add_column(f"busiest\nhost:\n{header}", justify="right")
    for number, row in enumerate(loaded.to_dict("records"), start=1):
        table.add_row(
            row["protocol"],
            f"{row['ack_delay_ms']:g}",
            f"{row['clients']:,}",
            f"{row['throughput_rps']:,.0f}",
            *(f"{row[key]:#.3g}".rstrip(".") for key in loaded.columns[4:]),
            end_section=number % len(LOADED) == 0,
        )
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False  # A terminal of 80 columns is enough.
    return table
