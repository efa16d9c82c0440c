"""Safety verdict of a run: the replicas executed the same, and every acknowledged request once.

Works on evidence that replicas and fleets hand over at the end, so that the live and the simulated
backend are judged alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.core.executor import Executor
from actors.core.ids import ReplicaId

OK = "ok"


class Evidence:
    """What one replica executed. Arrays are indexed by client."""

    def __init__(
        self,
        host: ReplicaId,
        batches: int,
        digests: dict[int, bytes],
        executions: NDArray[np.uint32],
        last: NDArray[np.uint32],
    ) -> None:
        self.host = host
        self.batches = batches
        self.digests = digests
        """Rolling digest after so many executed batches, for those counts that are kept."""
        self.executions = executions
        """How many requests the service executed."""
        self.last = last
        """Number of the last request executed: as many, if each was executed once."""

    @classmethod
    def of(cls, host: ReplicaId, executor: Executor) -> "Evidence":
        """Take the evidence of a replica."""
        digests = executor.digests.kept()
        return cls(
            host, executor.batches, digests, executor.executions.copy(), executor.last.copy()
        )


def verdict(replicas: Sequence[Evidence], acknowledged: NDArray[np.uint32]) -> str:
    """Return "ok" or, in one line, what broke.

    `acknowledged`, shape (clients,): how many requests of each client were answered. Requests are
    numbered from 1 and sent one at a time, so a client with k answers must have had its k
    requests executed once each, and at most the next one too.
    """
    problems = [_disagreement(replicas), _lost_or_repeated(replicas, acknowledged)]
    return "; ".join(problem for problem in problems if problem) or OK


def _disagreement(replicas: Sequence[Evidence]) -> str:
    """Compare each replica with the one that executed most, where both keep a digest."""
    if not replicas:
        return "no replica is left to ask"
    longest = max(replicas, key=lambda replica: replica.batches)
    for replica in replicas:
        common = replica.digests.keys() & longest.digests.keys()
        if replica.batches not in common:
            return f"host {replica.host} lags too far behind to be compared at its end"
        differing = [n for n in common if replica.digests[n] != longest.digests[n]]
        if differing:
            return (
                f"hosts {replica.host} and {longest.host} executed differently "
                f"within the first {min(differing)} batches"
            )
    return ""


def _lost_or_repeated(replicas: Sequence[Evidence], acknowledged: NDArray[np.uint32]) -> str:
    longest = max(replicas, key=lambda replica: replica.batches, default=None)
    for replica in replicas:
        executions = replica.executions.astype(np.int64)
        if replica is longest and (lost := np.count_nonzero(executions < acknowledged)):
            return f"{lost} clients have an acknowledged request that was not executed"
        repeats = (executions != replica.last) | (executions > acknowledged + 1)
        if repeated := np.count_nonzero(repeats):
            return f"host {replica.host} executed a request of {repeated} clients more than once"
    return ""
