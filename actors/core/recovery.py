"""The return of a replica that has forgotten its votes (`crash_model = "epoch"`, JPaxos's EpochSS).

Rules (JPaxos's technical report; docs/protocols.md gives the argument):

- Every start has its number, written down before anything is said. A replica that knows another's
  higher number counts no promise that an earlier life of it has made, and says so in its own
  promises: a majority of promises meets the majority that has answered a Recover.
- A replica that returns asks all others and takes no part until a majority has answered, the leader
  of the highest view among these answers being one of them. A leader answers once it leads: it
  knows then every instance in which the former life of the asker may have voted.
- It takes part once it has executed all instances that this leader had opened and, in S-Paxos,
  holds again what those who answered hold: among them is a holder of all that was stable.
"""

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, Instance, ReplicaId, View, leader_of
from actors.core.messages import Recover, Recovered

RECOVER = "recover"

NOBODY: frozenset[ReplicaId] = frozenset()

PATIENCE = 5
"""After how many unanswered questions what a replica had answered counts no more."""


class Epochs:
    """How often each replica has started, as far as is known here; only `epoch` needs to know."""

    def __init__(self, me: ReplicaId, config: Config, epoch: int) -> None:
        self._matter = config.crash_model == "epoch"
        self._numbers = [1] * config.replicas
        self._numbers[me] = epoch
        self._restarted: set[ReplicaId] = set()

    def __getitem__(self, replica: ReplicaId) -> int:
        return self._numbers[replica]

    def vector(self) -> list[int]:
        """Return all of them, or nothing where they do not matter."""
        return list(self._numbers) if self._matter else []

    def learn(self, replica: ReplicaId, epoch: int) -> bool:
        """Take over a number; return whether it is of an earlier life than is known already."""
        if epoch > self._numbers[replica]:
            self._numbers[replica] = epoch
            self._restarted.add(replica)
        return epoch < self._numbers[replica]

    def learn_all(self, sender: ReplicaId, epochs: list[int]) -> bool:
        """Take over what another replica knows; return whether it speaks in its present life.

        Raises RemoteProtocolError for a wrong vector.
        """
        if len(epochs) != (len(self._numbers) if self._matter else 0):
            raise RemoteProtocolError(f"replica {sender} tells {len(epochs)} epochs")
        for replica, epoch in enumerate(epochs):
            self.learn(replica, epoch)
        return not epochs or epochs[sender] == self._numbers[sender]

    def take_restarted(self) -> frozenset[ReplicaId]:
        """Return who is newly known to have started again."""
        if not self._restarted:
            return NOBODY
        restarted, self._restarted = frozenset(self._restarted), set()
        return restarted


class Answer:
    """What another replica has answered, and when last."""

    __slots__ = ("heard_at", "message")

    def __init__(self, message: Recovered, heard_at: float) -> None:
        self.message = message
        self.heard_at = heard_at


class Recovery:
    """The asking side: under way from a restart until the replica takes part again."""

    def __init__(self, me: ReplicaId, config: Config, epochs: Epochs, out: Outbox) -> None:
        self.is_under_way = config.crash_model == "epoch" and epochs[me] > 1
        self._epoch = epochs[me]
        self._replicas = config.replicas
        self._majority = config.majority
        self._interval_s = config.retransmit_timeout_ms / 1e3
        self._others = tuple(Address("replica", i) for i in range(config.replicas) if i != me)
        self._out = out
        self._answers: dict[ReplicaId, Answer] = {}

    def ask(self, now: float) -> None:
        """Ask all others, again and again."""
        if self.is_under_way:
            old = now - PATIENCE * self._interval_s
            self._answers = {r: a for r, a in self._answers.items() if a.heard_at >= old}
            self._out.broadcast(self._others, Recover(self._epoch))
            self._out.set_timer(RECOVER, now + self._interval_s)

    def on_recovered(self, sender: ReplicaId, message: Recovered, now: float) -> None:
        """Keep an answer: of one view and life the first, or the goal would move on for ever."""
        if message.epoch != self._epoch or not self.is_under_way:
            return
        known = self._answers.get(sender)
        if known is None or message.view > known.message.view:
            self._answers[sender] = Answer(message, now)
        elif message.epochs[sender] != known.message.epochs[sender]:
            self._answers[sender] = Answer(message, now)  # It has come back, and holds less.
        else:
            known.heard_at = now

    def goal(self) -> tuple[View, Instance, list[int]] | None:
        """Return the view to join, and which instances to execute and payloads to hold before."""
        if not self.is_under_way or len(self._answers) < self._majority:
            return None
        messages = [answer.message for answer in self._answers.values()]
        view = max(message.view for message in messages)
        leader = self._answers.get(leader_of(view, self._replicas))
        if leader is None or leader.message.view != view:
            return None
        origins = max(len(message.held) for message in messages)
        held = [
            max(message.held[origin] for message in messages if origin < len(message.held))
            for origin in range(origins)
        ]
        return view, leader.message.next, held

    def finish(self) -> None:
        """Take part again."""
        self.is_under_way = False
        self._answers.clear()
