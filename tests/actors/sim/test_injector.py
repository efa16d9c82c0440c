"""Fault words in the simulator: what they say happens, when they say, to whom they mean."""

import pytest

from actors.core.config import LoadConfig
from actors.core.errors import RestartError
from actors.core.ids import Address
from actors.core.verdict import OK
from actors.sim.injector import Injector
from actors.sim.network import Network
from actors.sim.system import System

WINDOW_START_S = 0.5
WINDOW_S = 2.0


def injected(words: str, protocol: str = "spaxos", **settings: object) -> tuple[System, Injector]:
    """Run a system of three hosts through a window with faults."""
    config = LoadConfig(
        protocol=protocol,
        clients=4,
        heartbeat_interval_ms=20,
        suspect_timeout_ms=60,
        client_timeout_ms=100,
        **settings,  # type: ignore[arg-type] # As the test says.
    )
    # One round trip takes 20 ms: few messages, so that a window is simulated at once.
    system = System(config, Network(delay_min_s=0.01, delay_max_s=0.011))
    injector = Injector(system, words, window_start_s=WINDOW_START_S, window_s=WINDOW_S)
    system.world.run(WINDOW_START_S + WINDOW_S)
    return system, injector


def happened(injector: Injector) -> list[tuple[float, str, str, str]]:
    """Return the events with their times rounded to what the words say."""
    return [(round(time_s, 1), *rest) for time_s, *rest in injector.events]


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_killed_host_is_gone_with_all_its_nodes(protocol: str) -> None:
    system, injector = injected("1 kill host 2", protocol)
    assert happened(injector) == [(1.5, "kill", "host-2", "")]
    assert {address.number for address in system.world.nodes if address.role != "fleet"} == {0, 1}
    assert system.settle(10.0)
    assert system.verdict() == OK


def test_a_restart_has_taken_effect_when_the_host_takes_part_again() -> None:
    """The event after it, which follows it, waits for that."""
    system, injector = injected(
        "0.5 kill host leader; +0.5 restart it; +0.2 heal", crash_model="epoch"
    )
    kill, restart, heal = injector.events
    assert [event for _, event, _, _ in injector.events] == ["kill", "restart", "heal"]
    assert kill[2] == restart[2] == "host-0"
    assert restart[0] - kill[0] > 0.5 + 0.01, "recovery takes a round trip at least"
    assert heal[0] - restart[0] == pytest.approx(0.2)
    assert system.is_back(0)
    assert system.settle(10.0)
    assert system.verdict() == OK


def test_a_single_node_of_a_host_may_be_killed_and_paused() -> None:
    system, _ = injected("0.5 kill coordinator 1; 0.5 pause replica 2; 0.6 pause fleet 0")
    assert Address("coordinator", 1) not in system.world.nodes
    assert Address("replica", 1) in system.world.nodes


def test_who_is_paused_goes_on_when_it_is_resumed_or_the_window_ends() -> None:
    system, injector = injected("0.2 pause host follower; +0.2 resume it; 1 pause replica 0")
    assert [event[1:3] for event in happened(injector)] == [
        ("pause", "host-1"),
        ("resume", "host-1"),
        ("pause", "replica-0"),
    ]
    assert not any(map(system.world.is_paused, system.world.nodes))
    assert system.settle(10.0)
    assert system.verdict() == OK


def test_what_is_repeated_happens_until_the_window_ends() -> None:
    _, injector = injected("0.25 every 0.5 suspect replica follower")
    assert [time_s for time_s, *_ in injector.events] == pytest.approx([0.75, 1.25, 1.75, 2.25])
    promoted = [target for _, _, target, _ in injector.events]
    assert promoted == ["replica-1", "replica-2", "replica-0", "replica-1"]


def test_links_are_cut_and_slow_until_they_are_healed() -> None:
    config = LoadConfig(protocol="spaxos", clients=1)
    system = System(config)
    injector = Injector(
        system,
        "1 cut host 0 from host 1 one-way; 1 slow host 2 by 20ms; 2 heal",
        window_start_s=0.0,
        window_s=3.0,
    )
    network = system.world.network
    system.world.run(1.5)
    assert (Address("replica", 0), Address("coordinator", 1)) in network.cut
    assert (Address("replica", 1), Address("replica", 0)) not in network.cut
    assert network.slowed_s[Address("replica", 2), Address("replica", 0)] == 0.02
    system.world.run(1.0)
    assert not network.cut
    assert not network.slowed_s
    assert [event[1:] for event in injector.events] == [
        ("cut", "host-0", "from host 1 one-way"),
        ("slow", "host-2", "by 20ms"),
        ("heal", "", ""),
    ]


def test_events_of_one_moment_happen_in_the_order_written() -> None:
    _, injector = injected("1 kill host 1; 1 pause replica 0; 1 suspect replica 2; 0.5 heal")
    assert [event for _, event, _, _ in injector.events] == ["heal", "kill", "pause", "suspect"]


def test_a_restart_that_the_crash_model_does_not_allow_is_an_error() -> None:
    with pytest.raises(RestartError, match="must not start again"):
        injected("0.5 kill host 1; +0.1 restart it")
