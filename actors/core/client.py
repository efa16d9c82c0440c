"""Clients, thousands in one node: each has one request outstanding at most.

When they send says `actors.core.arrivals`: closed-loop, each its next request when its reply
arrives, or open-loop, as requests arrive. Latency counts from when a request was wanted: of
closed-loop clients that is its first try, of open-loop ones its arrival.

Arrays indexed by client id, no object per client or request; a fleet uses its share of them. A
client that hears nothing for `client_timeout_ms` tries another host with the same sequence.

Clients that follow the leader all ask the same host, and turn together where it redirects them. But
no redirect leads to a host that was left for another since the last retry timer, or given up on
less than two timeouts ago: who points there knows no more than the clients do. With every retry
timer one of them asks whether it knows more by now, and after a timeout they turn to the next host.
A reply ends all that: whoever replies led, and knows who led next.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.core.arrivals import ClosedLoop, Floats, OpenLoop, Pace
from actors.core.columns import U32, Columns, U32s
from actors.core.config import LoadConfig
from actors.core.effects import Effect, Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.histogram import LatencyRecord
from actors.core.ids import Address, Role
from actors.core.messages import Message, Redirect, Replies, Requests
from actors.core.service import Workload
from actors.core.tables import LastRows, all_true, places

RETRY = "retry"
ARRIVAL = "arrival"


def share_of_clients(config: LoadConfig, fleet: int) -> range:
    """Return the ids of the clients that live in `fleet`: contiguous, shared out evenly."""
    return range(
        config.clients * fleet // config.fleets, config.clients * (fleet + 1) // config.fleets
    )


def pace_of(config: LoadConfig, fleet: int) -> Pace:
    """Return the pace at which the clients of `fleet` send: an even share of the whole load."""
    if not config.arrival_rate_rps:
        return ClosedLoop()
    rng = np.random.default_rng((config.seed, fleet))
    share = len(share_of_clients(config, fleet)) / config.clients
    return OpenLoop(config.arrival_rate_rps * share, rng)


class Clients:
    """The clients of one fleet. They begin at `start` and end at `stop`."""

    def __init__(self, fleet: int, config: LoadConfig, workload: Workload, talk_to: Role) -> None:
        share = share_of_clients(config, fleet)
        self.record = LatencyRecord()
        """Latencies, in bins counted from `start`: from when a request was wanted."""
        self.service_record = LatencyRecord()
        """The same of open-loop clients, from when it was sent; else empty."""
        self.retried = 0
        self._share = slice(share.start, share.stop)
        self._ids: U32s = np.arange(share.start, share.stop, dtype=U32)
        self._workload = workload
        self._talk_to = talk_to
        self._follows_leader = talk_to == "replica"
        self._hosts = config.replicas
        self._timeout_s = config.client_timeout_ms / 1e3
        self._rows_per_frame = config.requests_per_frame_max
        self._out = Outbox()
        self._sequences: U32s = np.zeros(config.clients, U32)
        self._outstanding = np.zeros(config.clients, np.bool_)
        self._since = np.zeros(config.clients)  # When the request was wanted.
        self._sent_at = np.zeros(config.clients)
        self._tried_at = np.zeros(config.clients)
        self._hosts_asked = np.zeros(config.clients, np.int16)
        if not self._follows_leader:
            self._hosts_asked[:] = np.arange(config.clients) % config.replicas
        self._avoided_until: dict[int, float] = {}  # Where no redirect leads.
        self._turned_away = False  # By a redirect that was not followed.
        self._turned_at = 0.0  # When the fleet turned to the host that it asks.
        self._retry_at = 0.0
        self._clients = config.clients
        self._arrived: list[bytes] = []
        self._pace = pace_of(config, fleet)
        self._is_open_loop = config.arrival_rate_rps > 0
        self._may_send = False  # Whether somebody may be due.
        self._arrival_at = float("inf")
        self._responses_s: Floats | None = None  # Of those answered, until latencies are noted.
        self._services_s: Floats | None = None  # The same, where clients are open-loop.
        self._last_rows = LastRows(config.clients)
        self._completed = 0
        self._running = False
        self._started_at = 0.0
        self._now = 0.0

    # --- The life of a fleet ---

    def start(self, now: float) -> None:
        """Begin to send: closed-loop clients all at once, open-loop ones as requests arrive."""
        self._now = self._started_at = now
        self._running = True
        self._pace.begin(self._ids, now)
        self._may_send = True
        self._set_timer()

    def stop(self) -> None:
        """Send no new requests; those outstanding are still awaited and retried."""
        self._running = False

    @property
    def outstanding(self) -> int:
        """Requests sent and not answered."""
        return int(np.count_nonzero(self._outstanding))

    def acknowledged(self) -> U32s:
        """Return, for each client of this fleet, how many requests were answered."""
        return (self._sequences - self._outstanding)[self._share]

    # --- Events ---

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of a host."""
        self._now = now
        if type(message) is Replies:
            Columns.check(message.replies, self._clients)
            self._arrived.append(message.replies)
        elif type(message) is Redirect:
            self._on_redirect(sender, message)
        else:
            raise RemoteProtocolError(f"{sender} sends {type(message).__name__} to clients")

    def _take_replies(self) -> None:
        """Complete what was replied to: many small frames cost little more than one."""
        replies = Columns.decode_all(self._arrived)
        self._arrived.clear()
        rows, found = replies.clients, places(replies.clients)
        awaited = self._outstanding[found] & (self._sequences[found] == replies.sequences)
        if not all_true(awaited):
            rows = rows[awaited]
            if not len(rows):
                return
        last = self._last_rows.mask(rows)
        if not all_true(last):
            rows = rows[last]
        found = places(rows)
        self._outstanding[found] = False
        self._avoided_until.clear()
        if self._turned_away:
            self._turn_to(self._leader)
        self._completed += len(rows)
        self._responses_s = self._now - self._since[found]
        if self._is_open_loop:
            self._services_s = self._now - self._sent_at[found]
        if self._running:
            self._pace.freed(rows)
            self._may_send = True

    def _on_redirect(self, sender: Address, message: Redirect) -> None:
        if not 0 <= message.leader < self._hosts:
            raise RemoteProtocolError(f"no replica {message.leader} to be redirected to")
        if not self._follows_leader or sender.number != self._leader:
            return
        if message.leader == self._leader:  # It leads, and has dropped what it had in hand.
            self._turn_to(message.leader)
        elif self._avoided_until.get(message.leader, self._now) <= self._now:
            self._avoided_until[self._leader] = self._retry_at
            self._turn_to(message.leader)
        else:
            self._turned_away = True

    def on_timer(self, name: str, now: float) -> None:
        """Send what has arrived, or have clients that have waited too long try the next host."""
        self._now = now
        if name == ARRIVAL:
            self._arrival_at = float("inf")
            self._may_send = True
            return
        assert name == RETRY, name
        late = _clients(self._outstanding & (now - self._tried_at >= self._timeout_s))
        if self._follows_leader:
            self._look_for_leader(is_late=len(late) > 0)
        elif len(late):
            self._hosts_asked[late] = (self._hosts_asked[late] + 1) % self._hosts
            self._try_again(late)
        self._set_timer()

    def _look_for_leader(self, *, is_late: bool) -> None:
        if self._turned_away and self._now - self._turned_at < self._timeout_s:
            self._try_again(_clients(self._outstanding)[:1])
        elif self._turned_away or is_late:
            if not self._turned_away:  # But silent: avoided until somebody else may lead.
                self._avoided_until[self._leader] = self._now + 2 * self._timeout_s
            self._turn_to((self._leader + 1) % self._hosts)

    @property
    def _leader(self) -> int:
        """The host that all clients ask: where they follow the leader they move together."""
        return int(self._hosts_asked[0])

    def _turn_to(self, host: int) -> None:
        self._turned_away = False
        self._turned_at = self._now
        self._hosts_asked[:] = host
        self._try_again(_clients(self._outstanding))

    def _try_again(self, rows: U32s) -> None:
        self.retried += len(rows)
        self._tried_at[rows] = self._now
        self._send(rows)

    def _set_timer(self) -> None:
        self._retry_at = self._now + self._timeout_s / 4
        self._out.set_timer(RETRY, self._retry_at)

    def drain(self) -> Sequence[Effect]:
        """Send the next request of every client that is ready or, once sent, note latencies."""
        if self._arrived:
            self._take_replies()
        if self._may_send and self._running:
            self._send_due()
        if self._responses_s is not None and not self._out:
            self._note_latencies(self._responses_s)
        return self._out.drain()

    def _send_due(self) -> None:
        self._may_send = False
        rows, since = self._pace.due(self._now)
        if len(rows):
            found = places(rows)
            self._sequences[found] += U32.type(1)
            self._outstanding[found] = True
            self._since[found] = since
            self._sent_at[found] = self._tried_at[found] = self._now
            self._send(rows)
        next_at = self._pace.next_at
        if next_at < self._arrival_at:
            self._arrival_at = next_at
            self._out.set_timer(ARRIVAL, next_at)

    def _send(self, rows: U32s) -> None:
        for host, part in self._by_host(rows):
            sequences = self._sequences[places(part)]
            requests = Columns(part, sequences, self._workload.commands(part, sequences))
            for frame in requests.frames(self._rows_per_frame):
                self._out.send(Address(self._talk_to, host), Requests(frame))

    def _note_latencies(self, responses_s: Floats) -> None:
        time_s = self._now - self._started_at
        self.record.record(responses_s, time_s)
        if self._services_s is not None:
            self.service_record.record(self._services_s, time_s)
        self._responses_s = self._services_s = None

    def _by_host(self, rows: U32s) -> Iterator[tuple[int, U32s]]:
        hosts = self._hosts_asked[places(rows)]
        while len(rows):
            host = int(hosts[0])
            chosen = hosts == host
            if all_true(chosen):
                yield host, rows
                return
            yield host, rows[chosen]
            rows, hosts = rows[~chosen], hosts[~chosen]

    def gauges(self) -> dict[str, float]:
        """Return how many requests are outstanding."""
        return {"outstanding": self.outstanding, "waiting": self._pace.waiting}

    def counts(self) -> dict[str, float]:
        """Return how many requests were completed, and tried again."""
        return {"completed": self._completed, "retried": self.retried}


def _clients(mask: NDArray[np.bool_]) -> U32s:
    """Return the ids of the clients that `mask` is true for."""
    return np.flatnonzero(mask).astype(U32)
