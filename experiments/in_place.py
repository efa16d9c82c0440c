"""A job's code, used where it lies: for clusters of several nodes that are all on this machine.

Ray brings the working directory of a job to each node. For that, every process of an actor begins
as another one, which imports Ray, too, and so takes half as long again to start: where all nodes
share the cores of one machine that is a second a run. The files are here already. A single node may
be the head of a cluster that has yet to grow: it is not taken for all.
"""

import json
import os
import re
import socket
from collections.abc import Sequence
from typing import Any

from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR
from ray._raylet import GcsClient  # type: ignore[attr-defined] # It publishes no types.
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined] # Nor does this.

TIMEOUT_S = 5.0

_BROUGHT = "working_dir"
_GCS = re.compile(r"[^/]+:\d+")


def use_code_in_place(address: str) -> None:
    """Have a process that is about to connect, as a job with nothing but code, do so."""
    config = json.loads(os.environ.get(RAY_JOB_CONFIG_JSON_ENV_VAR, "{}"))
    if set(_wanted(config)) != {_BROUGHT} or not _GCS.fullmatch(address):
        return
    sockets = _sockets(address)
    if len(sockets) > 1 and all_are_here(sockets):
        # Ray then has actors look where this process does.
        os.environ[RAY_JOB_CONFIG_JSON_ENV_VAR] = json.dumps({**config, "runtime_env": {}})


def _wanted(config: dict[str, Any]) -> dict[str, Any]:
    """Return what the job wants of the processes of actors."""
    return {key: value for key, value in (config.get("runtime_env") or {}).items() if value}


def _sockets(address: str) -> list[str]:
    """Return the path of the socket that each node of a cluster has on its own machine."""
    nodes = GcsClient(address=address).get_all_node_info(timeout=TIMEOUT_S).values()
    return [each.raylet_socket_name for each in nodes if each.state == GcsNodeInfo.ALIVE]


def all_are_here(sockets: Sequence[str]) -> bool:
    """Say whether nodes with these sockets are all on this machine.

    Somebody listens here at each, and no two have the same path: the first nodes of two machines
    have, as Ray names sockets after the session, which is one for the whole cluster.
    """
    return len(set(sockets)) == len(sockets) and all(map(_is_listening, sockets))


def _is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(TIMEOUT_S)
        try:
            ours.connect(path)
        except OSError:
            return False
    return True
