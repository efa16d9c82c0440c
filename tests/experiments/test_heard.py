"""What actors report becomes what their hosts and clients do now."""

import pytest

from actors.core.ids import Address
from actors.news import Report
from experiments.heard import Heard


def report(gauges: dict[str, float], **growth: float) -> Report:
    return Report(1.0, 1.5, growth, {}, gauges)


def test_a_host_is_its_replica_and_its_coordinator_together() -> None:
    heard = Heard(models_cpu=False)
    heard.hear(
        {
            Address("replica", 1): report({"view": 4.0}, cpu_s=0.1, network_bytes_out=10.0),
            Address("coordinator", 0): report({}, cpu_s=0.4),
            Address("coordinator", 1): report({"unstable_batches": 2.0}, network_bytes_in=7.0),
            Address("fleet", 0): report({"outstanding": 3.0}, completed=5.0, cpu_s=9.0),
        }
    )
    first, second = heard.hosts()
    assert (first.host, first.cpu_cores, first.gauges) == (0, pytest.approx(0.8), {})
    assert second == (1, pytest.approx(0.2), 20.0, 14.0, {"view": 4.0, "unstable_batches": 2.0})
    assert heard.throughput_rps() == 10.0


def test_where_cpu_is_modelled_a_host_without_work_is_idle() -> None:
    """Whatever the machine is busy with."""
    heard = Heard(models_cpu=True)
    heard.hear(
        {
            Address("replica", 0): report({}, cpu_s=0.4, modelled_cpu_s=0.0),
            Address("replica", 1): report({}, cpu_s=0.4),
            Address("replica", 2): report({}, cpu_s=0.4, modelled_cpu_s=0.1),
        }
    )
    assert [host.cpu_cores for host in heard.hosts()] == [0.0, 0.0, pytest.approx(0.2)]


def test_who_was_heard_of_late_is_left_out() -> None:
    heard = Heard(models_cpu=False)
    heard.hear({Address("replica", 0): Report(4.0, 4.4, {}, {}, {})})
    heard.hear({Address("fleet", 0): Report(2.4, 2.5, {}, {}, {})})
    assert not heard.fleets()
