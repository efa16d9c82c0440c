"""The simulated backend's cluster: the real hosts in virtual time."""

import gc
from itertools import count

import numpy as np
import pytest

from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.model.profiles import PROFILES
from actors.services.null import NullService, NullWorkload
from actors.services.registry import ServiceKind
from actors.sim import cluster as cluster_module
from actors.sim.cluster import SimulatedCluster, SimulationError
from tests.experiments.broken import BrokenService

_made = count(1)


def _service() -> NullService:
    """Every second copy is broken: that of a follower, in a run of two followers."""
    return NullService() if next(_made) % 3 != 2 else BrokenService()


ONE_BROKEN = ServiceKind(
    name="one", description="one raises", service=_service, workload=NullWorkload
)


def config(protocol: str, **settings: object) -> LoadConfig:
    """Make hosts with limits far apart, where little happens in a second."""
    return LoadConfig(
        protocol=protocol, **{**PROFILES["srds12"], "network_delay_ms": 5.0}, **settings
    )


def test_nothing_is_late_in_virtual_time() -> None:
    measurements = SimulatedCluster(config("spaxos", clients=20)).run(0.2)
    for address, meter in measurements.meters:
        if address.role != "fleet":
            assert meter.rows[:, meter.columns.index("handed_over")].sum() > 0
            assert meter.rows[:, meter.columns.index("late_s")].sum() == 0


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos", "multipaxos"])
def test_the_same_run_measures_the_same(protocol: str) -> None:
    settings = config(protocol, clients=20, fleets=2)
    one, other = (SimulatedCluster(settings).run(0.2) for _ in range(2))
    assert one.safety == other.safety == "ok"
    for (address, meter), (again, meter_again) in zip(one.meters, other.meters, strict=True):
        assert (address, meter.columns) == (again, meter_again.columns)
        assert np.array_equal(meter.rows, meter_again.rows, equal_nan=True)
    for fleet, latencies in one.latencies.items():
        for column, same in zip(latencies, other.latencies[fleet], strict=True):
            assert np.array_equal(column, same)


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_an_unloaded_request_takes_its_hops_and_what_they_cost(protocol: str) -> None:
    """No CPU, no bandwidth: only the delay counts, 1 ms a hop.

    JPaxos: request, Propose, Accept, reply. S-Paxos: Payload and Ack between them, too.
    """
    settings = LoadConfig(protocol=protocol, clients=1, network_delay_ms=1.0)
    measurements = SimulatedCluster(settings).run(1.0)
    [table] = measurements.latencies.values()
    mean_ms = table.latency_sum_s.sum() / table.completed.sum() * 1e3
    assert mean_ms == pytest.approx({"jpaxos": 4.0, "spaxos": 6.0}[protocol])


def test_every_actor_is_measured() -> None:
    measurements = SimulatedCluster(config("spaxos", clients=4, fleets=2)).run(0.3)
    assert {address for address, _ in measurements.meters} == {
        Address(role, number)
        for role, numbers in (("replica", 3), ("coordinator", 3), ("fleet", 2))
        for number in range(numbers)
    }
    assert all(meter.rows[-1][0] >= 3 for _, meter in measurements.meters)


def test_a_host_that_stops_ends_the_run_with_its_reason() -> None:
    """Even a follower, without which the others can go on."""
    service = "tests.actors.sim.test_cluster:ONE_BROKEN"
    cluster = SimulatedCluster(LoadConfig(clients=5, network_delay_ms=1.0, service=service))
    with pytest.raises(SimulationError, match="replica-1 has stopped: ZeroDivisionError"):
        cluster.run(0.2)


def test_requests_that_stay_unanswered_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is so slow that no reply comes in time."""
    monkeypatch.setattr(cluster_module, "DRAIN_S", 1.0)
    settings = LoadConfig(
        clients=1, network_delay_ms=10_000, client_timeout_ms=600_000, suspect_timeout_ms=600_000
    )
    cluster = SimulatedCluster(settings)
    with pytest.raises(SimulationError, match="requests stay unanswered at"):
        cluster.run(0.1)


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_hundred_and_one_replicas_agree(protocol: str) -> None:
    hosts = LoadConfig(protocol=protocol, replicas=101, clients=3, network_delay_ms=20.0)
    measurements = SimulatedCluster(hosts).run(0.3)
    assert measurements.safety == "ok"
    executed = {
        address.number: meter.rows[:, meter.columns.index("requests_executed")].sum()
        for address, meter in measurements.meters
        if address.role == "replica"
    }
    assert len(executed) == 101
    answered = sum(table.completed.sum() for table in measurements.latencies.values())
    assert set(executed.values()) == {answered}
    assert answered >= 3 * 2, "each client had two replies, at least"


def test_garbage_is_looked_for_again_after_a_run() -> None:
    SimulatedCluster(config("jpaxos", clients=1)).run(0.1)
    assert gc.isenabled()
