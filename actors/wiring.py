"""Who talks to whom in a run; of each pair that does, exactly one dials."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from actors.core.ids import Address, Role


class Peers(NamedTuple):
    """Whom one address dials, and by whom it expects to be dialled."""

    dials: list[Address]
    expects: list[Address]


def wiring(addresses: Iterable[Address], clients_talk_to: Role) -> dict[Address, Peers]:
    """Say who dials whom among `addresses`."""
    ordered = sorted(addresses, key=lambda each: (_ROLES.index(each.role), each.number))
    peers = {address: Peers([], []) for address in ordered}
    for earlier, later in itertools.combinations(ordered, 2):
        if _talk(earlier.role, later.role, clients_talk_to):
            peers[later].dials.append(earlier)
            peers[earlier].expects.append(later)
    return peers


_ROLES: tuple[Role, ...] = ("replica", "coordinator", "fleet")


def _talk(one: Role, other: Role, clients_talk_to: Role) -> bool:
    if "fleet" in (one, other):
        return clients_talk_to in (one, other)
    return "replica" in (one, other)
