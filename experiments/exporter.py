"""Exports what a live run does as metrics of Ray, for whoever reads its Prometheus endpoints.

Actors pay nothing for it: what they report anyway becomes gauges of this process, the driver. All
metrics are gauges, the buckets of latencies, too. Ray's own histogram takes one latency a call, and
its counters stay at the endpoint for ever; a gauge leaves it a moment after it was set last, and so
does a run that has ended. Buckets that grow and have a label `le` are all that Prometheus needs to
compute rates and quantiles.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actors.core.histogram import BUCKETS, Counts, bucket_end_s, bucket_value_s
from actors.news import News
from experiments.heard import Heard, HostNow
from experiments.results import Row
from experiments.spec import Suite
from experiments.sweep import Run

if TYPE_CHECKING:  # Ray is slow to import, and not needed until somebody tells of a run on it.
    from ray.util.metrics import Gauge

RUN_LABELS = ("suite", "run_id", "protocol")
"""What every metric tells of the run that it is from."""


class Metric(NamedTuple):
    """What one metric means, and which labels it has beside those of the run."""

    description: str
    labels: tuple[str, ...] = ()


METRICS = {
    "paxoscope_throughput_rps": Metric("requests answered per second, lately"),
    "paxoscope_latency_seconds_bucket": Metric(
        "requests answered within so many seconds, since the clients began", ("le",)
    ),
    "paxoscope_latency_seconds_count": Metric("requests answered since the clients began"),
    "paxoscope_latency_seconds_sum": Metric("sum of their latencies, within 1%"),
    "paxoscope_cpu_cores": Metric("cores that a host kept busy lately", ("host",)),
    "paxoscope_network_bytes_per_second": Metric(
        "bytes that a host sent (out) or received (in) per second, lately", ("host", "direction")
    ),
    "paxoscope_view": Metric("view that a host's replica is in", ("host",)),
    "paxoscope_open_instances": Metric(
        "undecided instances that a host's replica has opened as leader", ("host",)
    ),
}
"""By the name that they are given; Ray puts `ray_` before it."""

_BUCKETS_PER_BOUND = 16
_LAST_BELOW_BOUND = np.arange(_BUCKETS_PER_BOUND - 1, BUCKETS, _BUCKETS_PER_BOUND)
# The last bucket has all that is longer, too.
BOUNDS = (*(f"{end_s:.4g}" for end_s in bucket_end_s(_LAST_BELOW_BOUND[:-1])), "+Inf")
"""Values of `le`, in seconds: eight a decade, from 1.3 microseconds to 75 seconds."""


class Sample(NamedTuple):
    """A value of a metric."""

    metric: str
    value: float
    labels: Mapping[str, str] = {}


class Exporter:
    """Sets the metrics of the runs of a suite, as far as anything is told of them."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._gauges: dict[str, Gauge] = {}
        self._labels: dict[str, str] = {}
        self._heard: Heard
        self._latencies = np.zeros(BUCKETS, np.int64)

    def started(self, run: Run) -> None:
        """Hear that `run` begins."""
        of_run = (self._suite.name, run.run_id, run.config.protocol)
        self._labels = dict(zip(RUN_LABELS, of_run, strict=True))
        self._heard = Heard(models_cpu=run.config.models_cpu)
        self._latencies = np.zeros(BUCKETS, np.int64)

    def finished(self, run: Run, row: Row) -> None:
        """Hear that `run` ended: what is set no more goes by itself."""

    def tell(self, news: News) -> None:
        """Hear what the actors of the current run have measured."""
        self._gauges = self._gauges or _new_gauges()
        self._heard.hear(news.actors)
        self._latencies += news.latencies
        for metric, value, labels in samples(self._heard, self._latencies):
            self._gauges[metric].set(value, {**self._labels, **labels})


def _new_gauges() -> "dict[str, Gauge]":
    from ray.util.metrics import Gauge  # noqa: PLC0415 # As above.

    return {
        name: Gauge(name, metric.description, RUN_LABELS + metric.labels)
        for name, metric in METRICS.items()
    }


def samples(heard: Heard, latencies: Counts) -> Iterator[Sample]:
    """Yield the metrics of a run of which that was heard lately, and these latencies in all."""
    if heard.fleets():
        yield Sample("paxoscope_throughput_rps", heard.throughput_rps())
        yield from _of_latencies(latencies)
    for host in heard.hosts():
        for metric, value, labels in _of_host(host):
            yield Sample(metric, value, {"host": str(host.host), **labels})


def _of_latencies(latencies: Counts) -> Iterable[Sample]:
    within = np.cumsum(latencies)
    sum_s = latencies @ bucket_value_s(np.arange(BUCKETS))
    yield Sample("paxoscope_latency_seconds_count", float(within[-1]))
    yield Sample("paxoscope_latency_seconds_sum", float(sum_s))
    for bound, count in zip(BOUNDS, within[_LAST_BELOW_BOUND].tolist(), strict=True):
        yield Sample("paxoscope_latency_seconds_bucket", count, {"le": bound})


def _of_host(host: HostNow) -> Iterator[Sample]:
    yield Sample("paxoscope_cpu_cores", host.cpu_cores)
    for direction, rate in (("out", host.network_bytes_s_out), ("in", host.network_bytes_s_in)):
        yield Sample("paxoscope_network_bytes_per_second", rate, {"direction": direction})
    for gauge in ("view", "open_instances"):
        if gauge in host.gauges:
            yield Sample(f"paxoscope_{gauge}", host.gauges[gauge])
