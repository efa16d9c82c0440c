"""The verdict: every way in which a run can have gone wrong is seen."""

import numpy as np
import pytest

from actors.core.columns import U32
from actors.core.executor import DIGESTS_KEPT, Executor
from actors.core.tables import LastRows
from actors.core.verdict import OK, Evidence, verdict
from tests.actors.core.wired import Echo, requests

CLIENTS = 3

Batch = list[tuple[int, int]]
RUN: list[Batch] = [[(0, 1), (1, 1)], [(2, 1), (0, 2)], [(1, 2)]]
ACKNOWLEDGED = np.array([2, 2, 1], U32)


def executed(*batches: Batch) -> Executor:
    executor = Executor(Echo(), CLIENTS)
    for batch in batches:
        executor.execute(requests(*batch))
    return executor


def judged(*executors: Executor, acknowledged: np.ndarray = ACKNOWLEDGED) -> str:
    return verdict([Evidence.of(host, each) for host, each in enumerate(executors)], acknowledged)


def forgetful(*batches: Batch, client: int) -> Executor:
    """Return an executor that has lost a client's row of the exactly-once table on its way."""
    executor = executed(*batches[:-1])
    executor.last[client] = 0
    executor.execute(requests(*batches[-1]))
    return executor


def test_a_run_where_all_executed_the_same_is_ok() -> None:
    assert judged(executed(*RUN), executed(*RUN), executed(*RUN)) == OK


def test_a_replica_may_stand_behind() -> None:
    assert judged(executed(*RUN), executed(*RUN[:1]), executed()) == OK


def test_an_unacknowledged_last_request_may_be_executed_or_not() -> None:
    assert judged(executed(*RUN), acknowledged=np.array([1, 2, 0], U32)) == OK
    assert judged(executed(*RUN[:2]), acknowledged=np.array([1, 1, 1], U32)) == OK


def test_another_order_is_seen() -> None:
    swapped = [RUN[1], RUN[0], RUN[2]]
    assert "executed differently within the first 1 batches" in judged(
        executed(*RUN), executed(*swapped)
    )


def test_another_batch_early_on_is_seen_at_a_replica_that_stands_behind() -> None:
    assert "hosts 1 and 0" in judged(executed(*RUN), executed([(0, 1)]))


def test_a_lost_acknowledged_request_is_seen() -> None:
    assert "1 clients have an acknowledged request" in judged(
        executed(*RUN), acknowledged=np.array([2, 3, 1], U32)
    )


def test_a_request_executed_twice_is_seen() -> None:
    """On any one replica, though by its number alone it could be the client's next request."""
    twice = forgetful(*RUN, [(1, 2)], client=1)
    assert twice.executions.tolist() == [2, 3, 1]
    fine = executed(*RUN, [(1, 2)])
    assert "more than once" in judged(twice, fine)
    assert "more than once" in judged(fine, twice)


def test_a_request_executed_twice_in_one_batch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the count by client, written once for both rows, cannot show it."""
    monkeypatch.setattr(LastRows, "mask", lambda _, clients: np.ones(len(clients), np.bool_))
    twice = executed(*RUN, [(1, 3), (1, 3)])
    monkeypatch.undo()
    assert twice.executions.tolist() == [2, 3, 1]
    assert judged(twice, acknowledged=np.array([2, 3, 1], U32)) == (
        "host 0 executed a request more than once"
    )


def test_a_request_left_out_is_seen() -> None:
    assert "left out a request" in judged(executed([(0, 2)]), acknowledged=np.array([1, 0, 0], U32))


def test_a_request_that_nobody_can_have_sent_is_seen() -> None:
    """A client sends its next request when the one before it was answered."""
    run = [[(0, 1)], [(0, 2)]]
    assert "cannot have sent" in judged(executed(*run), acknowledged=np.array([0, 0, 0], U32))


def test_a_replica_too_far_behind_to_compare_is_seen() -> None:
    far = [[(0, sequence)] for sequence in range(1, DIGESTS_KEPT + 10)]
    acknowledged = np.array([len(far), 0, 0], U32)
    result = judged(executed(*far), executed(*far[:5]), acknowledged=acknowledged)
    assert result == "host 1 lags too far behind to be compared at its end"


def test_every_problem_is_named() -> None:
    result = judged(executed(*RUN), executed([(0, 1)]), acknowledged=np.array([2, 2, 2], U32))
    assert "differently" in result
    assert "acknowledged" in result


def test_without_a_replica_there_is_no_verdict() -> None:
    assert verdict([], ACKNOWLEDGED) != OK


@pytest.mark.parametrize("behind", range(3))
def test_the_replica_that_executed_most_is_the_measure(behind: int) -> None:
    executors = [executed(*(RUN if host != behind else RUN[:1])) for host in range(3)]
    assert judged(*executors) == OK
