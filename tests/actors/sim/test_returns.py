"""Schedules under which somebody returns at the worst moment, each of which once went wrong."""

import pytest

from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.sim.system import System


def _replica(number: int) -> Address:
    return Address("replica", number)


def _coordinator(number: int) -> Address:
    return Address("coordinator", number)


def _system(protocol: str, **settings: object) -> System:
    """Return a system that has run for a while."""
    config = LoadConfig(protocol=protocol, service="kv", kv_keys=3, **{"clients": 5, **settings})
    system = System(config)
    system.world.run(0.5)
    return system


def _gets_on(system: System) -> bool:
    return system.run_until(system.completed + 20, 30.0)


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_view_that_a_former_life_had_begun_finds_a_leader(protocol: str) -> None:
    """Its Prepare arrives when it has returned and forgotten it: nobody else leads that view."""
    system = _system(protocol, crash_model="epoch")
    system.world.network.cut.add((_replica(1), _replica(0)))
    system.slow(1, 2, 0.4)
    system.suspect(1)
    system.world.run(0.001)
    system.crash(1)
    system.reconnect()
    system.restart(1)
    system.world.run(2.0)
    assert _gets_on(system)
    assert system.settle(30.0)
    assert system.verdict() == "ok"


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_view_of_a_former_life_that_one_was_cut_off_with_finds_a_leader(protocol: str) -> None:
    system = _system(protocol, crash_model="epoch", replicas=5)
    system.world.network.cut |= {(_replica(1), _replica(other)) for other in (0, 2, 4)}
    system.world.network.cut |= {(_replica(3), _replica(other)) for other in (0, 2, 4)}
    system.suspect(1)
    system.world.run(0.01)
    system.crash(1)
    system.reconnect()
    system.cut(3)
    system.restart(1)
    system.world.run(0.3)
    system.reconnect()
    system.world.run(2.0)
    assert _gets_on(system)
    assert system.settle(30.0)
    assert system.verdict() == "ok"


def test_a_coordinator_in_its_second_life_goes_on_when_its_replica_returns() -> None:
    """It believes that its replica holds a batch, which has forgotten it, and whose it is."""
    system = _system(
        "spaxos", crash_model="epoch", clients=6, dissemination_window=1, client_timeout_ms=300
    )
    system.crash(_coordinator(1))
    system.restart(_coordinator(1))
    system.world.run(1.0)
    for other in (0, 2):
        for node in (_coordinator(1), _replica(1)):
            system.world.network.cut.add((node, _replica(other)))
    system.world.run(0.25)
    coordinator = system.world.nodes[_coordinator(1)]
    assert coordinator.gauges()["unstable_batches"] == 1
    system.crash(_replica(1))
    system.restart(_replica(1))
    system.reconnect()
    system.world.run(5.0)
    assert system.is_back(1)
    assert coordinator.gauges()["unstable_batches"] == 0
    assert system.settle(30.0)
    assert system.verdict() == "ok"
