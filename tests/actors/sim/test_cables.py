"""A cable is pulled out and put back, where what is asked for takes its time on the network.

As with TCP nothing is lost: what was sent meanwhile arrives afterwards, and fills the network card.
What is asked for waits behind it, and must not be asked for again and again meanwhile.
"""

import pytest

from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.links import Links
from actors.model.profiles import PROFILES
from actors.sim.cluster import SimulatedCluster
from actors.transport.base import Receiver

PULLED_S = 1.0
LOAD_S = 10.0
FOR_EVER_MS = 1e9
BINS_PER_S = 10


class Cables(SimulatedCluster):
    """Hosts at 100 Mbit/s under full load, and `host` without a cable for `seconds`."""

    def __init__(self, protocol: str, host: int, seconds: float, **settings: object) -> None:
        super().__init__(
            LoadConfig(
                **{
                    **PROFILES["ethernet-100mbit"],
                    "protocol": protocol,
                    "clients": 1000,
                    "request_bytes": 1024,
                    "window": 4,
                    "dissemination_window": 4,
                    **settings,
                }  # type: ignore[arg-type]
            )
        )
        self._host = host
        self._links: dict[Address, Links] = {}
        self._clock.call_at(PULLED_S, self._pull)
        self._clock.call_at(PULLED_S + seconds, self._put_back)

    def _connect(self, address: Address, receiver: Receiver) -> Links:
        links = self._links[address] = super()._connect(address, receiver)
        return links

    def _pull(self) -> None:
        for address, links in self._links.items():
            others = [each for each in self._links if self._is_of(each) != self._is_of(address)]
            links.slow(others, FOR_EVER_MS)

    def _is_of(self, address: Address) -> bool:
        return address.role != "fleet" and address.number == self._host

    def _put_back(self) -> None:
        for links in self._links.values():
            links.heal()

    def completed_rps(self) -> list[int]:
        """Return how many requests were answered in each second."""
        (fleet,) = self._fleets
        bins = fleet.record.table().completed.tolist()
        return [sum(bins[i : i + BINS_PER_S]) for i in range(0, len(bins), BINS_PER_S)]

    def asked(self) -> float:
        """Return how many payloads were asked for."""
        return sum(node.counts().get("payloads_fetched", 0) for node in self._replicas.values())


@pytest.mark.parametrize("host", [0, 1, 2])
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
@pytest.mark.parametrize("seconds", [0.5, 1.5, 3.0])
def test_clients_get_on_as_before_once_a_cable_is_back(
    protocol: str, host: int, seconds: float
) -> None:
    """Found on cards of 100 Mbit/s: they stayed full of answers that nobody needed any more."""
    cables = Cables(protocol, host, seconds)
    assert cables.run(LOAD_S).safety == "ok"
    completed_rps = cables.completed_rps()
    before, after = completed_rps[0], completed_rps[int(LOAD_S) - 2]
    assert after > 0.8 * before, completed_rps


def test_payloads_that_are_on_their_way_are_not_fetched() -> None:
    cables = Cables("spaxos", 1, 3.0)
    cables.run(LOAD_S)
    assert cables.asked() < 50


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_what_was_dropped_meanwhile_is_asked_for(protocol: str) -> None:
    """As where a peer's queue is full: here nothing comes by itself."""
    cables = Cables(protocol, 1, 1.5, queue_bytes_max=1 << 20)
    assert cables.run(LOAD_S).safety == "ok"
    completed_rps = cables.completed_rps()
    assert completed_rps[int(LOAD_S) - 2] > 0.8 * completed_rps[0], completed_rps
