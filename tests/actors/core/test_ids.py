"""Names: who leads, and what stays on a host."""

import pytest

from actors.core.batch_ids import decode_ids, encode_ids
from actors.core.config import Config
from actors.core.ids import (
    INCARNATIONS_MAX,
    Address,
    BatchId,
    host_of,
    is_host_local,
    leader_of,
    origin_of,
)
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


@pytest.mark.parametrize("n", [1, 3, 5])
def test_every_life_of_every_coordinator_is_another_origin_on_the_same_host(n: int) -> None:
    lives = [(host, incarnation) for incarnation in range(1, 5) for host in range(n)]
    origins = [origin_of(host, incarnation, n) for host, incarnation in lives]
    assert len(set(origins)) == len(origins)
    assert [host_of(origin, n) for origin in origins] == [host for host, _ in lives]
    assert origins[:n] == list(range(n)), "without restarts origins are hosts"


def test_origins_fit_the_two_bytes_that_an_id_has_for_them() -> None:
    replicas_max = 201
    last = origin_of(replicas_max - 1, INCARNATIONS_MAX, replicas_max)
    assert decode_ids(encode_ids([BatchId(last, 1)])) == [BatchId(last, 1)]
