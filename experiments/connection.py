"""The connection to Ray: to a cluster that runs already, or to one that is started here."""

import logging
import os
import socket
import warnings
from contextlib import ExitStack
from typing import Any, Self

import grpc  # type: ignore[import-untyped] # No type information is published for it.
import ray
import ray._private.worker as ray_worker
from ray._private import ray_constants, services
from ray._private.grpc_utils import init_grpc_channel
from ray.exceptions import RayError

from actors.hosted import in_one_line
from experiments import authentication, ends, in_place, open_files
from experiments.errors import InputError, RunFailed, Terminated

CONNECT_TIMEOUT_S = 5.0

LOCAL_CPUS = 1024
"""Logical CPUs of a Ray started here: bookkeeping only, enough for any number of actors."""

_RAY_METHOD = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_RAY_CLIENT_METHOD = "/ray.rpc.RayletDriver/ClusterInfo"
"""What Ray answers, at either of its kinds of address, to an empty request."""

_NOT_RAY = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED)


class Connection:
    """The Ray at `address`, or a local one of its own, while entered.

    Entering raises RunFailed where nobody answers, and InputError where the address makes no sense
    or Ray does not let us in. Where this process is connected already, it goes on with that, and
    leaves it as it was.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if not ray.is_initialized():
            with ExitStack() as opening:
                opening.enter_context(ends.sigterm_heard())
                self._connect()
                opening.callback(_disconnect)
                self._open = opening.pop_all()
        return self

    def _connect(self) -> None:
        open_files.allow_many()  # Each actor of a run has a socket here.
        try:
            with ends.sigterm_heard():  # Once more: Ray leaves a handler that aborts.
                _connect_quietly(self._address)
        except ValueError as error:  # InputError is one.
            raise InputError(self._cannot_connect(error)) from error
        except (ConnectionError, RuntimeError, RayError) as error:
            raise RunFailed(self._cannot_connect(error)) from error
        except SystemExit as end:  # Ray has heard SIGTERM itself.
            _disconnect()
            raise Terminated from end
        except KeyboardInterrupt:
            _disconnect()
            raise

    def _cannot_connect(self, error: Exception) -> str:
        where = "a local Ray" if self._address is None else self._address
        return f"cannot connect to {where}: {' '.join(str(error).split())}"

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _connect_quietly(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray warns of its own future defaults; nothing that a user of this command could act upon.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    quiet["logging_config"] = _ActorsLog(encoding="JSON", log_level="INFO")
    # Even so Ray prints among our output when an actor dies, and has no setting against that.
    ray_worker._worker_logs_enabled = False
    if address is None:
        # Ray makes its workers give way to everything else on the machine: here they are measured.
        os.environ.setdefault("RAY_worker_niceness", "0")
        _keep_to_loopback()
        with ends.held_back():
            ray.init(address="local", num_cpus=LOCAL_CPUS, include_dashboard=False, **quiet)
    else:
        found = _find(address)
        _check_reachable(found)
        in_place.use_code_in_place(found)
        ray.init(address=found, **quiet)


class _ActorsLog(ray.LoggingConfig):
    """How actors log; Ray would have this process do so as well, at the terminal."""

    def _apply(self) -> None:
        """Leave this process as it is."""

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Arrive at actors as what Ray applies there."""
        return ray.LoggingConfig, (self.encoding, self.log_level)


def _disconnect() -> None:
    with ends.held_back():
        ray.shutdown()


def _find(address: str) -> str:
    """Return what `auto` stands for; raises ConnectionError where no Ray is found."""
    if address != "auto":
        return address
    logging.getLogger("ray").setLevel(logging.ERROR)  # It tells of others that are there.
    return str(services.get_ray_address_from_environment(address, None))


def _check_reachable(address: str) -> None:
    """Raise ConnectionError where nobody listens: Ray itself would try for minutes.

    Raises InputError where it is not Ray, or does not let us in.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # A name that Ray knows, such as "local", or one that it rejects at once.
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"nobody answers there: {in_one_line(error)}") from error
    method = _RAY_CLIENT_METHOD if address.startswith("ray://") else _RAY_METHOD
    authentication.use(authentication.DISABLED)
    answer = _ask(f"{host}:{port}", method)
    if answer == grpc.StatusCode.UNAUTHENTICATED:
        answer = _ask_with_token(f"{host}:{port}", method)
    if answer in _NOT_RAY:
        raise InputError("what answers there is not Ray")


def _ask_with_token(address: str, method: str) -> grpc.StatusCode:
    """Ask a Ray that wants a token, and go on with ours; raises InputError where it is wrong."""
    authentication.use(authentication.TOKEN)
    if not authentication.has_token():
        raise InputError(f"wants a token; {authentication.TO_BE_LET_IN}")
    answer = _ask(address, method)
    if answer == grpc.StatusCode.UNAUTHENTICATED:
        raise InputError(f"does not accept our token; {authentication.TO_BE_LET_IN}")
    return answer


def _ask(address: str, method: str) -> grpc.StatusCode:
    """Send an empty request to whoever is at host:port; return how that is answered."""
    options = [("grpc.enable_http_proxy", 0)]  # As Ray does.
    with init_grpc_channel(address, options) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=CONNECT_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def _keep_to_loopback() -> None:
    """Have a local Ray listen on the loopback interface: whoever reaches Ray can run code on it."""
    # Ray's own setting, named after the systems where it is the default. Ray reads it once, when it
    # is imported: here, and in each of the processes that it starts.
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
