"""Catch-up: a replica that stays behind asks another, preferably not the leader, for decisions.

Being behind for a moment is normal, and so is being behind for longer while decisions come in: they
may have waited somewhere. A replica that has come no further in a delay, and not to what it knew to
be decided before, has missed something and asks. One question is under way at a time.
"""

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.ids import Address, Instance, ReplicaId
from actors.core.journal import Journal
from actors.core.log import Log
from actors.core.messages import CatchUp, CaughtUp, Gone
from actors.core.patience import ANSWER_BYTES, Patience

CATCH_UP = "catch_up"


class Laggard:
    """Asks for, and answers with, missed decisions."""

    def __init__(
        self, me: ReplicaId, config: Config, log: Log, journal: Journal, out: Outbox
    ) -> None:
        self._me = me
        self._log = log
        self._journal = journal
        self._out = out
        self._delay_s = config.catch_up_delay_ms / 1e3
        self._known: list[Instance] = [0] * config.replicas
        self._goal: Instance = 0
        self._reached: Instance = 0  # At the last look.
        self._timer_set = False
        self._patience = Patience()

    def observe(self, replica: ReplicaId, undecided: Instance, now: float) -> None:
        """Note that `replica` knows every decision below `undecided`."""
        self._known[replica] = max(self._known[replica], undecided)
        if undecided > self._log.undecided and not self._timer_set:
            self._wait(now)

    def on_timer(self, leader: ReplicaId, now: float) -> None:
        """Ask, unless the decisions come by themselves."""
        self._timer_set = False
        if self._log.undecided > self._reached:
            self._patience.renew()
        elif self._patience.look():
            self._ask(self._next_in_ring(leader))
        if self._log.undecided < max(self._known):
            self._wait(now)

    def _next_in_ring(self, leader: ReplicaId) -> ReplicaId:
        """Return the next one in the ring who knows more, and after vain asking another.

        The leader comes last, but it comes: nobody else who knows more may be up.
        """
        ahead = [r for r, known in enumerate(self._known) if known > self._log.undecided]
        ahead.sort(key=lambda r: (r == leader, (r - self._me) % len(self._known)))
        return ahead[self._patience.asked % len(ahead)]

    def _ask(self, replica: ReplicaId, *, between_looks: bool = False) -> None:
        question = CatchUp(self._log.undecided, self._known[replica])
        self._out.send(Address("replica", replica), question)
        self._patience.ask(between_looks=between_looks)

    def hurry(self, replica: ReplicaId) -> None:
        """Ask a replica now for all that is known, unless a question is under way."""
        self._goal = max(self._known)
        if not self._patience.asked and self._known[replica] > self._log.undecided:
            self._ask(replica, between_looks=True)

    def on_catch_up(self, sender: ReplicaId, message: CatchUp, executed: Instance) -> None:
        """Answer with decided values, as many as fit one answer, or point to a snapshot."""
        if message.first < self._log.start:
            self._out.send(Address("replica", sender), Gone(executed))
        else:
            values = self._log.decided_values(message.first, message.last, ANSWER_BYTES)
            if values:
                self._out.send(Address("replica", sender), CaughtUp(message.first, values))

    def on_caught_up(self, sender: ReplicaId, message: CaughtUp, leader: ReplicaId) -> None:
        """Take the decisions; ask for more at once where there is more."""
        before = self._log.undecided
        for instance, value in enumerate(message.values, message.first):
            if instance >= self._log.undecided:
                self._log.decide(instance, value)
                self._journal.learn(instance, value)
        if before < self._log.undecided:
            self.got_on(sender, leader)

    def got_on(self, sender: ReplicaId, leader: ReplicaId) -> None:
        """Ask for more where what has come is not all: who has answered, if it knows more."""
        self._patience.renew()
        if self._log.undecided < self._goal:
            knows_more = self._known[sender] > self._log.undecided
            replica = sender if knows_more else self._next_in_ring(leader)
            self._ask(replica, between_looks=True)

    def _wait(self, now: float) -> None:
        self._timer_set = True
        self._goal = max(self._known)
        self._reached = self._log.undecided
        self._out.set_timer(CATCH_UP, now + self._delay_s)
