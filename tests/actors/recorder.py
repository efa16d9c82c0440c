"""A transport that sends nothing and remembers all, for what stands in front of one."""

from collections.abc import Iterable, Sequence

from actors.core.ids import Address
from actors.transport.base import Endpoint


class Recorder:
    """Remembers every message that it is to send, and to whom; reports 7 bytes as queued."""

    def __init__(self) -> None:
        self.sent: list[tuple[Address, bytes]] = []
        self.apart: list[bool] = []

    async def listen(self, host: str, port: int = 0) -> Endpoint:
        return Endpoint(host, port)

    def dial(self, peers: dict[Address, Endpoint]) -> None: ...

    async def wait_connected(self, peers: Iterable[Address], timeout_s: float) -> None: ...

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        self.sent += [(to, each) for each in encoded]
        self.apart.append(apart)
        return True

    def throttle(self, on: bool) -> None: ...

    def queued_bytes(self) -> int:
        return 7

    def counts(self) -> dict[str, float]:
        return {"frames_dropped": 3}

    async def close(self) -> None: ...
