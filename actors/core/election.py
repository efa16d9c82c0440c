"""Failure detection: every replica says that it is alive; a silent leader is suspected.

Any message of the leader counts as a heartbeat. A replica that suspects the leader starts its own
next view; the further it stands behind the leader in the rotation, the longer it waits, so that two
seldom compete. With every suspicion that leads to nothing a replica waits twice as long: messages
may take longer than it was told to wait. A leader that hears from too few to get anything decided
says so in place of its heartbeats, or it would never be suspected by those who hear it.
"""

from actors.core.config import Config
from actors.core.effects import Outbox
from actors.core.ids import ReplicaId

HEARTBEAT = "heartbeat"
SUSPECT = "suspect"

PATIENCE_MAX = 16.0
"""How many times `suspect_timeout_ms` a replica waits at most."""


class Election:
    """Says when to send a heartbeat and when to suspect the leader."""

    def __init__(self, me: ReplicaId, config: Config, out: Outbox) -> None:
        self._me = me
        self._replicas = config.replicas
        self._heartbeat_s = config.heartbeat_interval_ms / 1e3
        self._suspect_s = config.suspect_timeout_ms / 1e3
        self._out = out
        self._majority = config.majority
        self._patience = 1.0  # Grows while nothing gets decided.
        self._heard_at = 0.0
        self._heard_from_at = [0.0] * config.replicas

    def start(self, now: float) -> None:
        """Begin to beat and to listen."""
        self._heard_at = now
        self._heard_from_at = [now] * self._replicas
        if self._replicas > 1:
            self._out.set_timer(SUSPECT, now + self._suspect_s)
        self.beat(now)

    def beat(self, now: float) -> None:
        """Set the next heartbeat."""
        self._out.set_timer(HEARTBEAT, now + self._heartbeat_s)

    def heard_from(self, replica: ReplicaId, now: float) -> None:
        """Note that a replica is up."""
        self._heard_from_at[replica] = now

    def is_deaf(self, now: float) -> bool:
        """Say whether fewer than a majority have been heard from of late, this replica included."""
        self._heard_from_at[self._me] = now
        late = now - self._suspect_s
        return sum(at >= late for at in self._heard_from_at) < self._majority

    def calm_down(self) -> None:
        """Note that something was decided: from now on wait no longer than was set."""
        self._patience = 1.0

    def heard_from_leader(self, now: float) -> None:
        """Note that the leader is up."""
        self._heard_at = now

    def suspects(self, leader: ReplicaId, now: float) -> bool:
        """On expiry of SUSPECT: say whether to start a new view; sets the timer again."""
        rank = (self._me - leader) % self._replicas
        wait_s = self._suspect_s * self._patience
        deadline = self._heard_at + wait_s * (1 + 0.5 * max(0, rank - 1))
        if rank == 0 or now < deadline:
            self._out.set_timer(SUSPECT, max(deadline, now + 0.5 * self._suspect_s))
            return False
        self._heard_at = now  # Time for the new view to come about.
        self._patience = min(2 * self._patience, PATIENCE_MAX)
        self._out.set_timer(SUSPECT, now + self._suspect_s)
        return True
