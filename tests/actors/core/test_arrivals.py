import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.arrivals import TICK_S, ClosedLoop, OpenLoop
from actors.core.columns import U32, U32s


def clients(*ids: int) -> U32s:
    return np.array(ids, U32)


def open_loop(rate_rps: float = 1000.0, seed: int = 1) -> OpenLoop:
    return OpenLoop(rate_rps, np.random.default_rng(seed))


# --- Closed loop --------------------------------------------------------------------------------


def test_closed_loop_clients_send_at_once_and_again_when_they_are_free() -> None:
    pace = ClosedLoop()
    pace.begin(clients(0, 1, 2), 5.0)
    due = pace.due(5.0)
    assert due.clients.tolist() == [0, 1, 2]
    assert due.since.tolist() == [5.0] * 3
    assert not len(pace.due(6.0).clients)
    pace.freed(clients(1))
    assert pace.due(7.0).clients.tolist() == [1]
    assert pace.next_at == float("inf")


# --- Open loop ----------------------------------------------------------------------------------


def test_requests_arrive_at_the_rate_that_was_asked_for_and_differ_like_a_poisson_process() -> None:
    pace = open_loop(rate_rps=1000.0)
    pace.begin(np.arange(100_000, dtype=U32), 0.0)
    since = pace.due(50.0).since
    gaps = np.diff(since)
    assert len(since) == pytest.approx(50_000, rel=0.02)
    assert gaps.mean() == pytest.approx(1e-3, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03), "as an exponential distribution has"


def test_a_request_counts_from_its_arrival_however_late_somebody_looks() -> None:
    early, late = open_loop(), open_loop()
    for pace in (early, late):
        pace.begin(np.arange(100, dtype=U32), 0.0)
    often = np.concatenate([early.due(now).since for now in np.arange(0.001, 0.0501, 0.001)])
    assert late.due(0.05).since.tolist() == often.tolist()


def test_requests_wait_for_a_client_that_is_free_and_keep_their_arrival() -> None:
    pace = open_loop()
    pace.begin(clients(7), 0.0)
    first = pace.due(0.1)
    assert first.clients.tolist() == [7]
    waiting = pace.waiting
    assert waiting > 10
    assert not len(pace.due(0.1).clients)
    pace.freed(clients(7))
    second = pace.due(0.1)
    assert second.clients.tolist() == [7]
    assert first.since[0] < second.since[0] <= 0.1
    assert pace.waiting == waiting - 1


def test_who_has_been_free_for_the_longest_sends_first() -> None:
    pace = open_loop(rate_rps=100.0)
    pace.begin(clients(0, 1, 2), 0.0)
    pace.freed(clients(3, 4))
    sent = pace.due(1.0).clients.tolist()
    assert sent == [0, 1, 2, 3, 4]


def test_it_is_asked_again_when_the_next_request_arrives_but_not_at_once() -> None:
    pace = open_loop(rate_rps=1e6)
    pace.begin(clients(0), 0.0)
    pace.due(0.01)
    assert pace.next_at == pytest.approx(0.01 + TICK_S)
    slow = open_loop(rate_rps=1.0)
    slow.begin(clients(0), 0.0)
    arrives_at = slow.next_at
    assert not len(slow.due(arrives_at - 1e-9).clients)
    assert slow.due(arrives_at).since.tolist() == [arrives_at]


@given(
    looks=st.lists(st.floats(0.0001, 0.05), min_size=1, max_size=30),
    free=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_each_request_is_sent_once_and_in_order(looks: list[float], free: int, seed: int) -> None:
    pace = open_loop(seed=seed)
    pace.begin(np.arange(free, dtype=U32), 0.0)
    now, sent, arrived = 0.0, [], 0
    for look in looks:
        now += look
        due = pace.due(now)
        assert len(due.clients) == len(due.since) == len(set(due.clients.tolist()))
        sent += due.since.tolist()
        arrived = len(sent) + pace.waiting
        pace.freed(due.clients)
    assert sent == sorted(set(sent))
    reference = open_loop(seed=seed)
    reference.begin(np.arange(100_000, dtype=U32), 0.0)
    assert arrived == len(reference.due(now).since)
