"""A transport on a host with limits: it holds back what it sends and delivers until the host could.

What it models, on top of the `budget` of the host:

- Between hosts, and between hosts and clients, messages pass the NICs and take `network_delay_ms`.
  Messages between the actors of one host cost nothing.
- Clients' own machines have no limits. Their delay is taken both ways on the way back, which is the
  same to them, and the way in needs no time in which a request would keep the NIC for itself.
- CPU: for each client request once, when it arrives, its reply included; for each message to or
  from another host; for each byte of all these; for each request that is executed.

What is due within half a millisecond of real time is due: timers are no finer, and what comes a
little early now comes a little late another time. The budget counts exactly all the same.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from actors.clock import Clock
from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, is_host_local
from actors.core.messages import Message, Requests
from actors.due_queue import DueQueue
from actors.model.budget import Budget
from actors.transport.base import Receiver, Transport
from actors.transport.framing import FRAME_BYTES_MIN, require_fit

PART_BYTES = 8192
"""What is sent, and handed over, together: a few packets, unless one message alone is larger."""

_log = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """What a host is sending."""

    to: Address
    encoded: Sequence[bytes]
    apart: bool


class Incoming(NamedTuple):
    """What a host is taking in."""

    sender: Address
    messages: list[Message]
    sizes: list[int]
    arrives_at: float
    size: int
    """With its frames, in bytes."""
    cpu_s: float


class Limited:
    """A transport, made by `connect`, and in front of `receiver`; `executed` counts requests."""

    def __init__(
        self,
        me: Address,
        config: Config,
        budget: Budget,
        clock: Clock,
        receiver: Receiver,
        *,
        connect: Callable[[Receiver], Transport],
        executed: Callable[[], int],
    ) -> None:
        transport = connect(self)
        self.listen, self.close = transport.listen, transport.close
        self.dial, self.wait_connected = transport.dial, transport.wait_connected
        self.throttle = transport.throttle
        self.connected, self.disconnected = receiver.connected, receiver.disconnected
        self._me = me
        self._transport = transport
        self._receiver = receiver
        self._budget = budget
        self._clock = clock
        self._executed = executed
        self._executed_before = 0
        self._queue_bytes_max = config.queue_bytes_max
        self._frame_bytes_max = config.frame_bytes_max
        self._delay_s = config.network_delay_ms / 1e3
        self._request_s = config.cpu_us_per_client_request * 1e-6
        self._execution_s = config.cpu_us_per_executed_request * 1e-6
        self._message_s = config.cpu_us_per_message * 1e-6
        self._byte_s = config.cpu_ns_per_byte * 1e-9
        self._cpu_s = 0.0
        self._dropped = 0
        self._refused = 0
        self._to_hosts: DueQueue[Outgoing] = DueQueue(clock, self._send)
        self._to_clients: DueQueue[Outgoing] = DueQueue(clock, self._send)
        self._local: DueQueue[Outgoing] = DueQueue(clock, self._send)
        self._arriving: DueQueue[Incoming] = DueQueue(clock, self._arrive)
        self._inbox: DueQueue[Incoming] = DueQueue(clock, self._deliver)

    # --- Sending ---

    def send(self, to: Address, encoded: Sequence[bytes], *, apart: bool = False) -> bool:
        """Send when the host has had the time to; false if it has too much to send already.

        Raises LocalProtocolError if a message is larger than a frame may be.
        """
        require_fit(max(encoded, key=len), self._frame_bytes_max)
        if is_host_local(self._me, to):
            cpu_s = self._use(self._take_execution_s())
            done_at = self._budget.work(self._clock.now(), cpu_s)
            self._local.put(done_at, Outgoing(to, encoded, apart), 0)
            return True
        queue = self._to_clients if to.role == "fleet" else self._to_hosts
        if queue.bytes > self._queue_bytes_max:
            self._dropped += len(encoded)
            return False
        for part in _parts(list(map(len, encoded))):
            self._put_out(queue, Outgoing(to, encoded[part], apart))
        return True

    def _put_out(self, queue: DueQueue[Outgoing], outgoing: Outgoing) -> None:
        to, encoded, apart = outgoing
        if to.role == "fleet":
            messages, delay_s = 0, 2 * self._delay_s
        else:
            messages, delay_s = len(encoded), self._delay_s
        size = sum(map(len, encoded)) + FRAME_BYTES_MIN * (len(encoded) if apart else 1)
        cpu_s = self._use(
            self._take_execution_s() + messages * self._message_s + size * self._byte_s
        )
        left_at = self._budget.put_out(self._clock.now(), cpu_s, size)
        queue.put(left_at + delay_s, outgoing, size)

    def _send(self, outgoing: Outgoing) -> None:
        self._transport.send(outgoing.to, outgoing.encoded, apart=outgoing.apart)

    def _take_execution_s(self) -> float:
        """Return the CPU that was taken by what was executed since the last call."""
        executed = self._executed()
        fresh, self._executed_before = executed - self._executed_before, executed
        return fresh * self._execution_s

    def _use(self, cpu_s: float) -> float:
        self._cpu_s += cpu_s
        return cpu_s

    # --- Receiving ---

    def received(self, sender: Address, messages: list[Message], sizes: list[int]) -> None:
        """Take in the messages of one read, and hand them over when the host could."""
        if is_host_local(self._me, sender):
            self._receiver.received(sender, messages, sizes)
        elif self._arriving.bytes + self._inbox.bytes > self._queue_bytes_max:
            self._dropped += len(messages)
        else:
            starts_at = self._clock.now()
            if sender.role != "fleet":  # Clients have no NIC to pass at the same time.
                starts_at -= self._budget.leaving_s(sum(sizes))
            for part in _parts(sizes):
                self._take_in(starts_at, sender, messages[part], sizes[part])

    def _take_in(
        self, starts_at: float, sender: Address, messages: list[Message], sizes: list[int]
    ) -> None:
        if sender.role == "fleet":
            frames, cpu_s = len(messages), _requests(messages) * self._request_s
        else:
            frames, cpu_s = 1, len(messages) * self._message_s
        size = sum(sizes) + FRAME_BYTES_MIN * frames
        cpu_s = self._use(self._take_execution_s() + cpu_s + size * self._byte_s)
        at = self._budget.take_in(starts_at, size)
        self._arriving.put(at, Incoming(sender, messages, sizes, at, size, cpu_s), size)

    def _arrive(self, incoming: Incoming) -> None:
        ready_at = self._budget.work(incoming.arrives_at, incoming.cpu_s)
        self._inbox.put(ready_at, incoming, incoming.size)

    def _deliver(self, incoming: Incoming) -> None:
        try:
            self._receiver.received(incoming.sender, incoming.messages, incoming.sizes)
        except RemoteProtocolError as error:  # Too late to disconnect for it.
            self._refused += len(incoming.messages)
            _log.warning("%s refuses what %s sent: %s", self._me, incoming.sender, error)

    # --- What is known of it ---

    def queued_bytes(self) -> int:
        """Return how many bytes wait: for the modelled network, or for the real one."""
        queues = self._to_hosts, self._to_clients, self._arriving, self._inbox
        return self._transport.queued_bytes() + sum(queue.bytes for queue in queues)

    def counts(self) -> dict[str, float]:
        """Return what the transport counts, the CPU modelled, and how late all of it came.

        `late_s` / `handed_over` is the mean lag behind the model.
        """
        queues = self._to_hosts, self._to_clients, self._local, self._inbox
        return {
            **self._transport.counts(),
            "modelled_cpu_s": self._cpu_s,
            "modelled_messages_dropped": self._dropped,
            "modelled_messages_refused": self._refused,
            "handed_over": sum(queue.handed_over for queue in queues),
            "late_s": sum(queue.late_s for queue in queues),
        }


def _parts(sizes: list[int]) -> Iterator[slice]:
    """Cut what is sent or read at once into parts: the first need not wait for the last."""
    start, total = 0, 0
    for stop, size in enumerate(sizes, 1):
        total += size
        if total >= PART_BYTES or stop == len(sizes):
            yield slice(start, stop)
            start, total = stop, 0


def _requests(messages: list[Message]) -> int:
    """Return how many client requests there are in messages."""
    return sum(Columns.header(each.requests)[0] for each in messages if type(each) is Requests)
