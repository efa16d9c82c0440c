"""What a live run does becomes metrics that Prometheus can work with."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest
import ray.util.metrics

from actors.core import histogram
from actors.core.ids import Address
from actors.news import News, Report
from experiments.exporter import BOUNDS, METRICS, RUN_LABELS, Exporter, samples
from experiments.heard import Heard
from experiments.spec import Suite
from experiments.sweep import expand

SUITE = Suite(name="small", axes={"protocol": ["jpaxos", "spaxos"]})
RUNS = expand(SUITE)

Labels = frozenset[tuple[str, str]]


def report(*, gauges: Mapping[str, float] | None = None, **growth: float) -> Report:
    return Report(1.0, 1.5, growth, {}, dict(gauges or {}))


HOSTS = {
    Address("replica", 0): report(
        gauges={"view": 3.0, "open_instances": 2.0, "log_instances": 9.0},
        cpu_s=0.1,
        network_bytes_out=125_000.0,
    ),
    Address("coordinator", 0): report(cpu_s=0.2, network_bytes_in=62_500.0),
}
EVERYBODY = {**HOSTS, Address("fleet", 0): report(completed=500.0)}


def counted(*latencies_s: float) -> histogram.Counts:
    buckets = histogram.buckets_of(np.array(latencies_s))
    return np.bincount(buckets, minlength=histogram.BUCKETS)


def sampled(
    reports: Mapping[Address, Report], latencies: histogram.Counts
) -> dict[str, dict[Labels, float]]:
    heard = Heard(models_cpu=False)
    heard.hear(reports)
    found: dict[str, dict[Labels, float]] = defaultdict(dict)
    for metric, value, labels in samples(heard, latencies):
        assert set(labels) == set(METRICS[metric].labels), metric
        key = frozenset(labels.items())
        assert key not in found[metric], f"{metric} {labels} twice"
        found[metric][key] = value
    return found


def with_labels(**labels: str) -> Labels:
    return frozenset(labels.items())


def test_every_metric_comes_from_a_run_under_load() -> None:
    assert sampled(EVERYBODY, counted(1e-3)).keys() == METRICS.keys()


def test_a_run_is_67_time_series_and_five_more_for_each_host() -> None:
    """As docs/observe.md says: a database keeps them of each run."""
    assert sum(map(len, sampled(EVERYBODY, counted(1e-3)).values())) == 67 + 5


def test_hosts_have_their_cpu_their_bytes_and_what_their_replica_sees() -> None:
    found = sampled(EVERYBODY, counted())
    host = with_labels(host="0")
    assert found["paxoscope_throughput_rps"] == {with_labels(): 1000.0}
    assert found["paxoscope_cpu_cores"] == {host: pytest.approx(0.6)}
    assert found["paxoscope_network_bytes_per_second"] == {
        with_labels(host="0", direction="out"): 250_000.0,
        with_labels(host="0", direction="in"): 125_000.0,
    }
    assert found["paxoscope_view"] == {host: 3.0}
    assert found["paxoscope_open_instances"] == {host: 2.0}


def test_before_the_clients_are_heard_of_there_are_hosts_only() -> None:
    found = sampled(HOSTS, counted())
    assert not any("latency" in metric or "throughput" in metric for metric in found)
    assert "paxoscope_cpu_cores" in found


def test_a_host_without_a_replica_has_no_view() -> None:
    """Its replica was killed, its coordinator not yet."""
    alone = {Address("coordinator", 0): HOSTS[Address("coordinator", 0)]}
    assert not sampled(alone, counted()).keys() & {"paxoscope_view", "paxoscope_open_instances"}


def test_buckets_hold_all_that_is_as_fast_as_their_bound() -> None:
    latencies_s = np.geomspace(2e-6, 300.0, 500)
    found = sampled(EVERYBODY, counted(*latencies_s))
    buckets = found["paxoscope_latency_seconds_bucket"]
    within = [buckets[with_labels(le=bound)] for bound in BOUNDS]
    for bound, count in zip(BOUNDS, within, strict=True):
        # Bounds are written with four digits.
        assert (latencies_s < float(bound) * 0.999).sum() <= count
        assert count <= (latencies_s < float(bound) * 1.001).sum()
    assert within == sorted(within)
    assert BOUNDS[-1] == "+Inf"
    assert within[-1] == 500 == found["paxoscope_latency_seconds_count"][with_labels()]


def test_the_mean_is_within_one_percent() -> None:
    found = sampled(EVERYBODY, counted(0.001, 0.002, 0.5))
    assert found["paxoscope_latency_seconds_sum"][with_labels()] == pytest.approx(0.503, rel=0.01)


class Recorded:
    """What is set, in place of Ray's gauges."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set: dict[tuple[str, Labels], float] = {}
        recorded = self.set

        class Gauge:
            def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
                assert description
                self._name, self._keys = name, set(tag_keys)

            def set(self, value: float, tags: dict[str, str]) -> None:
                assert set(tags) == self._keys
                assert isinstance(value, int | float)  # Ray refuses others.
                recorded[self._name, frozenset(tags.items())] = value

        monkeypatch.setattr(ray.util.metrics, "Gauge", Gauge)

    def of(self, metric: str, run_id: str) -> list[float]:
        return [
            value
            for (name, labels), value in self.set.items()
            if name == metric and ("run_id", run_id) in labels
        ]


def test_metrics_say_which_run_they_are_from_and_latencies_add_up_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded, exporter = Recorded(monkeypatch), Exporter(SUITE)
    for run in RUNS:
        exporter.started(run)
        for _ in range(2):
            exporter.tell(News(EVERYBODY, counted(1e-3, 2e-3), []))
        exporter.finished(run, {})
    for run in RUNS:
        assert recorded.of("paxoscope_latency_seconds_count", run.run_id) == [4]
    of_runs = {tuple(dict(labels)[label] for label in RUN_LABELS) for _, labels in recorded.set}
    assert of_runs == {("small", run.run_id, run.config.protocol) for run in RUNS}


def test_a_run_begins_without_the_hosts_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded, exporter = Recorded(monkeypatch), Exporter(SUITE)
    exporter.started(RUNS[0])
    exporter.tell(News(EVERYBODY, counted(), []))
    exporter.started(RUNS[1])
    exporter.tell(News({}, counted(), []))
    assert recorded.of("paxoscope_cpu_cores", RUNS[0].run_id)
    assert not recorded.of("paxoscope_cpu_cores", RUNS[1].run_id)
