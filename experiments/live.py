"""The live backend: runs on Ray, with real actors on a running cluster or on one started here."""

import logging
import os
import warnings
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import ray

from actors.cluster import Cluster, ClusterError, Measurements
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.host import BIN_S
from experiments.runner import Measured, RunFailed
from experiments.spec import RunConfig

LOOPBACK = "127.0.0.1"

LOCAL_CPUS = 1024
"""Logical CPUs of a Ray started here: bookkeeping only, enough for any number of actors."""


class LiveBackend:
    """Carries out runs on Ray: at `address`, or on a local Ray of its own."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    def __enter__(self) -> Self:
        try:
            _connect_quietly(self._address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = self._address or "a local Ray"
            raise RunFailed(f"cannot connect to {where}: {str(error).splitlines()[0]}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ray.shutdown()

    def run(self, config: RunConfig) -> Measured:
        """Start a cluster, load it, collect, stop it; raises RunFailed."""
        try:
            with Cluster(_load_config(config), config.placement) as cluster:
                cluster.run(config.load_s)
                return measured(cluster.measurements())
        except ClusterError as error:
            raise RunFailed(str(error)) from error


def measured(measurements: Measurements) -> Measured:
    """Turn what the actors measured into tables; `experiments.results` describes them."""
    return Measured(
        outcome="ok",
        safety=measurements.safety,
        timeline=_timeline(measurements),
        latency=_latency(measurements),
        counters=_counters(measurements),
    )


def _connect_quietly(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray warns of its own future defaults; nothing that a user of this command could act upon.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Ray makes its workers give way to everything else on the machine: here they are measured.
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray.init(
            address="local",
            num_cpus=LOCAL_CPUS,
            include_dashboard=False,
            _node_ip_address=LOOPBACK,
            **quiet,
        )
    else:
        ray.init(address=address, **quiet)


def _load_config(config: RunConfig) -> LoadConfig:
    keys = LoadConfig.__struct_fields__
    return LoadConfig(**{key: getattr(config, key) for key in keys})


def _timeline(measurements: Measurements) -> pd.DataFrame:
    """One row per fleet and bin; what a client fleet did in it."""
    parts = []
    for fleet, table in measurements.latencies.items():
        bins = np.arange(len(table.completed))
        meter = measurements.meters[fleet]
        sampled = pd.DataFrame(meter.rows, columns=meter.columns).set_index("bin")
        sampled = sampled[["retried", "outstanding"]].reindex(bins, method="bfill").fillna(0)
        part = pd.DataFrame(
            {
                "fleet": fleet.number,
                "bin": bins,
                "time_s": (bins + 1) * BIN_S,
                "completed": table.completed,
                "retried": sampled["retried"].to_numpy().astype(np.int64),
                "outstanding": sampled["outstanding"].to_numpy().astype(np.int64),
                "latency_ms_sum": table.latency_sum_s * 1e3,
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _latency(measurements: Measurements) -> pd.DataFrame:
    """One row per fleet, bin and bucket that is not empty."""
    parts = [
        pd.DataFrame(
            {
                "fleet": fleet.number,
                "bin": table.bins,
                "bucket": table.buckets,
                "count": table.counts,
            }
        )
        for fleet, table in measurements.latencies.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _counters(measurements: Measurements) -> pd.DataFrame:
    """One row per actor and sample; the union of all actors' columns."""
    parts = []
    for address, meter in measurements.meters.items():
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
