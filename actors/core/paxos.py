"""Multi-Paxos: views, the two phases, a window. It orders opaque values and knows no protocol.

Rules (Multi-Paxos as both Java systems have it; design page "Multi-Paxos ordering"):

- The leader of view v is replica v mod n. View 0 needs no first phase: nothing can have been
  accepted before it.
- A replica joins a view on any message of it and answers nothing of lower views.
- A PrepareOk speaks for the instances from its `undecided` on. A candidate first catches up until a
  majority of its promises speaks for all that it does not know decided; of that it re-proposes what
  was accepted in the highest view, fills gaps with the no-op, and only then opens new instances.
- A replica that lags so far that what it has accepted might outgrow one PrepareOk accepts no more
  until it has caught up.
- A Propose carries its leader's own vote. Replicas accept to all (`accept_to = "all"`) and each
  decides on a majority, or to the leader alone, which tells the others the first undecided
  instance: at once in a Decide, or on the next Propose or Alive.
- Safety never rests on time: timers only send again what may have been lost.
"""

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Instance, ReplicaId, View, leader_of
from actors.core.journal import Journal
from actors.core.log import Entry, Log
from actors.core.messages import Accept, Accepted, Decide, Prepare, PrepareOk, Propose
from actors.core.patience import Patience
from actors.core.recovery import Epochs

NO_OP = b""
"""Value that fills a gap; no protocol proposes it otherwise."""

RETRANSMIT = "retransmit"

ACCEPTED_BYTES = 64
"""Ample room for what a PrepareOk says of an instance beside its value."""


class Paxos:
    """One replica's part in ordering: acceptor, learner and, in its own views, leader."""

    def __init__(
        self,
        me: ReplicaId,
        config: Config,
        log: Log,
        out: Outbox,
        *,
        journal: Journal,
        epochs: Epochs,
        announce_at_once: bool,
    ) -> None:
        self.view: View = 0
        self._leading = me == 0 and journal.epoch == 1
        self._promises: dict[ReplicaId, PrepareOk] | None = None  # None unless a candidate.
        self._next: Instance = 0
        self._me = me
        self._replicas = config.replicas
        self._majority = config.majority
        self._window = config.window
        self._ahead_bytes_max = config.frame_bytes_max // 2
        self._value_bytes_max = 0  # The largest seen.
        self._log = log
        self._journal = journal
        self._epochs = epochs
        self._out = out
        self._others = tuple(Address("replica", i) for i in range(config.replicas) if i != me)
        self._accepts_to_all = config.accept_to == "all"
        self._announce_at_once = announce_at_once and not self._accepts_to_all
        self._announced: Instance = 0
        self._proposed_at: dict[Instance, float] = {}
        self._round_trip_s = 0.0
        self._retransmit_min_s = config.retransmit_timeout_ms / 1e3
        self._retransmit_set = False
        self._patience = Patience()  # As a candidate.
        self.views_begun = 0
        """How often this replica has promoted itself."""
        self.is_deaf = False
        """Whether this leader hears from too few to get anything decided: it proposes nothing."""

    # --- What the layers above ask ---

    @property
    def leader(self) -> ReplicaId:
        """Leader of the current view."""
        return leader_of(self.view, self._replicas)

    @property
    def leads(self) -> bool:
        """Whether this replica may open instances: leader, with the first phase behind it.

        Where instances are decided that it has not opened, a later view has a leader: it has just
        not heard of it yet.
        """
        return self._leading and self._next >= self._log.undecided

    @property
    def is_candidate(self) -> bool:
        """Whether this replica is in the first phase of its own view."""
        return self._promises is not None

    @property
    def is_abandoned(self) -> bool:
        """Whether the view is this replica's own, and it neither leads nor is a candidate in it.

        A former life of it has begun the view, and somebody remembers: nobody else would end it.
        """
        return self.leader == self._me and not self._leading and self._promises is None

    @property
    def next_instance(self) -> Instance:
        """As leader: nothing was accepted from this instance on, in any view so far."""
        return self._next

    @property
    def open_instances(self) -> int:
        """Instances that this leader has opened and that are not decided yet."""
        return self._next - self._log.undecided if self.leads else 0

    @property
    def has_room(self) -> bool:
        """Whether this replica leads and its window has room."""
        return self.leads and self._next - self._log.undecided < self._window

    def proposed_values(self) -> list[bytes]:
        """Values of the instances that this leader has open, in order."""
        return [
            entry.value
            for i in range(self._log.undecided, self._next)
            if (entry := self._log.find(i)) is not None
        ]

    def propose(self, value: bytes, now: float) -> None:
        """Open the next instance with `value`; only where `has_room`."""
        assert self.has_room, "the window is full, or this replica does not lead"
        assert value != NO_OP, "the empty value is the no-op"
        self._propose(self._next, value, now)

    # --- Becoming leader ---

    def promote(self, now: float) -> None:
        """Start this replica's own next view."""
        self.views_begun += 1
        view = self.view + 1
        self._enter(view + (self._me - view) % self._replicas)
        self._promises = {self._me: PrepareOk(self.view, self._log.undecided, [], [])}
        self._out.broadcast(self._others, Prepare(self.view, self._log.undecided))
        self._patience.renew()
        self._patience.ask(between_looks=self._retransmit_set)
        self._set_retransmit(now)
        self.try_lead(now)

    def on_prepare(self, sender: ReplicaId, message: Prepare) -> None:
        """Phase 1a: join the view, tell what was accepted."""
        if message.view < self.view:
            return  # A newer leader exists; its Prepare or Alive informs the sender.
        self._require_leader(sender, message.view)
        self._enter(message.view)
        accepted = self._log.accepted_from(max(message.first, self._log.undecided))
        self._out.send(
            Address("replica", sender),
            PrepareOk(self.view, self._log.undecided, accepted, self._epochs.vector()),
        )

    def on_prepare_ok(self, sender: ReplicaId, message: PrepareOk, now: float) -> None:
        """Phase 1b: collect a majority's answers."""
        self._epochs.learn_all(sender, message.epochs)
        if message.view == self.view and self._promises is not None:
            if sender not in self._promises:
                self._patience.renew()
            self._promises[sender] = message
            self.try_lead(now)

    def on_joined(self, replica: ReplicaId, view: View) -> None:
        """As a candidate, note that a replica is in a view, and reached.

        If it has not answered, what it was asked or what it has answered was lost.
        """
        if self._promises is not None and view == self.view and replica not in self._promises:
            self._patience.renew()

    def try_lead(self, now: float) -> None:
        """Lead, if this candidate knows every decision that a majority of its promises knew.

        Not all promises: who knew more may have crashed since. Where fewer knew as little, the
        catch-up under way ends in another call.
        """
        if self._promises is None:
            return
        promises = self._promises = {
            r: promise
            for r, promise in self._promises.items()
            if not self._is_forgotten(r, promise)
        }
        known = sum(promise.undecided <= self._log.undecided for promise in promises.values())
        if known < self._majority:
            return
        self._promises = None
        self._leading = True
        self._next = self._log.undecided
        learnt = self._learnt(promises)
        for instance in range(self._log.undecided, max(learnt, default=-1) + 1):
            accepted = learnt.get(instance)
            self._propose(instance, accepted.value if accepted else NO_OP, now)

    def _is_forgotten(self, replica: ReplicaId, promise: PrepareOk) -> bool:
        """Say whether who made this promise has started again since, and does not know of it."""
        return bool(promise.epochs) and promise.epochs[replica] < self._epochs[replica]

    def _learnt(self, promises: dict[ReplicaId, PrepareOk]) -> dict[Instance, Accepted]:
        own = self._log.accepted_from(self._log.undecided)
        learnt: dict[Instance, Accepted] = {accepted.instance: accepted for accepted in own}
        for promise in promises.values():
            for accepted in promise.accepted:
                best = learnt.get(accepted.instance)
                if best is None or accepted.view > best.view:
                    learnt[accepted.instance] = accepted
        return {i: accepted for i, accepted in learnt.items() if i >= self._log.undecided}

    # --- Ordering ---

    def _propose(self, instance: Instance, value: bytes, now: float) -> None:
        self._next = instance + 1
        self._proposed_at[instance] = now
        self._accept(instance, self.view, value)
        self._out.broadcast(self._others, Propose(self.view, instance, value, self._log.undecided))
        self._set_retransmit(now)
        self._record_votes(instance, self.view, (self._me,), now)

    def on_propose(self, sender: ReplicaId, message: Propose, now: float) -> None:
        """Phase 2a: accept the leader's value."""
        if message.view < self.view:
            return  # A newer leader exists; its Prepare or Alive informs the sender.
        self._require_leader(sender, message.view)
        self._enter(message.view)
        if message.instance >= self._log.undecided + self._ahead_max(message.value):
            return  # Too far behind to help: catch-up is under way.
        if message.instance >= self._log.start:
            self._accept(message.instance, message.view, message.value)
        accept = Accept(message.view, message.instance)
        if self._accepts_to_all:
            self._out.broadcast(self._others, accept)
        else:
            self._out.send(Address("replica", sender), accept)
        self._record_votes(message.instance, message.view, (sender, self._me), now)
        self.learn_decided_below(message.view, message.undecided)

    def _accept(self, instance: Instance, view: View, value: bytes) -> None:
        entry = self._log.entry(instance)
        if view > entry.accepted_view:
            self._journal.vote(instance, view, value)
        entry.accept(view, value)

    def _ahead_max(self, value: bytes) -> int:
        """Return how many instances beyond the first undecided one fit a PrepareOk."""
        self._value_bytes_max = max(self._value_bytes_max, len(value))
        fitting = self._ahead_bytes_max // (self._value_bytes_max + ACCEPTED_BYTES)
        return max(self._window, fitting)

    def on_accept(self, sender: ReplicaId, message: Accept, now: float) -> None:
        """Phase 2b: count the vote."""
        if message.view < self.view:
            return  # Votes of a view that is over prove nothing that a newer leader has not learnt.
        self._enter(message.view)
        self._record_votes(message.instance, message.view, (sender,), now)

    def on_decide(self, sender: ReplicaId, message: Decide) -> None:
        """Learn decisions from the leader (`accept_to = "leader"`)."""
        self._require_leader(sender, message.view)
        if message.view >= self.view:
            self._enter(message.view)
            self.learn_decided_below(message.view, message.undecided)

    def learn_decided_below(self, view: View, undecided: Instance) -> None:
        """Take over the decision of what was accepted in `view`, whose leader knows it decided.

        What was accepted in another view may differ from what was decided: that is catch-up's.
        """
        for instance in range(self._log.undecided, undecided):
            entry = self._log.find(instance)
            if entry is None or not (entry.decided or entry.accepted_view == view):
                return
            self._log.decide(instance, entry.value)

    def _record_votes(
        self, instance: Instance, view: View, voters: tuple[ReplicaId, ...], now: float
    ) -> None:
        if instance < self._log.start:
            return  # Executed everywhere.
        entry = self._log.entry(instance)
        for voter in voters:
            entry.votes.add(view, voter)
        if not entry.decided and entry.is_chosen(self._majority):
            self._decide(instance, entry, now)

    def _decide(self, instance: Instance, entry: Entry, now: float) -> None:
        self._log.decide(instance, entry.value)
        proposed_at = self._proposed_at.pop(instance, None)
        if proposed_at is not None:
            self._round_trip_s += 0.1 * (now - proposed_at - self._round_trip_s)

    def announce(self) -> None:
        """Tell the others what is decided, where they cannot see it for themselves."""
        if self._announce_at_once and self._leading and self._log.undecided > self._announced:
            self._announced = self._log.undecided
            self._out.broadcast(self._others, Decide(self.view, self._log.undecided))

    # --- Views and time ---

    def restore(self, view: View) -> None:
        """After a crash: go on in a view, as a follower."""
        self.view = max(self.view, view)
        self._leading = False

    def observe_view(self, view: View) -> None:
        """Join a view that somebody else is in."""
        self._enter(view)

    def _enter(self, view: View) -> None:
        if view > self.view:
            self._journal.promise(view)
            self.view = view
            self._leading = False
            self._promises = None
            self._proposed_at.clear()

    def _require_leader(self, sender: ReplicaId, view: View) -> None:
        if leader_of(view, self._replicas) != sender:
            raise RemoteProtocolError(f"replica {sender} does not lead view {view}")

    def on_retransmit(self, now: float) -> None:
        """Send again what may have been lost, to those who have not answered."""
        self._retransmit_set = False
        if self._promises is not None:
            if self._patience.look():
                silent = [other for other in self._others if other.number not in self._promises]
                self._out.broadcast(silent, Prepare(self.view, self._log.undecided))
                self._patience.ask()
        elif self._leading and not self.is_deaf:
            self._retransmit_proposals(now)
        if self._promises is not None or self._proposed_at:
            self._set_retransmit(now)

    def _retransmit_proposals(self, now: float) -> None:
        patience_s = self._retransmit_s
        for instance, proposed_at in list(self._proposed_at.items()):
            entry = self._log.find(instance)
            if entry is None or entry.decided:
                del self._proposed_at[instance]  # Learnt by catch-up.
            elif now >= proposed_at + patience_s:  # As the timer was set: floats round.
                silent = [other for other in self._others if other.number not in entry.votes]
                message = Propose(self.view, instance, entry.value, self._log.undecided)
                self._out.broadcast(silent, message)
                self._proposed_at[instance] = now

    @property
    def _retransmit_s(self) -> float:
        return max(self._retransmit_min_s, 3 * self._round_trip_s)

    def _set_retransmit(self, now: float) -> None:
        if not self._retransmit_set and self._others:
            self._retransmit_set = True
            self._out.set_timer(RETRANSMIT, now + self._retransmit_s)
