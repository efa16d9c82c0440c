"""The live backend: runs on Ray, with real actors on a running cluster or on one started here."""

import logging
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import grpc  # type: ignore[import-untyped] # No type information is published for it.
import numpy as np
import pandas as pd
import ray
import ray._private.worker as ray_worker
from ray._private import ray_constants
from ray._private.grpc_utils import init_grpc_channel

from actors.cluster import Cluster, Measurements
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.errors import ClusterError
from actors.faults import Timeline, parse
from actors.host import BIN_S
from actors.hosted import in_one_line
from experiments.errors import RunFailed, Terminated
from experiments.results import EVENTS_COLUMNS
from experiments.runner import Measured
from experiments.spec import RunConfig

CONNECT_TIMEOUT_S = 5.0

LOCAL_CPUS = 1024
"""Logical CPUs of a Ray started here: bookkeeping only, enough for any number of actors."""

_RAY_METHOD = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_RAY_CLIENT_METHOD = "/ray.rpc.RayletDriver/ClusterInfo"
"""What Ray answers, at either of its kinds of address, to an empty request."""

_NOT_RAY = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED)


class LiveBackend:
    """Carries out runs on Ray: at `address`, or on a local Ray of its own."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    def __enter__(self) -> Self:
        try:
            _connect_quietly(self._address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = self._address or "a local Ray"
            raise RunFailed(f"cannot connect to {where}: {' '.join(str(error).split())}") from error
        except KeyboardInterrupt:
            _disconnect()
            raise
        signal.signal(signal.SIGTERM, _terminate)  # After Ray, which has a handler that aborts.
        return self

    def __exit__(self, *_: object) -> None:
        _disconnect()

    def run(self, config: RunConfig) -> Measured:
        """Start a cluster, load it, collect, stop it; raises RunFailed."""
        try:
            with Cluster(_load_config(config), config.placement) as cluster:
                cluster.run(config.load_s, _faults(config), config.warmup_s)
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
        events=pd.DataFrame(list(measurements.events), columns=list(EVENTS_COLUMNS)),
    )


def _connect_quietly(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray warns of its own future defaults; nothing that a user of this command could act upon.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # Even so Ray prints among our output when an actor dies, and has no setting against that.
    ray_worker._worker_logs_enabled = False
    if address is None:
        # Ray makes its workers give way to everything else on the machine: here they are measured.
        os.environ.setdefault("RAY_worker_niceness", "0")
        _keep_to_loopback()
        with _ends_held_back():
            ray.init(address="local", num_cpus=LOCAL_CPUS, include_dashboard=False, **quiet)
    else:
        _check_reachable(address)
        ray.init(address=address, **quiet)


def _disconnect() -> None:
    with _ends_held_back():
        ray.shutdown()


def _terminate(*_: object) -> None:
    raise Terminated


@contextmanager
def _ends_held_back() -> Iterator[None]:
    """Hear Ctrl-C and SIGTERM afterwards only: halfway, Ray would leave processes for a minute."""
    heard = []
    before = {
        each: signal.signal(each, lambda number, _: heard.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if heard:
        raise Terminated if heard[-1] == signal.SIGTERM else KeyboardInterrupt


def _check_reachable(address: str) -> None:
    """Raise ConnectionError where nobody listens, or not Ray: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # A name that Ray knows, such as "auto", or one that it rejects at once.
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"nobody answers there: {in_one_line(error)}") from error
    options = [("grpc.enable_http_proxy", 0)]  # As Ray does.
    method = _RAY_CLIENT_METHOD if address.startswith("ray://") else _RAY_METHOD
    with init_grpc_channel(f"{host}:{port}", options) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=CONNECT_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in _NOT_RAY:
                raise ConnectionError("what answers there is not Ray") from error


def _keep_to_loopback() -> None:
    """Have a local Ray listen on the loopback interface: whoever reaches Ray can run code on it."""
    # Ray's own setting, named after the systems where it is the default. Ray reads it once, when it
    # is imported: here, and in each of the processes that it starts.
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"


def _load_config(config: RunConfig) -> LoadConfig:
    keys = LoadConfig.__struct_fields__
    return LoadConfig(**{key: getattr(config, key) for key in keys})


def _faults(config: RunConfig) -> Timeline:
    return Timeline(parse(config.faults), window_s=config.duration_s, replicas=config.replicas)


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
        outstanding = sampled["outstanding"].reindex(bins, method="bfill").fillna(0)
        part = pd.DataFrame(
            {
                "fleet": fleet.number,
                "bin": bins,
                "time_s": (bins + 1) * BIN_S,
                "completed": table.completed,
                "retried": retried.to_numpy().astype(np.int64),
                "outstanding": outstanding.to_numpy().astype(np.int64),
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
