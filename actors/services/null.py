"""The paper's service: it does nothing with a request and replies with eight zero bytes."""

import numpy as np

from actors.core.columns import Bytes, Cells, U32s
from actors.core.config import LoadConfig
from actors.core.errors import RemoteProtocolError
from actors.services.registry import ServiceKind

REPLY_BYTES = 8


class NullService:
    """Has no state."""

    def execute(self, commands: Cells) -> Cells:
        """Return `REPLY_BYTES` zero bytes for each command."""
        return Cells.uniform(np.zeros((commands.count, REPLY_BYTES), np.uint8))

    def snapshot(self) -> bytes:
        """Return nothing: there is no state."""
        return b""

    def restore(self, snapshot: bytes) -> None:
        """Accept the empty snapshot; raises RemoteProtocolError for any other."""
        if snapshot:
            raise RemoteProtocolError(f"null service given a snapshot of {len(snapshot)} bytes")


class NullWorkload:
    """Sends `request_bytes` zero bytes in each request."""

    def __init__(self, config: LoadConfig) -> None:
        self._zeros = _zeros(1, config.request_bytes)

    def commands(self, clients: U32s, sequences: U32s) -> Cells:  # noqa: ARG002 - all are equal.
        """Return as many equal commands as there are clients; the bytes are shared, read-only."""
        count, request_bytes = len(clients), self._zeros.shape[1]
        if count > len(self._zeros):
            self._zeros = _zeros(count, request_bytes)
        return Cells.uniform(self._zeros[:count])


def _zeros(count: int, request_bytes: int) -> Bytes:
    zeros = np.zeros((count, request_bytes), np.uint8)
    zeros.flags.writeable = False
    return zeros


SERVICE = ServiceKind(
    name="null",
    description="does nothing and replies with 8 bytes: measures the protocols alone",
    service=NullService,
    workload=NullWorkload,
)
