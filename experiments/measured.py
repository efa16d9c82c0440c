"""What the hosts of a run measured, as tables; `experiments.results` describes them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from actors.core.histogram import LatencyTable
from actors.core.ids import Address
from actors.host import BIN_S
from actors.measurements import Measurements
from experiments.results import EVENTS_COLUMNS, LATENCY_COLUMNS
from experiments.runner import Measured


def measured(measurements: Measurements) -> Measured:
    """Turn what the actors measured into tables; `experiments.results` describes them."""
    return Measured(
        outcome="ok",
        safety=measurements.safety,
        timeline=_timeline(measurements),
        latency=_latency(measurements.latencies),
        service=_latency(measurements.services),
        counters=_counters(measurements),
        events=pd.DataFrame(list(measurements.events), columns=list(EVENTS_COLUMNS)),
        nodes=measurements.nodes,
    )


def _timeline(measurements: Measurements) -> pd.DataFrame:
    """One row per fleet and bin; what a client fleet did in it."""
    parts = []
    meters = dict(measurements.meters)  # A fleet has one life.
    for fleet, table in measurements.latencies.items():
        bins = np.arange(len(table.completed))
        meter = meters[fleet]
        sampled = pd.DataFrame(meter.rows, columns=meter.columns)
        sampled.index = sampled["bin"].astype(np.int64) - 1  # The bin that a sample closes.
        retried = sampled["retried"].reindex(bins, fill_value=0)
        gauges = sampled[["outstanding", "waiting"]].reindex(bins, method="bfill").fillna(0)
        part = pd.DataFrame(
            {
                "fleet": fleet.number,
                "bin": bins,
                "time_s": (bins + 1) * BIN_S,
                "completed": table.completed,
                "retried": retried.to_numpy().astype(np.int64),
                "outstanding": gauges["outstanding"].to_numpy().astype(np.int64),
                "waiting": gauges["waiting"].to_numpy().astype(np.int64),
                "latency_ms_sum": table.latency_sum_s * 1e3,
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _latency(latencies: Mapping[Address, LatencyTable]) -> pd.DataFrame:
    """One row per fleet, bin and bucket that is not empty."""
    if not latencies:
        return pd.DataFrame(columns=list(LATENCY_COLUMNS))
    parts = [
        pd.DataFrame(
            {
                "fleet": fleet.number,
                "bin": table.bins,
                "bucket": table.buckets,
                "count": table.counts,
            }
        )
        for fleet, table in latencies.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _counters(measurements: Measurements) -> pd.DataFrame:
    """One row per actor and sample; the union of all actors' columns."""
    parts = []
    for address, meter in measurements.meters:
        part = pd.DataFrame(meter.rows, columns=meter.columns)
        part.insert(0, "actor", str(address))
        part.insert(1, "role", address.role)
        part.insert(2, "host", _host_of(address))
        parts.append(part)
    counters = pd.concat(parts, ignore_index=True)
    counters["bin"] = counters["bin"].astype(np.int64)
    return counters


def _host_of(address: Address) -> int:
    return -1 if address.role == "fleet" else address.number
