"""Who dials whom."""

import itertools

import pytest

from actors.core.ids import Address
from actors.wiring import wiring


def addresses(role: str, count: int) -> list[Address]:
    return [Address(role, number) for number in range(count)]


EVERYBODY = [
    address for role in ("fleet", "coordinator", "replica") for address in addresses(role, 3)
]


def pairs(clients_talk_to: str) -> set[frozenset[Address]]:
    wired = wiring(EVERYBODY, clients_talk_to)
    return {frozenset((one, other)) for one, peers in wired.items() for other in peers.dials}


@pytest.mark.parametrize("clients_talk_to", ["replica", "coordinator"])
def test_of_each_pair_that_talks_one_dials_and_the_other_expects_it(clients_talk_to: str) -> None:
    wired = wiring(EVERYBODY, clients_talk_to)
    dialled = [(one, other) for one, peers in wired.items() for other in peers.dials]
    expected = [(other, one) for one, peers in wired.items() for other in peers.expects]
    assert sorted(dialled) == sorted(expected)
    assert len(pairs(clients_talk_to)) == len(dialled)


def test_fleets_talk_to_those_who_take_requests_and_hosts_to_all_replicas() -> None:
    replicas, coordinators, fleets = (
        addresses(role, 3) for role in ("replica", "coordinator", "fleet")
    )
    among_hosts = {
        *map(frozenset, itertools.combinations(replicas, 2)),
        *map(frozenset, itertools.product(replicas, coordinators)),
    }
    for role, takers in (("replica", replicas), ("coordinator", coordinators)):
        assert pairs(role) == among_hosts | {*map(frozenset, itertools.product(takers, fleets))}
