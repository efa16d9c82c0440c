"""Closed-form limits: worked out by hand where that is feasible, and against the simulator."""

from functools import cache

import msgspec
import pytest

from actors.core.config import LoadConfig
from actors.core.registry import PROTOCOLS
from actors.host import BIN_S
from actors.measurements import Measurements
from actors.model.profiles import PROFILES
from actors.sim.cluster import SimulatedCluster
from experiments.limits import Limit, Use, limit, uses

# What one request of 20 bytes takes: a frame's 5 bytes of head; a tagged array of 2, or a number
# of 5, bytes each; 2 bytes that announce the columns, which are 8 + 8 + the request or the reply.
REQUEST = 5 + 2 + 2 + 36
REPLY = 5 + 2 + 2 + 24
PROPOSE = 5 + 3 + 5 + 2 + 36 + 5
ACCEPT = 5 + 3 + 5

UNBATCHED = {"protocol": "multipaxos", "requests_per_frame_max": 1}


# --- By hand --------------------------------------------------------------------------------------


def test_a_lone_host_takes_requests_in_and_replies() -> None:
    config = LoadConfig(**UNBATCHED, replicas=1, cpu_us_per_client_request=3.0)
    assert uses(config) == {"the leader": Use(REPLY, REQUEST, pytest.approx(3e-6))}


def test_paxos_without_batches_takes_a_round_of_each_request() -> None:
    config = LoadConfig(
        **UNBATCHED,
        cpu_us_per_client_request=10.0,
        cpu_us_per_executed_request=1.0,
        cpu_us_per_message=5.0,
        cpu_ns_per_byte=100.0,
    )
    leader_bytes = REPLY + 2 * PROPOSE, REQUEST + 2 * ACCEPT
    follower_bytes = 2 * ACCEPT, PROPOSE + ACCEPT
    assert uses(config) == {
        "the leader": Use(*leader_bytes, pytest.approx(31e-6 + 1e-7 * sum(leader_bytes))),
        "the follower": Use(*follower_bytes, pytest.approx(21e-6 + 1e-7 * sum(follower_bytes))),
    }


def test_followers_who_tell_the_leader_alone_hear_nothing_of_each_other() -> None:
    used = uses(LoadConfig(**UNBATCHED, accept_to="leader"))
    assert (used["the follower"].bytes_out, used["the follower"].bytes_in) == (ACCEPT, PROPOSE)


@pytest.mark.parametrize("window", [1, 4])
def test_s_paxos_has_every_host_send_its_batches_and_acknowledge_all_at_once(window: int) -> None:
    """Batches of one request; every message costs 1 us at either end."""
    config = LoadConfig(
        protocol="spaxos",
        dissemination_batch_bytes_max=1,
        dissemination_window=window,
        cpu_us_per_message=1.0,
    )
    payloads, acks = window * (2 + 2), 2 + 2
    leader_ordering, follower_ordering = 2 + 2, 1 + 2 + 1
    used, requests = uses(config), 3 * window
    leader_us, follower_us = payloads + acks + leader_ordering, payloads + acks + follower_ordering
    assert used["the leader"].cpu_s * requests == pytest.approx(leader_us * 1e-6)
    assert used["the follower"].cpu_s * requests == pytest.approx(follower_us * 1e-6)


def test_an_instance_orders_as_many_ids_as_fit_a_value() -> None:
    config = LoadConfig(
        protocol="spaxos",
        dissemination_batch_bytes_max=1,
        dissemination_window=4,
        batch_bytes_max=1,
    )
    few, many = uses(config), uses(msgspec.structs.replace(config, batch_bytes_max=1000))
    assert few["the leader"].bytes_out > many["the leader"].bytes_out


def test_the_busiest_resource_of_the_busiest_host_is_the_limit() -> None:
    network = {**UNBATCHED, "egress_mbit_s": 8.0, "ingress_mbit_s": 8.0}
    assert limit(LoadConfig(**network)) == Limit(
        pytest.approx(1e6 / (REPLY + 2 * PROPOSE)), "the leader", "egress"
    )
    slow_in = LoadConfig(**{**network, "ingress_mbit_s": 0.8})
    busiest_rps = pytest.approx(1e5 / (REQUEST + 2 * ACCEPT))
    # A follower takes in a little less.
    assert limit(slow_in) == Limit(busiest_rps, "every host", "ingress")


def test_cores_add_up() -> None:
    config = LoadConfig(**UNBATCHED, replicas=1, cpu_us_per_client_request=10.0, modelled_cores=2)
    assert limit(config) == Limit(pytest.approx(200_000.0), "the leader", "CPU")


def test_a_server_without_replication_takes_what_its_clients_take_of_it() -> None:
    config = LoadConfig(
        protocol="unreplicated",
        replicas=1,
        cpu_us_per_client_request=7.0,
        cpu_us_per_executed_request=3.0,
        cpu_us_per_message=1e6,
    )
    assert uses(config).keys() == {"the leader"}
    assert limit(config) == Limit(pytest.approx(100_000.0), "the leader", "CPU")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_limits_a_host_without_limits(protocol: str) -> None:
    assert limit(LoadConfig(protocol=protocol)).throughput_rps == float("inf")


@pytest.mark.parametrize(
    ("protocol", "replicas", "expected"),
    [
        ("jpaxos", 3, Limit(173_200, "the leader", "egress")),
        ("jpaxos", 5, Limit(97_500, "the leader", "egress")),
        ("spaxos", 3, Limit(445_400, "every host", "ingress")),
        ("spaxos", 5, Limit(445_600, "every host", "ingress")),
    ],
)
def test_the_limits_on_ethernet(protocol: str, replicas: int, expected: Limit) -> None:
    """By a rough count, 28-byte requests pass the leader n - 1 times: about 170,000 and 430,000."""
    config = LoadConfig(
        protocol=protocol,
        replicas=replicas,
        requests_per_frame_max=128,
        **PROFILES["ethernet-100mbit"],
    )
    assert limit(config) == expected._replace(
        throughput_rps=pytest.approx(expected.throughput_rps, rel=0.001)
    )


# --- Against the simulator ------------------------------------------------------------------------

LOAD_S = 2.0
WINDOW = slice(5, 20)
"""Bins in which all clients run."""
WINDOW_S = 1.5

SATURATED = {
    "requests_per_frame_max": 128,
    "window": 4,
    "dissemination_window": 4,
    "clients": 8000,
}
CASES = [
    *(("ethernet-100mbit", protocol, n) for protocol in ("jpaxos", "spaxos") for n in (3, 5)),
    *(("srds12", protocol, n) for protocol in ("jpaxos", "spaxos") for n in (3, 5)),
]


def config(profile: str, protocol: str, replicas: int, **settings: object) -> LoadConfig:
    return LoadConfig(protocol=protocol, replicas=replicas, **PROFILES[profile], **settings)


@cache
def saturated(profile: str, protocol: str, replicas: int) -> Measurements:
    return SimulatedCluster(config(profile, protocol, replicas, **SATURATED)).run(LOAD_S)


def completed(measurements: Measurements) -> float:
    """Return how many requests were completed in the window."""
    return float(sum(table.completed[WINDOW].sum() for table in measurements.latencies.values()))


def count(measurements: Measurements, host: int, name: str) -> float:
    """Return how much a count of a host, both its actors together, grew in the window."""
    total = 0.0
    for address, meter in measurements.meters:
        if address.role != "fleet" and address.number == host:
            bins = meter.rows[:, meter.columns.index("bin")]
            inside = (bins > WINDOW.start) & (bins <= WINDOW.stop)
            total += meter.rows[inside, meter.columns.index(name)].sum()
    return total


@pytest.mark.parametrize(("profile", "protocol", "replicas"), CASES)
def test_throughput_comes_near_the_limit_where_it_binds(
    profile: str, protocol: str, replicas: int
) -> None:
    measurements = saturated(profile, protocol, replicas)
    assert measurements.safety == "ok"
    limit_rps = limit(config(profile, protocol, replicas, **SATURATED)).throughput_rps
    assert completed(measurements) / WINDOW_S == pytest.approx(limit_rps, rel=0.1)


@pytest.mark.parametrize(("profile", "protocol", "replicas"), CASES)
def test_a_request_takes_of_all_hosts_what_was_worked_out(
    profile: str, protocol: str, replicas: int
) -> None:
    measurements = saturated(profile, protocol, replicas)
    requests = completed(measurements)
    used = uses(config(profile, protocol, replicas, **SATURATED))
    leader, follower = used["the leader"], used["the follower"]
    for name, of_leader, of_follower in (
        ("network_bytes_out", leader.bytes_out, follower.bytes_out),
        ("network_bytes_in", leader.bytes_in, follower.bytes_in),
        ("modelled_cpu_s", leader.cpu_s, follower.cpu_s),
    ):
        of_all = sum(count(measurements, host, name) for host in range(replicas))
        expected = of_leader + (replicas - 1) * of_follower
        # Acks that could have been one may be several.
        assert 0.98 * expected <= of_all / requests <= 1.12 * expected, name


@pytest.mark.parametrize(("batch_bytes", "window"), [(128, 1), (128, 8), (512, 4), (8192, 2)])
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_no_system_exceeds_its_limit(protocol: str, batch_bytes: int, window: int) -> None:
    """Nor where acks cover several batches."""
    settings = {
        "batch_bytes_max": batch_bytes,
        "window": window,
        "dissemination_batch_bytes_max": batch_bytes,
        "dissemination_window": window,
    }
    run = config("srds12", protocol, 3, **{**SATURATED, **settings, "clients": 500})
    found = completed(SimulatedCluster(run).run(LOAD_S)) / WINDOW_S
    assert found <= 1.02 * limit(run).throughput_rps


def test_no_nic_and_no_cpu_does_more_than_it_can() -> None:
    """Bytes are counted when they have passed: those of a frame at once."""
    for profile, protocol, replicas in CASES:
        measurements = saturated(profile, protocol, replicas)
        limits = config(profile, protocol, replicas)
        for host in range(replicas):
            mbit = count(measurements, host, "network_bytes_out") * 8e-6
            assert mbit <= limits.egress_mbit_s * (WINDOW_S + BIN_S)
