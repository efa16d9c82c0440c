"""A Ray cluster with a dashboard, of one node or more, on ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.actors.on_ray import PATIENCE_S

BIN = Path(sys.executable).parent


class Head(NamedTuple):
    """A cluster, and where its parts are."""

    address: str
    folder: Path
    gcs: str
    """Where drivers connect to."""
    client: str
    """Where Ray clients connect to."""
    metrics: str
    """Where Prometheus would read."""
    process: psutil.Process
    """What started all others of it."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the node."""
        for each in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # Some end with others.
                each.send_signal(number)

    def nodes(self) -> int:
        """Return how many nodes the cluster has now."""
        nodes = self._ask("/api/v0/nodes")["data"]["result"]["result"]
        return sum(each["state"] == "ALIVE" for each in nodes)

    def alive(self) -> list[str]:
        """Return the classes of the actors that live there."""
        actors = self._ask("/api/v0/actors")["data"]["result"]["result"]
        return [each["class_name"] for each in actors if each["state"] != "DEAD"]

    def jobs(self) -> dict[str, str]:
        """Return the status of every job that was submitted there."""
        jobs = self._ask("/api/jobs/")  # Drivers that connected by themselves have no such name.
        return {each["submission_id"]: each["status"] for each in jobs if each["submission_id"]}

    def logs_bytes(self, of: str) -> int:
        """Return the size of what jobs whose names begin so have left in Ray's logs."""
        logs = self.folder.glob(f"ray/session_latest/logs/job-driver-{of}*")
        return sum(path.stat().st_size for path in logs)

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE_S) as answer:  # noqa: S310
            return json.load(answer)

    def wait_until_nobody_is_alive(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while alive := self.alive():
            assert time.monotonic() < deadline_s, alive
            time.sleep(0.1)


@contextmanager
def head(token: str = "") -> Iterator[Head]:
    """Start a cluster, which may want a token; at the end, end its processes and no others."""
    gcs, dashboard, client, agent, metrics = _free_ports(5)
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(
        prefix="px-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        ports = (
            f"--port={gcs}",
            f"--dashboard-port={dashboard}",
            f"--ray-client-server-port={client}",
            f"--dashboard-agent-listen-port={agent}",
            f"--metrics-export-port={metrics}",
        )
        with _started("--head", f"--temp-dir={folder}/ray", *ports, token=token) as process:
            address = f"http://127.0.0.1:{dashboard}"
            _wait_until(lambda: _answers(address), process)
            started = Head(
                address=address,
                folder=Path(folder),
                gcs=f"127.0.0.1:{gcs}",
                client=f"ray://127.0.0.1:{client}",
                metrics=f"http://127.0.0.1:{metrics}/metrics",
                process=psutil.Process(process.pid),
            )
            if not token:
                _wait_until(lambda: started.nodes() > 0, process)
            yield started


@contextmanager
def further_node(head: Head) -> Iterator[None]:
    """Start one more node of the cluster, on the same machine; one at a time, or ports collide."""
    agent, metrics = _free_ports(2)
    ports = (f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}")
    before = head.nodes()
    with _started(f"--address={head.gcs}", *ports) as process:
        _wait_until(lambda: head.nodes() > before, process)
        yield


@contextmanager
def _started(*options: str, token: str = "") -> Iterator[subprocess.Popen[bytes]]:
    common = ("--block", "--disable-usage-stats", "--node-ip-address=127.0.0.1", "--num-cpus=64")
    process = subprocess.Popen(
        [str(BIN / "ray"), "start", *common, *options],
        env=environment(token),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    ray = psutil.Process(process.pid)
    try:
        yield process
    finally:
        _end(ray)


def environment(token: str = "") -> dict[str, str]:
    """Return the variables of a shell in which this project's environment is active."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    auth = auth if token else {"RAY_AUTH_MODE": "disabled"}
    return os.environ | {"PATH": path, "PYTHONPATH": ""} | auth


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def _answers(address: str) -> bool:
    with suppress(OSError):
        urllib.request.urlopen(f"{address}/api/authentication_mode", timeout=1).close()  # noqa: S310
        return True
    return False


def _wait_until(is_so: Callable[[], bool], ray: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert ray.poll() is None, "Ray has ended"
        assert time.monotonic() < deadline_s, "Ray does not answer"
        time.sleep(0.1)


def _end(ray: psutil.Process) -> None:
    if not ray.is_running():  # It has ended by itself.
        return
    family = [ray, *ray.children(recursive=True)]
    ray.terminate()
    _, left = psutil.wait_procs(family, PATIENCE_S)
    for each in left:
        each.kill()
    psutil.wait_procs(left, PATIENCE_S)
