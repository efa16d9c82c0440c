"""Ordering: Paxos, failure detection and catch-up as one layer under every protocol.

Values go in at the leader (`has_room`, `propose`), come out decided and in order at every replica
(`take_decided`). The log is truncated below what all replicas say they have executed.
"""

from collections.abc import Callable, Iterator
from typing import Any

from actors.core.catchup import CATCH_UP, Laggard
from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.election import HEARTBEAT, SUSPECT, Election
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Instance, ReplicaId
from actors.core.log import Log
from actors.core.messages import (
    Accept,
    Alive,
    CatchUp,
    CaughtUp,
    Decide,
    Message,
    Prepare,
    PrepareOk,
    Propose,
)
from actors.core.paxos import RETRANSMIT, Paxos

Handler = Callable[[ReplicaId, Any, float], None]


class Ordering:
    """The ordering layer of one replica.

    `announce_at_once`: with `accept_to = "leader"`, whether the leader tells the others of each
    decision at once (S-Paxos: any host may have to reply) or on its next message.
    """

    def __init__(
        self, me: ReplicaId, config: Config, out: Outbox, *, announce_at_once: bool
    ) -> None:
        self.executed: Instance = 0
        """Instances below this are executed here; set by the protocol above."""
        self._me = me
        self._out = out
        self._others = tuple(Address("replica", i) for i in range(config.replicas) if i != me)
        self._log = Log()
        self._paxos = Paxos(me, config, self._log, out, announce_at_once=announce_at_once)
        self._election = Election(me, config, out)
        self._laggard = Laggard(me, config, self._log, out)
        self._executed: list[Instance] = [0] * config.replicas
        self._handlers: dict[type, Handler] = {
            Prepare: lambda sender, message, _: self._paxos.on_prepare(sender, message),
            PrepareOk: self._on_prepare_ok,
            Propose: self._on_propose,
            Accept: self._paxos.on_accept,
            Decide: self._on_decide,
            Alive: self._on_alive,
            CatchUp: lambda sender, message, _: self._laggard.on_catch_up(sender, message),
            CaughtUp: self._on_caught_up,
        }
        self._timers: dict[str, Callable[[float], None]] = {
            HEARTBEAT: self._on_heartbeat,
            SUSPECT: self._on_suspect,
            CATCH_UP: lambda now: self._laggard.on_timer(self.leader, now),
            RETRANSMIT: self._paxos.on_retransmit,
        }

    # --- What the protocol above uses ---

    @property
    def view(self) -> int:
        """Current view."""
        return self._paxos.view

    @property
    def leader(self) -> ReplicaId:
        """Leader of the current view, as far as is known here."""
        return self._paxos.leader

    @property
    def leads(self) -> bool:
        """Whether this replica leads, with the first phase behind it."""
        return self._paxos.leads

    @property
    def has_room(self) -> bool:
        """Whether a value may be proposed here and now."""
        return self._paxos.has_room

    @property
    def open_instances(self) -> int:
        """Undecided instances that this leader has opened."""
        return self._paxos.open_instances

    @property
    def is_idle(self) -> bool:
        """Whether no instance is known here that is not decided."""
        return self._log.undecided - self._log.start == len(self._log)

    def propose(self, value: bytes, now: float) -> None:
        """Order `value`; only where `has_room`."""
        self._paxos.propose(value, now)

    def proposed_values(self) -> list[bytes]:
        """Values that this leader has proposed and that are not decided yet."""
        return self._paxos.proposed_values()

    def take_decided(self) -> Iterator[tuple[Instance, bytes]]:
        """Yield what is newly decided, in order."""
        return self._log.take_decided()

    def announce(self) -> None:
        """Tell the others what this leader has decided; called once a drain."""
        self._paxos.announce()

    def start(self, now: float) -> None:
        """Begin."""
        self._election.start(now)

    def suspect_leader(self, now: float) -> None:
        """Start this replica's own next view."""
        self._paxos.promote(now)

    def gauges(self) -> dict[str, float]:
        """View, leadership, open instances, log length."""
        return {
            "view": self.view,
            "leads": float(self.leads),
            "open_instances": self.open_instances,
            "log_instances": len(self._log),
        }

    def counts(self) -> dict[str, float]:
        """Instances decided."""
        return {"instances_decided": self._log.undecided}

    # --- Events ---

    def handles(self, message: Message) -> bool:
        """Say whether `message` belongs to this layer."""
        return type(message) in self._handlers

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of another replica."""
        if sender not in self._others:
            raise RemoteProtocolError(f"{sender} takes no part in ordering")
        view = self._paxos.view
        self._handlers[type(message)](sender.number, message, now)
        if sender.number == self._paxos.leader or self._paxos.view > view:
            # The silence of a former leader is not held against the new one.
            self._election.heard_from_leader(now)

    def on_timer(self, name: str, now: float) -> bool:
        """Take a timer; return whether it was one of this layer's."""
        handler = self._timers.get(name)
        if handler is not None:
            handler(now)
        return handler is not None

    def _on_prepare_ok(self, sender: ReplicaId, message: PrepareOk, now: float) -> None:
        self._laggard.observe(sender, message.undecided, now)
        self._paxos.on_prepare_ok(sender, message, now)
        if self._paxos.is_candidate:
            self._laggard.ask(self.leader)  # No time to lose: nobody leads now.

    def _on_propose(self, sender: ReplicaId, message: Propose, now: float) -> None:
        self._paxos.on_propose(sender, message, now)
        self._laggard.observe(sender, message.undecided, now)

    def _on_decide(self, sender: ReplicaId, message: Decide, now: float) -> None:
        self._paxos.on_decide(sender, message)
        self._laggard.observe(sender, message.undecided, now)

    def _on_alive(self, sender: ReplicaId, message: Alive, now: float) -> None:
        self._paxos.observe_view(message.view)
        if sender == self.leader and message.view == self.view:
            self._paxos.learn_decided_below(message.view, message.undecided)
        self._laggard.observe(sender, message.undecided, now)
        self._executed[sender] = max(self._executed[sender], message.executed)
        self._log.truncate(min(*self._executed, self.executed))

    def _on_caught_up(self, _: ReplicaId, message: CaughtUp, now: float) -> None:
        self._laggard.on_caught_up(message, self.leader)
        self._paxos.try_lead(now)

    def _on_heartbeat(self, now: float) -> None:
        self._executed[self._me] = self.executed
        if self._others:
            self._out.broadcast(self._others, Alive(self.view, self._log.undecided, self.executed))
        else:
            self._log.truncate(self.executed)
        self._election.beat(now)

    def _on_suspect(self, now: float) -> None:
        if self._election.suspects(self.leader, now):
            self.suspect_leader(now)
