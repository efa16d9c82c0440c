"""Who has voted for what: a set of replicas, valid for one view."""

from actors.core.ids import ReplicaId, View


class Votes:
    """Replicas that accepted in `view`; a vote of a higher view replaces all of a lower one."""

    __slots__ = ("_voters", "view")

    def __init__(self) -> None:
        self.view: View = -1
        self._voters = 0  # A bit per replica.

    def __len__(self) -> int:
        return self._voters.bit_count()

    def __contains__(self, replica: ReplicaId) -> bool:
        return bool(self._voters >> replica & 1)

    def add(self, view: View, replica: ReplicaId) -> None:
        """Count one vote, once; a vote of a lower view than seen before is stale and ignored."""
        if view > self.view:
            self.view = view
            self._voters = 0
        if view == self.view:
            self._voters |= 1 << replica
