"""Budgets: 8 Mbit/s is a byte in a microsecond, so 1,000 bytes take a millisecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.config import Limits
from actors.model.budget import Budget, cells_needed
from actors.model.cells import PrivateCells

ROUNDING_S = 1e-9


def budget(**limits: float) -> Budget:
    made = Limits(**{"egress_mbit_s": 8.0, "ingress_mbit_s": 8.0, **limits})
    return Budget(made, PrivateCells(cells_needed(made)))


def test_everything_takes_its_turn() -> None:
    host = budget()
    assert host.put_out(0.0, 0.0, 1000) == pytest.approx(0.001)
    assert host.put_out(0.0, 0.0, 500) == pytest.approx(0.0015)
    assert host.put_out(1.0, 0.0, 500) == pytest.approx(1.0005)


def test_what_leaves_takes_cpu_first() -> None:
    assert budget().put_out(0.0, 0.002, 1000) == pytest.approx(0.003)


def test_what_arrives_takes_no_cpu_before_it_is_there() -> None:
    """A core that is idle until then is anybody's."""
    host = budget()
    assert host.take_in(0.0, 1000) == pytest.approx(0.001)
    assert host.work(0.0, 0.0005) == pytest.approx(0.0005)
    assert host.work(0.001, 0.002) == pytest.approx(0.003)


def test_both_directions_of_the_nic_are_independent_and_share_the_cpu() -> None:
    host = budget()
    host.put_out(0.0, 0.0, 1000)
    assert host.take_in(0.0, 1000) == pytest.approx(0.001)
    assert host.put_out(0.0, 0.005, 0) == pytest.approx(0.005)
    assert host.work(host.take_in(0.0, 0), 0.005) == pytest.approx(0.010)


def test_an_idle_path_costs_a_frame_one_transmission() -> None:
    """Bytes pass the sender's NIC and the receiver's at the same time."""
    sender, receiver = budget(), budget()
    left_at = sender.put_out(1.0, 0.0, 1000)
    arrived_at = receiver.take_in(left_at - receiver.leaving_s(1000), 1000)
    assert arrived_at == pytest.approx(left_at) == pytest.approx(1.001)


def test_a_slower_ingress_takes_its_time() -> None:
    sender, receiver = budget(), budget(ingress_mbit_s=4.0)
    left_at = sender.put_out(0.0, 0.0, 1000)
    assert receiver.take_in(left_at - receiver.leaving_s(1000), 1000) == pytest.approx(0.002)


def test_two_senders_share_a_busy_ingress() -> None:
    """Both frames come at once: the second needs another transmission."""
    one, other, receiver = budget(), budget(), budget()
    arrivals = [
        receiver.take_in(left_at - receiver.leaving_s(1000), 1000)
        for left_at in (one.put_out(0.0, 0.0, 1000), other.put_out(0.0, 0.0, 1000))
    ]
    assert arrivals == pytest.approx([0.001, 0.002])


def test_what_has_no_limit_takes_no_time() -> None:
    host = budget(egress_mbit_s=0.0, ingress_mbit_s=0.0)
    assert host.put_out(3.0, 0.0, 10**9) == 3.0
    assert host.take_in(3.0, 10**9) == 3.0
    assert host.work(3.0, 0.0) == 3.0


def test_work_goes_to_the_core_that_is_free_first() -> None:
    host = budget(modelled_cores=2)
    assert [host.work(0.0, cpu_s) for cpu_s in (3.0, 1.0, 1.0, 1.0)] == [3.0, 1.0, 2.0, 3.0]
    assert host.work(0.0, 1.0) == 4.0


def test_two_budgets_over_the_same_cells_are_one() -> None:
    limits = Limits(egress_mbit_s=8.0)
    cells = PrivateCells(cells_needed(limits))
    replica, coordinator = Budget(limits, cells), Budget(limits, cells)
    assert replica.put_out(0.0, 0.001, 1000) == pytest.approx(0.002)
    assert coordinator.put_out(0.0, 0.001, 1000) == pytest.approx(0.003)


@given(late_s=st.lists(st.floats(0, 0.001), min_size=1, max_size=200))
def test_whoever_asks_late_loses_nothing_while_something_waits(late_s: list[float]) -> None:
    """Always one frame in hand, the next asked for up to a frame's time too late."""
    host = budget()
    host.put_out(0.0, 0.0, 1000)
    ends_at = host.put_out(0.0, 0.0, 1000)
    for each_s in late_s:
        ends_at = host.put_out(ends_at - 0.001 + each_s, 0.0, 1000)
    assert ends_at == pytest.approx((len(late_s) + 2) * 0.001, abs=ROUNDING_S)


@given(
    asked=st.lists(st.tuples(st.floats(0, 0.003), st.integers(0, 3000)), min_size=1, max_size=50),
    kind=st.sampled_from(["work", "put out", "take in"]),
)
def test_a_resource_is_never_faster_than_its_rate_nor_idle_while_something_waits(
    asked: list[tuple[float, int]], kind: str
) -> None:
    """Pieces of work end in order; each takes its own time, and begins as soon as it can."""
    host, now, ended_at = budget(), 0.0, 0.0
    for after_s, size in asked:
        now += after_s
        takes_s = size * 1e-6
        match kind:
            case "work":
                ends_at = host.work(now, takes_s)
            case "put out":
                ends_at = host.put_out(now, 0.0, size)
            case _:
                ends_at = host.take_in(now, size)
        expected = max(now, ended_at) + takes_s
        assert ends_at == pytest.approx(expected if takes_s or kind != "work" else now)
        ended_at = max(ended_at, ends_at)


@given(
    asked=st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 3)), min_size=1, max_size=50),
    cores=st.integers(1, 4),
)
def test_cores_do_no_more_than_they_can_in_any_interval(
    asked: list[tuple[float, float]], cores: int
) -> None:
    host, now, pieces = budget(modelled_cores=cores), 0.0, []
    for after_s, cpu_s in asked:
        now += after_s
        ends_at = host.work(now, cpu_s)
        assert ends_at >= now + cpu_s - ROUNDING_S
        pieces.append((ends_at - cpu_s, ends_at))
    for begins_at, _ in pieces:
        at_once = sum(begin <= begins_at < end - ROUNDING_S for begin, end in pieces)
        assert at_once <= cores
