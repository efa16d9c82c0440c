"""A test bed: a Ray cluster whose nodes are hosts on this machine, with limits of their own.

The head has Ray's control plane, what a user runs, and the fleets; it has no limits. Every other
host has a node for hosts of a run, and limits. Labels of the nodes say so (`paxoscope=fleet` or
`paxoscope=host`), which is what the settings `hosts_on` and `fleets_on` ask for unless a suite says
otherwise; another one has the name of the host (`node=host-0`).

Test bed number 7 is the network `paxoscope-7` of 198.18.7.0/24 (a range for such tests alone) and
the folder /run/paxoscope-7. Whatever of it there is, is found by its number, and removed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from experiments.errors import InputError, RunFailed
from experiments.testbed import network
from experiments.testbed.network import Limits, Network

FOLDERS = Path("/run")
"""Where Linux has what is gone with a restart; a short path, for Ray has sockets in it."""

NAME = "paxoscope-"
NUMBER_MAX = 255

HEAD = "head"
RAY_PORT, JOBS_PORT = 6379, 8265

START_TIMEOUT_S = 120.0
"""How long Ray may take to start on a host: seconds, but a machine may be busy."""

NODE_CPUS = 1024
"""Logical CPUs of each node: bookkeeping only, enough for any number of actors."""

OBJECT_STORE_BYTES = 100_000_000
"""Memory that Ray takes for objects on each node: runs have none to speak of."""

_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",  # Nobody but the machine's root reaches these hosts.
    "RAY_USAGE_STATS_ENABLED": "0",
    # A local Ray that this process may have keeps to the loopback interface: these must not.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    # Ray makes its workers give way to everything else on the machine: here they are measured.
    "RAY_worker_niceness": "0",
    # Ray warns of its own future defaults; nothing that a user could act upon.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Shape(NamedTuple):
    """How many hosts with limits a test bed has, and which limits."""

    hosts: int = 3
    limits: Limits = Limits(rate_mbit_s=100.0, cores=1.0)


DEFAULT = Shape()


class Bed:
    """One test bed, by its number, whether it is there or not."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.folder = FOLDERS / f"{NAME}{number}"
        self.network = Network(self.folder.name)

    @property
    def address(self) -> str:
        """Where Ray is, for who is on the test bed."""
        return f"{self._ip(HEAD)}:{RAY_PORT}"

    @property
    def jobs_address(self) -> str:
        """Where Ray takes jobs, for who is on the test bed."""
        return f"http://{self._ip(HEAD)}:{JOBS_PORT}"

    @property
    def hosts(self) -> list[str]:
        """The hosts but for the head, in order."""
        return sorted({*self.network.hosts()} - {HEAD}, key=_index)

    # --- Coming and going ---

    def set_up(self, shape: Shape) -> None:
        """Make the hosts, and start Ray on them; raises RunFailed, with a part of it there."""
        self.network.add_switch()
        self.network.add_host(HEAD, f"{self._ip(HEAD)}/24", network.UNLIMITED)
        hosts = [f"host-{number}" for number in range(shape.hosts)]
        for host in hosts:
            self.network.add_host(host, f"{self._ip(host)}/24", shape.limits)
        self.start_ray([HEAD])
        self.start_ray(hosts)

    def start_ray(self, hosts: Collection[str]) -> None:
        """Start Ray on hosts where it does not run; raises RunFailed."""
        starts = {host: self._start_ray(host) for host in hosts}
        for host, start in starts.items():
            try:
                code = start.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired as error:
                raise RunFailed(f"{host}: Ray is not up after {START_TIMEOUT_S:g} s") from error
            if code != 0:
                raise RunFailed(f"{host}: Ray does not start: {_last_line(self._log(host))}")

    def remove(self) -> None:
        """End all that runs on it, and remove everything, however much of it there is."""
        with _undisturbed():
            self.network.remove()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- Using it ---

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs a command on the head."""
        return self.network.command(HEAD, arguments)

    def environment(self) -> Mapping[str, str]:
        """Return the environment for that: Ray's addresses there need not be told."""
        here = {"RAY_ADDRESS": self.address, "RAY_API_SERVER_ADDRESS": self.jobs_address}
        return {**os.environ, **_ENVIRONMENT, **here}

    # --- Ray ---

    def _start_ray(self, host: str) -> subprocess.Popen[bytes]:
        folder = self.folder / host
        folder.mkdir(exist_ok=True)
        is_head = host == HEAD
        options = {
            "node-ip-address": self._ip(host),
            "temp-dir": folder,
            "labels": f"paxoscope={'fleet' if is_head else 'host'},node={host}",
            "num-cpus": NODE_CPUS,
            "object-store-memory": OBJECT_STORE_BYTES,
            "include-log-monitor": False,
            **(self._only_of_the_head() if is_head else {"address": self.address}),
        }
        start = [sys.executable, "-m", "ray.scripts.scripts", "start"]
        start += ["--head"] if is_head else []
        start += [f"--{option}={value}" for option, value in options.items()]
        # Jobs run whatever `python3` is: here what has Ray.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with self._log(host).open("wb") as log:
            return subprocess.Popen(  # noqa: S603 # No shell; what it is given is ours.
                self.network.command(host, start),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_ENVIRONMENT, "PATH": path, "TMPDIR": str(folder)},
                start_new_session=True,  # Ctrl-C is for who takes the test bed down.
            )

    def _only_of_the_head(self) -> dict[str, object]:
        return {
            "port": RAY_PORT,
            "include-dashboard": True,  # Jobs are sent to it.
            "dashboard-host": self._ip(HEAD),
            "dashboard-port": JOBS_PORT,
        }

    def _log(self, host: str) -> Path:
        """Return where the start of Ray on a host leaves what it says."""
        return self.folder / f"{host}.log"

    def _ip(self, host: str) -> str:
        return f"198.18.{self.number}.{1 if host == HEAD else 2 + _index(host)}"


def new(shape: Shape = DEFAULT) -> Bed:
    """Return a test bed that is not there yet, to be of this shape: nobody else is given it.

    Raises InputError where there can be none.
    """
    network.check_possible(shape.limits)
    for number in sorted({*range(1, NUMBER_MAX + 1)} - {bed.number for bed in existing()}):
        bed = Bed(number)
        try:
            bed.folder.mkdir()
        except FileExistsError:
            continue  # Somebody else's, just now.
        return bed
    raise InputError(f"there are {NUMBER_MAX} test beds already; take some of them down")


def existing() -> list[Bed]:
    """Return the test beds of which there is anything."""
    found = {path.name for path in FOLDERS.glob(f"{NAME}*")} | network.names(f"{NAME}.*")
    numbers = {int(name.removeprefix(NAME)) for name in found if re.fullmatch(rf"{NAME}\d+", name)}
    return [Bed(number) for number in sorted(numbers)]


@contextmanager
def temporary(shape: Shape) -> Iterator[Bed]:
    """Have a test bed for a while."""
    bed = new(shape)
    try:
        bed.set_up(shape)
        yield bed
    finally:
        bed.remove()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hear neither Ctrl-C, often pressed twice, nor SIGTERM; what is called inherits that."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _index(host: str) -> int:
    """Return the number of a host that is not the head."""
    return int(host.rpartition("-")[2])


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it does not say why")
