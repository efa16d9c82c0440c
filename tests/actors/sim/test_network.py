"""The simulated network does to messages what it is told to, as often as it is told to."""

import random

import pytest

from actors.core.ids import Address
from actors.sim.network import DelayShape, Link, Network
from tests.actors.core.wired import coordinator, replica

R0, R1, R2 = map(replica, range(3))
MESSAGES = 4000


def copies(network: Network) -> list[int]:
    """Return how many copies arrive of each of many messages."""
    link = Link((R0, R1), network, random.Random(1))
    return [len(link.delays_s(0.0)) for _ in range(MESSAGES)]


def arrives(network: Network, sender: Address, receiver: Address) -> tuple[float, ...]:
    """Return the delays of one message."""
    return Link((sender, receiver), network, random.Random(1)).delays_s(0.0)


def test_without_faults_each_message_arrives_once_within_the_delays() -> None:
    link = Link((R0, R1), Network(delay_min_s=0.001, delay_max_s=0.002), random.Random(1))
    for _ in range(100):
        (delay,) = link.delays_s(0.0)
        assert 0.001 <= delay <= 0.002


@pytest.mark.parametrize("chance", [0.1, 0.5])
def test_so_many_are_lost_or_duplicated(chance: float) -> None:
    assert copies(Network(loss=chance)).count(0) / MESSAGES == pytest.approx(chance, abs=0.03)
    assert copies(Network(duplication=chance)).count(2) / MESSAGES == pytest.approx(
        chance, abs=0.03
    )


def test_a_partition_cuts_both_ways_and_only_between_the_groups() -> None:
    network = Network()
    network.partition({R0, coordinator(0)}, {R1, R2})
    assert not arrives(network, R0, R1)
    assert not arrives(network, R2, coordinator(0))
    assert arrives(network, R1, R2)


def test_a_one_way_partition_cuts_only_what_the_first_sends() -> None:
    network = Network()
    network.partition({R0}, {R1, R2}, one_way=True)
    assert not arrives(network, R0, R2)
    assert arrives(network, R2, R0)


def test_a_slow_link_takes_longer_until_it_is_reconnected() -> None:
    network = Network(delay_min_s=0.001, delay_max_s=0.001)
    network.slow([R0], [R1], 0.5)
    assert arrives(network, R0, R1) == (0.501,)
    assert arrives(network, R1, R0) == (0.001,)
    network.reconnect()
    assert arrives(network, R0, R1) == (0.001,)


def test_a_link_that_keeps_order_lets_no_message_overtake() -> None:
    network = Network(delay_max_s=1.0, in_order=1.0)
    link = Link((R0, R1), network, random.Random(1))
    arrivals = [now + delay for now in range(100) for delay in link.delays_s(now / 100)]
    assert arrivals == sorted(arrivals)


@pytest.mark.parametrize("shape", ["uniform", "exponential", "long_tailed"])
def test_delays_have_the_shape_that_was_asked_for(shape: DelayShape) -> None:
    network = Network(delay_min_s=0.0, delay_max_s=1.0, delay_shape=shape)
    link = Link((R0, R1), network, random.Random(1))
    delays = sorted(delay for _ in range(MESSAGES) for delay in link.delays_s(0.0))
    assert delays[0] >= 0.0
    assert (delays[-1] > 5.0) == (shape != "uniform")
    assert 0.3 < delays[MESSAGES // 2] < 0.9


def test_a_healed_network_has_no_faults() -> None:
    network = Network(loss=1.0, duplication=1.0)
    network.partition({R0}, {R1})
    network.heal()
    assert set(copies(network)) == {1}
