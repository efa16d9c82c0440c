"""Safety verdict of a run: the replicas executed the same, and every acknowledged request once.

Works on evidence that replicas and fleets hand over at the end, so that the live and the simulated
backend are judged alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.core.executor import Executor
from actors.core.ids import ReplicaId

OK = "ok"


@dataclass(frozen=True)
class Evidence:
    """What one replica executed. Arrays are indexed by client."""

    host: ReplicaId
    batches: int
    requests: int
    """How many commands the service executed in all."""
    digests: dict[int, bytes]
    """Rolling digest after so many executed batches, for those counts that are kept."""
    executions: NDArray[np.uint32]
    """How many requests of each client the service executed."""
    last: NDArray[np.uint32]
    """Number of the last request executed: as many, if each was executed once."""

    @classmethod
    def of(cls, host: ReplicaId, executor: Executor) -> "Evidence":
        """Take the evidence of a replica."""
        return cls(
            host,
            executor.batches,
            executor.requests,
            executor.digests.kept(),
            executor.executions.copy(),
            executor.last.copy(),
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
    if longest is not None and (lost := np.count_nonzero(longest.executions < acknowledged)):
        return f"{lost} clients have an acknowledged request that was not executed"
    for replica in replicas:
        executions = replica.executions.astype(np.int64)
        # A client that is named twice among the rows of one batch is counted once by its array.
        if executions.sum() != replica.requests or (executions > replica.last).any():
            return f"host {replica.host} executed a request more than once"
        if (executions < replica.last).any():
            return f"host {replica.host} left out a request and executed a later one"
        if (executions > acknowledged.astype(np.int64) + 1).any():
            return f"host {replica.host} executed a request that its client cannot have sent"
    return ""
