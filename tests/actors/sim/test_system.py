"""Whole systems in virtual time: every client gets on, all settles, and nothing is broken."""

from collections.abc import Callable

import numpy as np
import pytest

from actors.core.config import AcceptTo, LoadConfig
from actors.core.ids import Address, is_host_local
from actors.core.registry import REPLICATED
from actors.core.verdict import OK
from actors.sim.network import Network
from actors.sim.system import System
from actors.sim.trace import Event

Trace = list[Event]

NETWORKS: dict[str, Callable[[], Network]] = {
    "sound": Network,
    "lossy": lambda: Network(loss=0.1),
    "duplicating": lambda: Network(duplication=0.5),
    "reordering": lambda: Network(delay_min_s=0.0, delay_max_s=0.02),
    "nasty": lambda: Network(delay_max_s=0.01, loss=0.1, duplication=0.2),
}

all_protocols = pytest.mark.parametrize("protocol", REPLICATED)
all_acceptors = pytest.mark.parametrize("accept_to", ["all", "leader"])


def system_of(
    protocol: str,
    n: int = 3,
    accept_to: AcceptTo = "all",
    network: Network | None = None,
    **settings: object,
) -> System:
    config = {
        "clients": 8,
        "suspect_timeout_ms": 200,
        "heartbeat_interval_ms": 50,
        "retransmit_timeout_ms": 50,
        "client_timeout_ms": 400,
        **settings,
    }
    return System(
        LoadConfig(protocol=protocol, replicas=n, accept_to=accept_to, **config),  # type: ignore[arg-type]
        network,
    )


def acknowledged(system: System) -> np.ndarray:
    return np.concatenate([clients.acknowledged() for clients in system.clients])


def assert_every_client_gets_on(system: System, requests: int = 5, seconds: float = 60) -> None:
    """Every client has so many more requests answered within so many seconds."""
    before, end = acknowledged(system), system.world.now + seconds
    while (acknowledged(system) < before + requests).any() and system.world.now < end:
        system.world.run(0.02)
    stuck = np.flatnonzero(acknowledged(system) < before + requests)
    assert not len(stuck), f"clients {stuck.tolist()} get nowhere"


def assert_it_ends_well(system: System) -> None:
    system.world.network.heal()
    assert system.settle(60), "it does not settle"
    assert system.verdict() == OK
    executions = [replica.executor.executions for replica in system.replicas.values()]
    assert all((each == acknowledged(system)).all() for each in executions)


# --- Without faults -----------------------------------------------------------------------------


@all_protocols
@pytest.mark.parametrize("n", [1, 3, 5, 7])
@all_acceptors
@pytest.mark.parametrize("network", NETWORKS)
def test_every_client_gets_on(protocol: str, n: int, accept_to: AcceptTo, network: str) -> None:
    system = system_of(protocol, n, accept_to, NETWORKS[network]())
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@all_protocols
@pytest.mark.parametrize("service", ["null", "kv"])
@pytest.mark.parametrize("requests_per_frame_max", [0, 1, 3])
def test_every_client_gets_on_with_any_service_frame_size_and_number_of_fleets(
    protocol: str, service: str, requests_per_frame_max: int
) -> None:
    system = system_of(
        protocol, fleets=3, service=service, requests_per_frame_max=requests_per_frame_max
    )
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@all_protocols
def test_delays_and_small_limits_slow_clients_down_but_stop_none(protocol: str) -> None:
    system = system_of(
        protocol,
        batch_delay_ms=3,
        batch_bytes_max=30,
        dissemination_batch_delay_ms=3,
        dissemination_batch_bytes_max=60,
        dissemination_window=1,
        window=1,
        ack_delay_ms=20,
        execution_backlog_max=1,
        pending_requests_max=1,
    )
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@pytest.mark.parametrize(
    ("protocol", "accept_to", "messages"),
    [
        ("multipaxos", "leader", lambda n: 1 + (n - 1) + (n - 1) + 1),
        ("multipaxos", "all", lambda n: 1 + (n - 1) + (n - 1) ** 2 + 1),
        # Client; payloads but for the own host's; acks; as above; the commit; the reply.
        ("spaxos", "leader", lambda n: 1 + (n - 1) + n * (n - 1) + 3 * (n - 1) + 1),
        ("spaxos", "all", lambda n: 1 + (n - 1) + n * (n - 1) + (n - 1) + (n - 1) ** 2 + 1),
    ],
)
@pytest.mark.parametrize("n", [5, 7])
def test_a_lone_request_takes_the_messages_that_the_formulas_say(
    protocol: str, accept_to: AcceptTo, messages: Callable[[int], int], n: int
) -> None:
    """Self-deliveries apart: here nobody sends to itself, nor over the network within a host."""
    trace: Trace = []
    config = LoadConfig(
        protocol=protocol, replicas=n, accept_to=accept_to, clients=1, ack_delay_ms=0
    )
    system = System(config, log=trace.append)
    system.world.run(0.0)
    for clients in system.clients:
        clients.stop()
    system.world.run(0.05)
    assert system.completed == 1
    over_the_network = [
        type(event.subject).__name__
        for event in trace
        if event.verb == "receive" and event.sender and event.address
        if not is_host_local(event.sender, event.address)
    ]
    assert len(over_the_network) == messages(n), over_the_network


# --- With faults --------------------------------------------------------------------------------


@all_protocols
@pytest.mark.parametrize("n", [3, 5, 7])
@all_acceptors
@pytest.mark.parametrize("network", ["sound", "nasty"])
def test_clients_get_on_when_the_leader_crashes(
    protocol: str, n: int, accept_to: AcceptTo, network: str
) -> None:
    system = system_of(protocol, n, accept_to, NETWORKS[network]())
    system.world.run(0.1)
    system.crash(0)
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)
    assert set(system.replicas) == set(range(1, n))


@all_protocols
@all_acceptors
def test_clients_get_on_when_as_many_crash_as_may_one_after_the_other(
    protocol: str, accept_to: AcceptTo
) -> None:
    system = system_of(protocol, 5, accept_to)
    for leader in (0, 1):
        assert_every_client_gets_on(system)
        system.crash(leader)
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@all_protocols
@pytest.mark.parametrize("n", [3, 5])
@all_acceptors
@pytest.mark.parametrize("cut_off", [0, 1])
def test_clients_get_on_while_a_host_is_cut_off_and_it_is_back_when_the_network_heals(
    protocol: str, n: int, accept_to: AcceptTo, cut_off: int
) -> None:
    system = system_of(protocol, n, accept_to, Network(loss=0.02))
    system.world.run(0.1)
    hosts = [{Address(role, host) for role in ("replica", "coordinator")} for host in range(n)]
    system.world.network.partition(
        hosts[cut_off], set().union(*(hosts[i] for i in range(n) if i != cut_off))
    )
    assert_every_client_gets_on(system)
    system.world.network.heal()
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@all_protocols
@all_acceptors
def test_nobody_gets_on_without_a_majority_and_all_do_when_it_is_back(
    protocol: str, accept_to: AcceptTo
) -> None:
    system = system_of(protocol, 3, accept_to)
    system.world.run(0.1)
    hosts = [{Address(role, host) for role in ("replica", "coordinator")} for host in range(3)]
    for one in range(3):
        system.world.network.partition(hosts[one], set().union(*hosts) - hosts[one])
    system.world.run(0.1)
    before = system.completed
    system.world.run(3.0)
    assert system.completed == before
    system.world.network.heal()
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


@all_protocols
@pytest.mark.parametrize("n", [3, 5])
def test_clients_get_on_through_false_suspicions(protocol: str, n: int) -> None:
    """As in the authors' experiment: another replica promotes itself though nobody crashed."""
    system = system_of(protocol, n)
    for turn in range(1, 9):
        system.world.run(0.05)
        host = turn % n
        system.replicas[host].suspect_leader(system.world.now)
        system.world.perform(Address("replica", host))
    assert_every_client_gets_on(system)
    assert_it_ends_well(system)


# --- A seed determines everything ---------------------------------------------------------------


def trace_of(protocol: str, seed: int) -> Trace:
    trace: Trace = []
    system = System(
        LoadConfig(protocol=protocol, replicas=5, clients=7, seed=seed, suspect_timeout_ms=50),
        Network(delay_max_s=0.01, loss=0.1, duplication=0.1),
        log=trace.append,
    )
    system.world.at(0.2, lambda: system.crash(0))
    system.world.run(1.0)
    return trace


@all_protocols
def test_the_same_seed_gives_the_same_run(protocol: str) -> None:
    assert len(trace_of(protocol, 1)) > 100
    assert trace_of(protocol, 1) == trace_of(protocol, 1)


@all_protocols
def test_another_seed_gives_another_run(protocol: str) -> None:
    assert trace_of(protocol, 1) != trace_of(protocol, 2)


# --- Large messages -----------------------------------------------------------------------------


def test_replies_larger_than_a_frame_reach_the_coordinator_in_parts() -> None:
    """Small gets in one batch may ask for more than a frame holds (S-Paxos, kv)."""
    config = LoadConfig(
        protocol="spaxos",
        service="kv",
        clients=90,
        request_bytes=200_000,
        kv_keys=2,
        kv_get_fraction=0.98,
        frame_bytes_max=4 << 20,
        batch_bytes_max=1 << 20,
        dissemination_batch_bytes_max=1 << 20,
        requests_per_frame_max=1,
        seed=3,
    )
    system = System(config)
    assert system.run_until(900, 60.0)
    assert system.settle(60.0)
    assert system.verdict() == "ok"
