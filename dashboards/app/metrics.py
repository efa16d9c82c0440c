"""What can be put on an axis of the explorer, and what it is called there."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from dashboards import theme


class Metric(NamedTuple):
    """A column of `experiments.summarise.summary`."""

    title: str
    """For an axis: ends with the unit in parentheses."""
    ticks: str = theme.SI_TICKS
    is_measured: bool = True
    """Whether it has an interval over the repeats; settings have none."""


_PLAIN = theme.PLAIN_TICKS

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "throughput_rps": Metric("Throughput (requests/s)"),
        "latency_ms_p50": Metric("Latency, median (ms)", _PLAIN),
        "latency_ms_p95": Metric("Latency, 95th percentile (ms)", _PLAIN),
        "latency_ms_p99": Metric("Latency, 99th percentile (ms)", _PLAIN),
        "latency_ms_p999": Metric("Latency, 99.9th percentile (ms)", _PLAIN),
        "latency_ms_mean": Metric("Latency, mean (ms)", _PLAIN),
        "cpu_us_per_request": Metric("CPU of all hosts (\N{MICRO SIGN}s/request)", _PLAIN),
        "cpu_cores_leader_host": Metric("CPU of the leader's host (cores)", _PLAIN),
        "cpu_cores_other_hosts": Metric("CPU of another host (cores)", _PLAIN),
        "network_mbit_s_out_leader_host": Metric(
            "Network out of the leader's host (Mbit/s)", _PLAIN
        ),
        "network_mbit_s_in_leader_host": Metric("Network into the leader's host (Mbit/s)", _PLAIN),
        "in_flight": Metric("Requests in flight (count)"),
        "clients": Metric("Clients (count)", is_measured=False),
        "replicas": Metric("Replicas n (count)", _PLAIN, is_measured=False),
        "request_bytes": Metric("Request size (bytes)", is_measured=False),
        "arrival_rate_rps": Metric("Offered load (requests/s)", is_measured=False),
        "batch_bytes_max": Metric("Batch size (bytes)", is_measured=False),
        "window": Metric("Window (open instances)", _PLAIN, is_measured=False),
    }
)
