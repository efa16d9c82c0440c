"""The live backend: runs on Ray, with real actors on a running cluster or on one started here."""

import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import grpc  # type: ignore[import-untyped] # No type information is published for it.
import ray
import ray._private.worker as ray_worker
from ray._private import ray_constants
from ray._private.grpc_utils import init_grpc_channel

from actors.cluster import Cluster
from actors.errors import ClusterError
from actors.faults import Timeline, parse
from actors.hosted import in_one_line
from actors.labels import Selector, parse_for_hosts
from actors.news import News
from actors.null_actor import NullCalls
from actors.place import Placement
from experiments import summarise
from experiments.errors import RunFailed, Terminated
from experiments.measured import measured
from experiments.runner import Measured
from experiments.spec import RunConfig

CONNECT_TIMEOUT_S = 5.0

LAG_MS_MAX = 1.0
"""How late hosts with limits may be on average: timers alone come up to 1 ms late."""

LOCAL_CPUS = 1024
"""Logical CPUs of a Ray started here: bookkeeping only, enough for any number of actors."""

_RAY_METHOD = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_RAY_CLIENT_METHOD = "/ray.rpc.RayletDriver/ClusterInfo"
"""What Ray answers, at either of its kinds of address, to an empty request."""

_NOT_RAY = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED)


class LiveBackend:
    """Carries out runs on Ray: at `address`, or on a local Ray of its own.

    `tell` hears what is measured while a run goes on.
    """

    def __init__(
        self, address: str | None = None, tell: Callable[[News], None] | None = None
    ) -> None:
        self._address = address
        self._tell = tell

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
            with _actors(config) as cluster:
                cluster.run(config.load_s, _faults(config), config.warmup_s, self._tell)
                return _judged(config, measured(cluster.measurements()))
        except ClusterError as error:
            raise RunFailed(str(error)) from error


def _judged(config: RunConfig, found: Measured) -> Measured:
    """Return what was measured, as invalid where the machine could not keep up with the model."""
    lags_ms = summarise.lags_ms(config, found.counters)
    if not config.is_limited or not lags_ms:
        return found
    slowest = max(lags_ms, key=lags_ms.__getitem__)
    if lags_ms[slowest] <= LAG_MS_MAX:
        return found
    reason = f"{slowest} was {lags_ms[slowest]:.1f} ms late on average, {LAG_MS_MAX:g} ms allowed"
    return found._replace(outcome=f"the machine cannot keep up with the model: {reason}")


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


def _actors(config: RunConfig) -> Cluster | NullCalls:
    if config.backend == "null_actor":
        return NullCalls(config.load_config())
    return Cluster(config.load_config(), _placement(config))


def _placement(config: RunConfig) -> Placement:
    hosts_on, fleets_on = parse_for_hosts(config.hosts_on), Selector.parse(config.fleets_on)
    return Placement(config.placement, hosts_on, fleets_on)


def _faults(config: RunConfig) -> Timeline:
    return Timeline(parse(config.faults), window_s=config.duration_s, replicas=config.replicas)
