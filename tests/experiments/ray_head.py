"""A Ray cluster of one node with a dashboard, on ports of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.actors.on_ray import PATIENCE_S

BIN = Path(sys.executable).parent


class Head(NamedTuple):
    """A cluster, and where its parts are."""

    address: str
    folder: Path

    def alive(self) -> list[str]:
        """Return the classes of the actors that live there."""
        with urllib.request.urlopen(f"{self.address}/api/v0/actors", timeout=PATIENCE_S) as answer:  # noqa: S310
            actors = json.load(answer)["data"]["result"]["result"]
        return [each["class_name"] for each in actors if each["state"] != "DEAD"]

    def logs_bytes(self) -> int:
        """Return the size of what fetching jobs have left in Ray's logs."""
        logs = self.folder.glob("ray/session_latest/logs/job-driver-paxoscope-fetch-*")
        return sum(path.stat().st_size for path in logs)

    def wait_until_nobody_is_alive(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while alive := self.alive():
            assert time.monotonic() < deadline_s, alive
            time.sleep(0.1)


@contextmanager
def head() -> Iterator[Head]:
    """Start a cluster; at the end, end its processes and no others."""
    gcs, dashboard, client, agent = _free_ports(4)
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(
        prefix="px-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        process = subprocess.Popen(
            [
                *(str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
                *("--node-ip-address=127.0.0.1", "--num-cpus=64", f"--temp-dir={folder}/ray"),
                *(f"--port={gcs}", f"--dashboard-port={dashboard}"),
                *(f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"),
            ],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield Head(_answering(f"http://127.0.0.1:{dashboard}", process), Path(folder))
        finally:
            _end(psutil.Process(process.pid))


def environment() -> dict[str, str]:
    """Return the variables of a shell in which this project's environment is active."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": ""}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def _answering(address: str, process: subprocess.Popen[bytes]) -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError):
            urllib.request.urlopen(f"{address}/api/version", timeout=1).close()  # noqa: S310
            return address
        assert process.poll() is None, "Ray has ended"
        assert time.monotonic() < deadline_s, "Ray does not answer"
        time.sleep(0.1)


def _end(ray: psutil.Process) -> None:
    family = [ray, *ray.children(recursive=True)]
    ray.terminate()
    _, left = psutil.wait_procs(family, PATIENCE_S)
    for each in left:
        each.kill()
    psutil.wait_procs(left, PATIENCE_S)
