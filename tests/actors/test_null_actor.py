"""Calls of an actor that does nothing: counted, timed, and nothing is left of them."""

from functools import partial

import pytest
import ray

from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.errors import ClusterError
from actors.null_actor import HOST, NullCalls
from experiments.live import LiveBackend
from tests.actors.on_ray import assert_nothing_is_left

pytestmark = pytest.mark.ray

CONFIG = LoadConfig(protocol="unreplicated", replicas=1, transport="ray", clients=8, fleets=2)


def test_every_call_is_counted_by_the_actor_and_timed_by_its_caller(live: LiveBackend) -> None:
    with NullCalls(CONFIG) as calls:
        calls.run(0.5)
        measurements = calls.measurements()
    assert_nothing_is_left()
    meters = dict(measurements.meters)
    assert meters.keys() == {HOST, Address("fleet", 0), Address("fleet", 1)}
    timed = {each: table.completed.sum() for each, table in measurements.latencies.items()}
    assert all(count >= 4 for count in timed.values()), "each of four clients called"
    received = meters[HOST].rows[:, meters[HOST].columns.index("network_messages_in.Call")]
    assert 0 < received.sum() <= sum(timed.values())
    assert measurements.safety == "ok"


def test_the_death_of_the_actor_ends_the_run_and_names_it(live: LiveBackend) -> None:
    with NullCalls(CONFIG) as calls:
        kill = partial(ray.kill, calls._crew._actors[HOST])
        kill()
        with pytest.raises(ClusterError, match=f"{HOST} died|fleet-. failed"):
            calls.run(600.0)
    assert_nothing_is_left()
