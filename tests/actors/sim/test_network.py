"""The simulated network does to messages what it is told to, as often as it is told to."""

import random

import pytest

from actors.sim.network import Network
from tests.actors.core.wired import coordinator, replica

R0, R1, R2 = map(replica, range(3))
MESSAGES = 4000


def copies(network: Network) -> list[int]:
    """Return how many copies arrive of each of many messages."""
    rng = random.Random(1)
    return [len(network.delays(R0, R1, rng)) for _ in range(MESSAGES)]


def test_without_faults_each_message_arrives_once_within_the_delays() -> None:
    network, rng = Network(delay_min_s=0.001, delay_max_s=0.002), random.Random(1)
    for _ in range(100):
        (delay,) = network.delays(R0, R1, rng)
        assert 0.001 <= delay <= 0.002


@pytest.mark.parametrize("chance", [0.1, 0.5])
def test_so_many_are_lost_or_duplicated(chance: float) -> None:
    assert copies(Network(loss=chance)).count(0) / MESSAGES == pytest.approx(chance, abs=0.03)
    assert copies(Network(duplication=chance)).count(2) / MESSAGES == pytest.approx(
        chance, abs=0.03
    )


def test_a_partition_cuts_both_ways_and_only_between_the_groups() -> None:
    network, rng = Network(), random.Random(1)
    network.partition({R0, coordinator(0)}, {R1, R2})
    assert not network.delays(R0, R1, rng)
    assert not network.delays(R2, coordinator(0), rng)
    assert network.delays(R1, R2, rng)


def test_a_healed_network_has_no_faults() -> None:
    network = Network(loss=1.0, duplication=1.0)
    network.partition({R0}, {R1})
    network.heal()
    assert set(copies(network)) == {1}
