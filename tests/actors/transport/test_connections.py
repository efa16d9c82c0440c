"""How those who are dialled are dialled again, whatever a connection is made of."""

import asyncio
import random

import pytest

from actors.core.ids import Address
from actors.transport.base import Endpoint
from actors.transport.connections import (
    REDIAL_DELAY_S_MAX,
    REDIAL_DELAY_S_MIN,
    Connection,
    Connections,
)
from tests.actors.transport.peers import Recorder

ME, PEER = Address("replica", 0), Address("replica", 1)


class Lasting(Connections[Connection]):
    """Has connections that last so many seconds each, one after the other."""

    def __init__(self, *lasts_s: float) -> None:
        super().__init__(ME, Recorder(), frame_bytes_max=1, queue_bytes_max=1)
        self._lasts_s = list(lasts_s)
        self.now_s = 0.0
        self.done = asyncio.Event()

    async def _connect_once(self, peer: Address, endpoint: Endpoint) -> None:
        if not self._lasts_s:
            self.done.set()
            await asyncio.Event().wait()
        self.now_s += self._lasts_s.pop(0)


def _delays_s(monkeypatch: pytest.MonkeyPatch, *lasts_s: float) -> list[float]:
    """Return the time from each of these connections to the next."""
    delays_s: list[float] = []

    async def sleep(delay_s: float) -> None:
        delays_s.append(delay_s)

    async def dialling() -> None:
        connections = Lasting(*lasts_s)
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: connections.now_s)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
        connections.dial({PEER: Endpoint("nowhere", 1)})
        await connections.done.wait()
        await connections.stop_dialling()

    asyncio.run(dialling())
    return delays_s


def test_who_disconnects_at_once_each_time_is_dialled_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a peer does that finds fault with whatever it is sent."""
    delays_s = _delays_s(monkeypatch, *[0.01] * 7)
    assert delays_s[:3] == [REDIAL_DELAY_S_MIN * 2**times for times in range(3)]
    assert delays_s[-2:] == [REDIAL_DELAY_S_MAX] * 2


def test_a_connection_that_lasted_is_dialled_again_as_quickly_as_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delays_s = _delays_s(monkeypatch, 0.01, 0.01, 0.01, 60.0, 0.01)
    assert delays_s[-2:] == [REDIAL_DELAY_S_MIN, 2 * REDIAL_DELAY_S_MIN]
