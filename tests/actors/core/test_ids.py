"""Names: who leads, and what stays on a host."""

import pytest

from actors.core.config import Config
from actors.core.ids import Address, is_host_local, leader_of
from tests.actors.core.wired import FLEET, coordinator, replica


def test_leadership_goes_round() -> None:
    assert [leader_of(view, 3) for view in range(5)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("one", "other", "local"),
    [
        (replica(1), coordinator(1), True),
        (replica(1), coordinator(2), False),
        (replica(0), FLEET, False),
        (coordinator(0), FLEET, False),
        (replica(1), replica(1), False),
    ],
)
def test_only_a_coordinator_and_its_replica_share_a_host(
    one: Address, other: Address, local: bool
) -> None:
    assert is_host_local(one, other) == is_host_local(other, one) == local


@pytest.mark.parametrize(("n", "majority", "holders"), [(1, 1, 1), (3, 2, 2), (5, 3, 3), (7, 4, 4)])
def test_any_two_majorities_meet_and_any_holders_outlive_f_crashes(
    n: int, majority: int, holders: int
) -> None:
    config = Config(replicas=n)
    assert (config.majority, config.stable_holders) == (majority, holders)
    assert 2 * majority > n
    assert holders > n - majority
