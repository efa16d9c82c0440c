"""What can be put on an axis of the explorer, and what it is called there."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from dashboards import theme
from dashboards.series import LATENCIES
from experiments.spec import RunConfig


class Metric(NamedTuple):
    """A column of `experiments.summarise.summary`."""

    title: str
    """For an axis: ends with the unit in parentheses."""
    ticks: str = theme.SI_TICKS
    is_log: bool = False
    """Whether its axis is logarithmic unless asked otherwise."""


LATENCY = "latency"
"""The metric that stands for one column a percentile."""

_PLAIN = theme.PLAIN_TICKS

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "throughput_rps": Metric("Throughput (requests/s)"),
        LATENCY: Metric("Latency (ms)", _PLAIN),
        "service_ms_p50": Metric("Service time, open loop, p50 (ms)", _PLAIN),
        "service_ms_p99": Metric("Service time, open loop, p99 (ms)", _PLAIN),
        "cpu_us_per_request": Metric("CPU of all hosts (\N{MICRO SIGN}s/request)", _PLAIN),
        "cpu_cores_leader_host": Metric("CPU of the leader's host (cores)", _PLAIN),
        "cpu_cores_other_hosts": Metric("CPU of another host (cores)", _PLAIN),
        "network_mbit_s_out_leader_host": Metric("Network out, leader's host (Mbit/s)", _PLAIN),
        "network_mbit_s_in_leader_host": Metric("Network in, leader's host (Mbit/s)", _PLAIN),
        "network_mbit_s_out_other_hosts": Metric("Network out, another host (Mbit/s)", _PLAIN),
        "network_mbit_s_in_other_hosts": Metric("Network in, another host (Mbit/s)", _PLAIN),
        "in_flight": Metric("Requests in flight (count)"),
        "lag_ms": Metric("Lag of the emulation (ms)", _PLAIN),
    }
)
"""What was measured: each has an interval over the repeats."""

_TITLED = {
    "clients": Metric("Clients (count)", is_log=True),
    "arrival_rate_rps": Metric("Offered load (requests/s)"),
    "replicas": Metric("Replicas n (count)", _PLAIN),
    "request_bytes": Metric("Request size (bytes)", is_log=True),
    "batch_bytes_max": Metric("Batch size (bytes)", is_log=True),
    "window": Metric("Window (open instances)", _PLAIN),
}

SETTINGS: Mapping[str, Metric] = MappingProxyType(
    _TITLED
    | {
        # The names of all others end with their unit.
        key: Metric(key, _PLAIN)
        for key, value in msgspec.structs.asdict(RunConfig()).items()
        if type(value) in {int, float} and key not in {*_TITLED, "seed"}
    }
)
"""What was set, as a number; what is usually swept comes first."""


def metric(key: str, percentile: str) -> tuple[str, Metric]:
    """Return the column that a metric stands for, and how its axis is drawn."""
    if key == LATENCY:
        return LATENCIES[percentile], Metric(f"Latency, {percentile} (ms)", _PLAIN)
    return key, METRICS.get(key) or SETTINGS[key]
