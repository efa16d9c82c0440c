"""Calls of an actor that does nothing: counted, timed, and nothing is left of them."""

from functools import partial

import pytest
import ray

from actors import place as place_module
from actors.cluster import Cluster
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.errors import ClusterError
from actors.measurements import Measurements
from actors.null_actor import HOST, NullCalls
from experiments.live import LiveBackend
from tests.actors.on_ray import assert_nothing_is_left

pytestmark = pytest.mark.ray

FLEETS = [Address("fleet", 0), Address("fleet", 1)]
CONFIG = LoadConfig(protocol="unreplicated", replicas=1, transport="ray", clients=8, fleets=2)


def test_every_call_is_counted_by_the_actor_and_timed_by_its_caller(live: LiveBackend) -> None:
    """The last are sampled up to a bin after they have returned."""
    with NullCalls(CONFIG) as calls:
        calls.run(0.5)
        before = calls.measurements()
        while _bins(measurements := calls.measurements()) < _bins(before) + 2:
            pass
    assert_nothing_is_left()
    assert dict(measurements.meters).keys() == {HOST, *FLEETS}
    timed = {each: table.completed.sum() for each, table in measurements.latencies.items()}
    assert timed.keys() == set(FLEETS)
    assert all(count >= 4 for count in timed.values()), "each of four clients called"
    for fleet in FLEETS:
        assert _total(measurements, fleet, "completed") == timed[fleet]
    assert _total(measurements, HOST, "network_messages_in.Call") == sum(timed.values())
    assert measurements.safety == "ok"


def _bins(measurements: Measurements) -> int:
    """Return in how many bins all actors were sampled."""
    return min(len(table.rows) for _, table in measurements.meters)


def _total(measurements: Measurements, who: Address, what: str) -> float:
    table = dict(measurements.meters)[who]
    return float(table.rows[:, table.columns.index(what)].sum())


def test_what_there_is_no_room_for_is_told_at_once_as_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = {"Alive": True, "NodeID": "n0", "Resources": {"CPU": 1.0}, "Labels": {}}
    node |= {"NodeManagerAddress": "127.0.0.1", "NodeManagerPort": 1}  # Nobody is there.
    monkeypatch.setattr(place_module.ray, "nodes", lambda: [node])
    reasons = []
    for calls in (NullCalls(CONFIG), Cluster(CONFIG)):
        with pytest.raises(ClusterError) as raised, calls:
            pass
        reasons.append(str(raised.value))
    assert reasons == ["1 hosts and 2 fleets need a CPU each, the cluster has 1"] * 2


def test_the_death_of_the_actor_ends_the_run_and_names_it(live: LiveBackend) -> None:
    with NullCalls(CONFIG) as calls:
        kill = partial(ray.kill, calls._crew._actors[HOST])
        kill()
        with pytest.raises(ClusterError, match=f"{HOST} died|fleet-. failed"):
            calls.run(600.0)
    assert_nothing_is_left()
