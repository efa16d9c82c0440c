"""Batches requests: a batch leaves when there is room for it, or first when it has waited enough.

With a delay of 0 whatever is there leaves as soon as there is room (JPaxos's passive batcher): an
idle system waits for nothing, a busy one batches by itself.
"""

from actors.core.columns import Columns


class Batcher:
    """Requests that wait, in order of arrival.

    `bytes_max` bounds an encoded batch (one larger request still makes a batch of its own),
    `requests_max` its requests (0 = any number), `delay_s` how long an unfilled batch waits.
    """

    def __init__(self, bytes_max: int, delay_s: float, requests_max: int = 0) -> None:
        self._bytes_max = bytes_max
        self._requests_max = requests_max
        self._delay_s = delay_s
        self._waiting: list[Columns] = []
        self._bytes = 0
        self._since = 0.0
        self.requests = 0
        """How many requests wait."""
        self._taken_batches = 0
        self._taken_requests = 0
        self._taken_bytes = 0

    def add(self, requests: Columns, now: float) -> None:
        """Append requests."""
        if not self.requests:
            self._since = now
        self._waiting.append(requests)
        self.requests += len(requests)
        self._bytes += requests.encoded_bytes

    @property
    def due_at(self) -> float | None:
        """When a batch may leave, if there is room: `None` where nothing waits."""
        if not self.requests:
            return None
        full = self._bytes >= self._bytes_max or (
            self._requests_max and self.requests >= self._requests_max
        )
        return self._since if full else self._since + self._delay_s

    def is_due(self, now: float) -> bool:
        """Say whether a batch may leave now, if there is room."""
        due_at = self.due_at
        return due_at is not None and due_at <= now

    def take(self) -> Columns:
        """Return the next batch; at least one request waits."""
        waiting = Columns.concatenate(self._waiting)
        batch, rest = waiting.split(waiting.rows_within(self._bytes_max, self._requests_max))
        self._waiting = [rest] if len(rest) else []
        self._bytes = rest.encoded_bytes if len(rest) else 0
        self.requests = len(rest)
        self._taken_batches += 1
        self._taken_requests += len(batch)
        self._taken_bytes += batch.encoded_bytes
        return batch

    def counts(self) -> dict[str, float]:
        """Return how many batches were taken, the requests in them and their encoded bytes."""
        return {
            "batches": self._taken_batches,
            "batch_requests": self._taken_requests,
            "batch_bytes": self._taken_bytes,
        }

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self.requests = 0
        self._bytes = 0
