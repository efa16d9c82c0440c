"""Execution: each request exactly once, in order, with its reply kept for a retry.

A client has one request outstanding and numbers its requests from 1, so what a replica must
remember of a client is one sequence and one reply: arrays indexed by client. A request is new where
its sequence is higher than the last executed one; a repeated last one gets the kept reply, and so
does an older one, which nobody awaits: whoever has it pending learns that its client is past it.

Every executed batch is folded into a rolling digest, so that replicas can be compared afterwards.
`executions` counts what the service really executed, apart from the table that decides it.
"""

import hashlib
from collections import deque

import msgspec
import numpy as np

from actors.core.columns import U32, VARIED, Bytes, Cells, Columns, U32s
from actors.core.errors import RemoteProtocolError
from actors.core.service import Service
from actors.core.tables import LastRows, all_true, places

DIGEST_BYTES = 16
DIGESTS_KEPT = 8192
DIGEST_STRIDE = 1024
REPLY_BYTES_INLINE = 16


class Executor:
    """Executes batches on a service, exactly once per request."""

    def __init__(self, service: Service, clients: int) -> None:
        self.batches = 0
        self.requests = 0
        self.last: U32s = np.zeros(clients, U32)
        """Sequence last executed, by client."""
        self.executions: U32s = np.zeros(clients, U32)
        """How often the service executed a request, by client."""
        self.digests = DigestTrail()
        self._service = service
        self._replies = KeptReplies(clients)
        self._last_rows = LastRows(clients)

    def execute(self, batch: bytes) -> Columns:
        """Execute an encoded batch; return, to each client in it, the reply to its last request."""
        requests = Columns.decode(batch)
        self.batches += 1
        self.digests.fold(batch)
        if not len(requests):
            return requests
        fresh = requests.sequences > self.last[places(requests.clients)]
        if all_true(fresh) and all_true(self._last_rows.mask(requests.clients)):
            return self._execute_fresh(requests)
        return self._execute_some(requests)

    def snapshot(self) -> bytes:
        """Return the state of the service and all that makes execution exactly-once."""
        state = _State(
            self.batches,
            self.requests,
            self.digests.last,
            self.executions.tobytes(),
            self.last_replies().encode(),
            self._service.snapshot(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace all state by that of a snapshot; raises RemoteProtocolError where it is none."""
        try:
            state = msgspec.msgpack.decode(snapshot, type=_State)
        except msgspec.DecodeError as error:
            raise RemoteProtocolError(f"not a snapshot: {error}") from error
        replies = Columns.decode(state.replies)
        clients = len(self.last)
        if len(state.executions) != self.executions.nbytes or len(state.digest) != DIGEST_BYTES:
            raise RemoteProtocolError(f"not a snapshot of a system of {clients} clients")
        if len(replies) and int(replies.clients.max()) >= clients:
            raise RemoteProtocolError(f"a snapshot with a client beyond {clients - 1}")
        self._service.restore(state.service)
        self.batches, self.requests = state.batches, state.requests
        self.digests = DigestTrail(state.batches, state.digest)
        self.executions[:] = np.frombuffer(state.executions, U32)
        self.last[:] = 0
        self.last[replies.clients] = replies.sequences
        self._replies.keep(replies.clients, replies.cells)

    def last_replies(self) -> Columns:
        """Return the reply to the last request of every client that has had one executed."""
        named = np.flatnonzero(self.last).astype(U32)
        return Columns(named, self.last[named], self._replies.find(named))

    def counts(self) -> dict[str, float]:
        """Batches executed, and the requests in them that were new."""
        return {"batches_executed": self.batches, "requests_executed": self.requests}

    def _execute_fresh(self, requests: Columns) -> Columns:
        clients, rows = requests.clients, places(requests.clients)
        self.last[rows] = requests.sequences
        self.executions[rows] += U32.type(1)
        self.requests += len(requests)
        cells = self._service.execute(requests.cells)
        assert cells.count == len(requests), "a service gives one reply per command"
        self._replies.keep(clients, cells)
        return Columns(clients, requests.sequences, cells)

    def _execute_some(self, requests: Columns) -> Columns:
        """Execute where some rows are repeats: of earlier requests or of each other."""
        clients, sequences = requests.clients.tolist(), requests.sequences.tolist()
        executed: dict[int, int] = {}
        fresh: list[int] = []
        for row, (client, sequence) in enumerate(zip(clients, sequences, strict=True)):
            last = executed.get(client)
            if sequence > (self.last[client] if last is None else last):
                if last is not None:  # A second new request of a client: finish the first batch.
                    self._execute_fresh(requests.take(np.array(fresh)))
                    executed.clear()
                    fresh.clear()
                executed[client] = sequence
                fresh.append(row)
        if fresh:
            self._execute_fresh(requests.take(np.array(fresh)))
        named = requests.clients[self._last_rows.mask(requests.clients)]
        return Columns(named, self.last[named], self._replies.find(named))


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an executor's snapshot holds."""

    batches: int
    requests: int
    digest: bytes
    executions: bytes
    replies: bytes
    """The last one to each client that has had one, encoded `Columns`."""
    service: bytes


class KeptReplies:
    """The last reply to each client: short ones in a matrix, longer ones one by one."""

    def __init__(self, clients: int) -> None:
        self._short: Bytes = np.zeros((clients, REPLY_BYTES_INLINE), np.uint8)
        self._sizes: U32s = np.zeros(clients, U32)  # VARIED: the reply is in `_long`.
        self._long: dict[int, bytes] = {}

    def keep(self, clients: U32s, replies: Cells) -> None:
        """Replace the replies kept for `clients`, each named once."""
        if replies.sizes is None and replies.size <= REPLY_BYTES_INLINE:
            rows = places(clients)
            self._sizes[rows] = replies.size
            self._short[rows, : replies.size] = replies.matrix
            return
        for client, reply in zip(clients.tolist(), replies.values(), strict=True):
            self._sizes[client] = VARIED
            self._long[client] = reply

    def find(self, clients: U32s) -> Cells:
        """Return the replies kept for `clients`."""
        return Cells.of([self._find(client) for client in clients.tolist()])

    def _find(self, client: int) -> bytes:
        size = int(self._sizes[client])
        return self._long[client] if size == VARIED else self._short[client, :size].tobytes()


class DigestTrail:
    """Rolling digest after each executed batch: the last ones, and every `DIGEST_STRIDE`th.

    It begins after `batches`, with the `digest` of these.
    """

    def __init__(self, batches: int = 0, digest: bytes = bytes(DIGEST_BYTES)) -> None:
        self.batches = batches
        self.last = digest
        self._recent: deque[bytes] = deque([digest], maxlen=DIGESTS_KEPT)
        self._sparse: dict[int, bytes] = {batches: digest}

    def fold(self, batch: bytes) -> None:
        """Append one executed batch."""
        digest = hashlib.sha256(self.last)
        digest.update(batch)
        self.last = digest.digest()[:DIGEST_BYTES]
        self.batches += 1
        self._recent.append(self.last)
        if self.batches % DIGEST_STRIDE == 0:
            self._sparse[self.batches] = self.last

    def kept(self) -> dict[int, bytes]:
        """Return every digest that is kept, by how many batches it covers."""
        first = self.batches - len(self._recent) + 1
        return self._sparse | dict(enumerate(self._recent, first))
