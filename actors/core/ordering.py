"""Ordering: Paxos, failure detection, catch-up and return after a crash, under every protocol.

Values go in at the leader (`has_room`, `propose`), come out decided and in order at every replica
(`take_decided`). The log is truncated below what all replicas say they have executed and, where one
of them is down or lags, so that it takes no more than `kept_bytes_max`: who needs more takes a
snapshot.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from actors.core.catchup import CATCH_UP, Laggard
from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.election import HEARTBEAT, SUSPECT, Election
from actors.core.errors import RemoteProtocolError
from actors.core.executor import Executor
from actors.core.ids import Address, Instance, ReplicaId
from actors.core.journal import (
    AnyRecord,
    Checkpoint,
    Decided,
    Journal,
    Learnt,
    Promise,
    Vote,
)
from actors.core.log import Log
from actors.core.messages import (
    Accept,
    Alive,
    CatchUp,
    CaughtUp,
    Deaf,
    Decide,
    FetchSnapshot,
    Gone,
    Message,
    Prepare,
    PrepareOk,
    Propose,
    Recover,
    Recovered,
    Snapshot,
)
from actors.core.paxos import RETRANSMIT, Paxos
from actors.core.recovery import RECOVER, Epochs, Recovery
from actors.core.snapshots import SNAPSHOT, Snapshots, Taken

Handler = Callable[[ReplicaId, Any, float], None]


class Above:
    """What ordering asks of the protocol above; as it stands, for whole requests in values."""

    executor: Executor
    ordering: "Ordering"

    @property
    def is_recovering(self) -> bool:
        """Whether this replica has started again and takes no part yet."""
        return self.ordering.is_recovering

    def snapshot(self) -> Taken:
        """Return what is executed now."""
        return Taken(self.ordering.executed, self.executor.batches, self.executor.snapshot())

    def install(self, taken: Taken) -> None:
        """Go on from a snapshot; raises RemoteProtocolError where it is none."""
        self.executor.restore(taken.state)

    def holdings(self) -> list[int]:
        """Return up to which batch of each origin all are held here, if there are such."""
        return []

    def holds_all(self, held: list[int]) -> bool:  # noqa: ARG002 - nothing is held apart.
        """Say whether all batches up to these are held here."""
        return True

    def unexecuted_records(self) -> Iterable[AnyRecord]:
        """Return what must be written down beside a checkpoint."""
        return ()


class Ordering:
    """The ordering layer of one replica.

    `announce_at_once`: with `accept_to = "leader"`, whether the leader tells the others of each
    decision at once (S-Paxos: any host may have to reply) or on its next message.
    """

    def __init__(
        self,
        me: ReplicaId,
        config: Config,
        journal: Journal,
        out: Outbox,
        above: Above,
        *,
        announce_at_once: bool,
    ) -> None:
        self.executed: Instance = 0
        """Instances below this are executed here; set by the protocol above."""
        self.log = Log()
        self.epochs = Epochs(me, config, journal.epoch)
        self._me = me
        self._above = above
        self._out = out
        self._others = tuple(Address("replica", i) for i in range(config.replicas) if i != me)
        self._kept_bytes_max = config.kept_bytes_max
        self._journal = journal
        self._paxos = Paxos(
            me,
            config,
            self.log,
            out,
            journal=journal,
            epochs=self.epochs,
            announce_at_once=announce_at_once,
        )
        self._election = Election(me, config, out)
        self._laggard = Laggard(me, config, self.log, journal, out)
        self._snapshots = Snapshots(config, out, above.snapshot)
        self._recovery = Recovery(me, config, self.epochs, out)
        self._executed: list[Instance] = [0] * config.replicas
        self._concluded: Instance = 0
        self._installed = 0
        self._handlers: dict[type, Handler] = {
            Prepare: lambda sender, message, _: self._paxos.on_prepare(sender, message),
            PrepareOk: self._on_prepare_ok,
            Propose: self._on_propose,
            Accept: self._paxos.on_accept,
            Decide: self._on_decide,
            Alive: self._on_alive,
            Deaf: lambda _, message, __: self._paxos.observe_view(message.view),
            CatchUp: self._on_catch_up,
            CaughtUp: self._on_caught_up,
            Gone: self._on_gone,
            FetchSnapshot: self._on_fetch_snapshot,
            Snapshot: self._on_snapshot,
            Recover: self._on_recover,
            Recovered: self._on_recovered,
        }
        self._timers: dict[str, Callable[[float], None]] = {
            HEARTBEAT: self._on_heartbeat,
            SUSPECT: self._on_suspect,
            CATCH_UP: lambda now: self._laggard.on_timer(self.leader, now),
            RETRANSMIT: self._paxos.on_retransmit,
            SNAPSHOT: self._snapshots.on_timer,
            RECOVER: self._recovery.ask,
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
        return self.log.undecided - self.log.start == len(self.log)

    def propose(self, value: bytes, now: float) -> None:
        """Order `value`; only where `has_room`."""
        self._paxos.propose(value, now)

    def proposed_values(self) -> list[bytes]:
        """Values that this leader has proposed and that are not decided yet."""
        return self._paxos.proposed_values()

    @property
    def has_decided(self) -> bool:
        """Whether `take_decided` has something to yield."""
        return self.log.has_untaken

    def take_decided(self) -> Iterator[tuple[Instance, bytes]]:
        """Yield what is newly decided, in order."""
        return self.log.take_decided()

    def conclude(self, now: float) -> None:
        """Do what is due once a drain: tell and write down what is decided, take part again."""
        if self.is_recovering:
            self._try_take_part(now)
        elif self._paxos.is_abandoned:
            self._paxos.promote(now)
        self._paxos.announce()
        is_further = self.log.undecided > self._concluded
        if is_further:
            self._concluded = self.log.undecided
            self._election.calm_down()
        if self._journal.is_long:
            # Not after a Decided: what is written before a snapshot does not lead up to that.
            self._write_checkpoint()
        elif is_further:
            self._journal.decide(self.log.undecided)

    def restore(self, records: Iterable[AnyRecord]) -> None:
        """Before the start: take over what a former life had written (`full`)."""
        for record in records:
            match record:
                case Promise(view):
                    self._paxos.restore(view)
                case Vote(instance, view, value) if instance >= self.log.start:
                    self.log.entry(instance).accept(view, value)
                case Decided(undecided):
                    self._restore_decided(undecided)
                case Learnt(instance, value) if instance >= self.log.start:
                    self.log.decide(instance, value)
                case Checkpoint(instance, snapshot):
                    self._install(Taken(instance, 0, snapshot))
                case _:
                    pass  # Not of this layer, or older than the checkpoint.

    def _restore_decided(self, undecided: Instance) -> None:
        for instance in range(self.log.undecided, undecided):
            entry = self.log.find(instance)
            if entry is None or (entry.accepted_view < 0 and not entry.decided):
                return
            self.log.decide(instance, entry.value)

    def start(self, now: float) -> None:
        """Begin: as a replica, or with asking how far things are."""
        self._journal.start()
        if self.is_recovering:
            self._recovery.ask(now)
        else:
            self._election.start(now)

    @property
    def is_recovering(self) -> bool:
        """Whether this replica has started again and takes no part yet."""
        return self._recovery.is_under_way

    def suspect_leader(self, now: float) -> None:
        """Start this replica's own next view."""
        if not self.is_recovering:
            self._paxos.promote(now)

    def point_to_snapshot(self, replica: ReplicaId) -> None:
        """Tell a replica that what it has asked for is executed here and gone."""
        self._out.send(Address("replica", replica), Gone(self.executed))

    def gauges(self) -> dict[str, float]:
        """View, leadership, open instances, log length."""
        return {
            "view": self.view,
            "leads": float(self.leads),
            "open_instances": self.open_instances,
            "log_instances": len(self.log),
            "recovering": float(self.is_recovering),
        }

    def counts(self) -> dict[str, float]:
        """Instances decided, views begun; snapshots given whole to others, taken over from them."""
        return {
            "instances_decided": self.log.undecided,
            "views_begun": self._paxos.views_begun,
            "snapshots_given": self._snapshots.given,
            "snapshots_installed": self._installed,
        }

    # --- Events ---

    def handles(self, message: Message) -> bool:
        """Say whether `message` belongs to this layer."""
        return type(message) in self._handlers

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message of another replica."""
        if sender not in self._others:
            raise RemoteProtocolError(f"{sender} takes no part in ordering")
        if self.is_recovering and type(message) not in _HEARD_WHILE_RECOVERING:
            return
        view = self._paxos.view
        self._handlers[type(message)](sender.number, message, now)
        self._election.heard_from(sender.number, now)
        if type(message) is Recover:
            return  # Whoever asks does not lead.
        is_of_leader = sender.number == self._paxos.leader and type(message) is not Deaf
        if is_of_leader or self._paxos.view > view:
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
        self._hurry(sender)

    def _hurry(self, sender: ReplicaId) -> None:
        """As a candidate, catch up without delay: nobody leads now."""
        if self._paxos.is_candidate:
            self._laggard.hurry(sender)

    def _on_propose(self, sender: ReplicaId, message: Propose, now: float) -> None:
        self._paxos.on_propose(sender, message, now)
        self._laggard.observe(sender, message.undecided, now)

    def _on_decide(self, sender: ReplicaId, message: Decide, now: float) -> None:
        self._paxos.on_decide(sender, message)
        self._laggard.observe(sender, message.undecided, now)

    def _on_alive(self, sender: ReplicaId, message: Alive, now: float) -> None:
        self._paxos.observe_view(message.view)
        self._paxos.on_joined(sender, message.view)
        if sender == self.leader and message.view == self.view:
            self._paxos.learn_decided_below(message.view, message.undecided)
        self._laggard.observe(sender, message.undecided, now)
        self._executed[sender] = max(self._executed[sender], message.executed)
        self._truncate()

    def _truncate(self) -> None:
        self._executed[self._me] = self.executed
        self.log.truncate(min(self._executed))
        self.log.shrink(self._kept_bytes_max, self.executed)

    def _on_catch_up(self, sender: ReplicaId, message: CatchUp, _: float) -> None:
        self._laggard.on_catch_up(sender, message, self.executed)

    def _on_caught_up(self, sender: ReplicaId, message: CaughtUp, now: float) -> None:
        self._laggard.on_caught_up(sender, message, self.leader)
        self._paxos.try_lead(now)

    def _on_heartbeat(self, now: float) -> None:
        self._truncate()
        self._paxos.is_deaf = self.leader == self._me and self._election.is_deaf(now)
        if self._paxos.is_deaf:  # All others may be just as deaf, and wait for a sign.
            self._out.broadcast(self._others, Deaf(self.view))
        else:
            self._out.broadcast(self._others, Alive(self.view, self.log.undecided, self.executed))
        self._election.beat(now)

    def _on_suspect(self, now: float) -> None:
        if self._election.suspects(self.leader, now):
            self.suspect_leader(now)

    # --- Snapshots ---

    def _on_gone(self, sender: ReplicaId, message: Gone, now: float) -> None:
        if message.executed >= self.executed:
            self._snapshots.fetch(sender, now)

    def _on_fetch_snapshot(self, sender: ReplicaId, message: FetchSnapshot, _: float) -> None:
        self._snapshots.on_fetch(sender, message, self.log.start)

    def _on_snapshot(self, sender: ReplicaId, message: Snapshot, now: float) -> None:
        taken = self._snapshots.on_part(sender, message)
        if taken is not None and self._is_ahead(taken):
            self._install(taken)
            self._installed += 1
            self._journal.outdate()
            self._laggard.got_on(sender, self.leader)
            self._paxos.try_lead(now)

    def _is_ahead(self, taken: Taken) -> bool:
        return taken.instance > self.executed or taken.batches > self._above.executor.batches

    def _install(self, taken: Taken) -> None:
        self._above.install(taken)
        self.log.jump(taken.instance)
        self.executed = taken.instance

    def _write_checkpoint(self) -> None:
        taken = self._above.snapshot()
        records: list[AnyRecord] = [Checkpoint(taken.instance, taken.state), Promise(self.view)]
        for instance, entry in self.log.entries_from(taken.instance):
            if entry.accepted_view >= 0:
                records.append(Vote(instance, entry.accepted_view, entry.value))
            if entry.decided:
                records.append(Learnt(instance, entry.value))
        self._journal.rewrite([*records, *self._above.unexecuted_records()])

    # --- Return after a crash ---

    def _on_recover(self, sender: ReplicaId, message: Recover, now: float) -> None:
        if self.epochs.learn(sender, message.epoch):
            return  # Of a life that is over.
        if sender == self.leader:
            if (self._me - sender) % len(self._executed) == 1:
                self.suspect_leader(now)  # It has lost the lead; the others wait for a while.
            return
        if self.leader == self._me and not self.leads:
            return  # Does not know yet how far the log reaches.
        answer = Recovered(
            message.epoch,
            self.view,
            self._paxos.next_instance if self.leads else 0,
            self._above.holdings(),
            self.epochs.vector(),
        )
        self._out.send(Address("replica", sender), answer)

    def _on_recovered(self, sender: ReplicaId, message: Recovered, now: float) -> None:
        self.epochs.learn_all(sender, message.epochs)
        self._recovery.on_recovered(sender, message, now)

    def _try_take_part(self, now: float) -> None:
        goal = self._recovery.goal()
        if goal is None:
            return
        view, executed, held = goal
        if self.executed >= executed and self._above.holds_all(held):
            self._recovery.finish()
            self._paxos.restore(view)
            self._election.start(now)


_HEARD_WHILE_RECOVERING = {Alive, CaughtUp, Gone, Snapshot, Recovered}
