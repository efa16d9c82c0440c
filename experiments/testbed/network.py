"""Hosts with network cards and cores of their own, made of what Linux has for containers.

A host is a network namespace with a loopback and one card, `eth0`. The other end of each card is a
port of a switch: a bridge in a namespace of its own, so that nothing shows up among the machine's
own interfaces and addresses, and nobody out there reaches a host. Both ends of a card send through
a token bucket (`tbf`): what a host sends and what it receives is limited, as by a cable. Its
processes are in a control group with a quota of CPU time. As on machines apart, each host has a
monotonic clock of its own; the first by name keeps the machine's.

Everything bears the name of its network, from which alone it is found again and removed.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from experiments.errors import InputError, RunFailed
from experiments.testbed import groups

BURST_BYTES = 32 * 1024
"""What may leave a card at once: enough for a full rate with timers as they are."""

RATE_MBIT_S_MIN = 0.1
RATE_MBIT_S_MAX = 100_000.0

QUEUE_MS = 50
"""How long what waits for a card may wait there, before more of it is dropped."""

CLOCK_STEP_S = 100_000
"""By how much the monotonic clock of a host is ahead of the one before it: a day and some."""

KILL_TIMEOUT_S = 10.0

_SWITCH = "switch"
_CARD = "eth0"
_TOOLS = ("ip", "tc", "unshare")


class Limits(NamedTuple):
    """What a host can do; 0 = as much as the machine."""

    rate_mbit_s: float = 0.0
    """Sent, and received, in Mbit/s."""
    cores: float = 0.0


UNLIMITED = Limits()


class Traffic(NamedTuple):
    """What has gone through a card, in bytes, with headers from Ethernet's on."""

    sent: int
    received: int


def check_possible(limits: Limits = UNLIMITED) -> None:
    """Raise InputError where this machine or this user cannot have hosts with such limits."""
    _check("cores", limits.cores, groups.CORES_MIN, groups.CORES_MAX)
    _check("rate_mbit_s", limits.rate_mbit_s, RATE_MBIT_S_MIN, RATE_MBIT_S_MAX)
    if os.geteuid() != 0:
        raise InputError("a test bed makes network namespaces, which needs root")
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise InputError(
            f"a test bed needs {' and '.join(missing)}: install iproute2 and util-linux"
        )
    try:
        _call("unshare", "--net", "true")
    except RunFailed as error:
        raise InputError(f"a test bed makes network namespaces: {error}") from error


def _check(what: str, limit: float, least: float, most: float) -> None:
    if limit != 0 and not least <= limit <= most:  # Also what is no number.
        raise InputError(f"{what} = {limit:g}: must be from {least:g} to {most:g}, or 0")


def can_limit_cpu() -> bool:
    """Say whether a host can be kept to some cores here."""
    return groups.root() is not None


def names(pattern: str) -> set[str]:
    """Return the names of networks here, as far as they match a regular expression."""
    hosts = {namespace.rpartition(".")[0] for namespace in _namespaces()}
    root = groups.root()
    grouped = {path.name for path in root.iterdir()} if root else set()
    return {name for name in hosts | grouped if re.fullmatch(pattern, name)}


class Network:
    """A switch with hosts on it, by their names. What cannot be done raises RunFailed."""

    def __init__(self, name: str) -> None:
        self.name = name

    # --- Setting up ---

    def add_switch(self) -> None:
        """Make the switch, on which the hosts are to be."""
        self._add_namespace(_SWITCH)
        self._ip(_SWITCH, "link", "add", "name", _SWITCH, "type", "bridge")
        self._ip(_SWITCH, "link", "set", "dev", _SWITCH, "up")

    def add_host(self, host: str, address: str, limits: Limits) -> None:
        """Make a host; `address` has its length of prefix: 198.18.0.1/24."""
        self._add_namespace(host)
        namespaces = ("netns", self._namespace(host)), ("netns", self._namespace(_SWITCH))
        card, port = (_CARD, *namespaces[0]), (host, *namespaces[1])
        _call("ip", "link", "add", "name", *card, "type", "veth", "peer", "name", *port)
        self._ip(_SWITCH, "link", "set", "dev", host, "master", _SWITCH, "up")
        self._ip(host, "address", "add", address, "dev", _CARD)
        self._ip(host, "link", "set", "dev", _CARD, "up")
        self._limit(host, limits)

    def _add_namespace(self, host: str) -> None:
        _call("ip", "netns", "add", self._namespace(host))
        self._ip(host, "link", "set", "dev", "lo", "up")

    def _limit(self, host: str, limits: Limits) -> None:
        if limits.rate_mbit_s:
            for namespace, card in ((host, _CARD), (_SWITCH, host)):
                self._limit_card(namespace, card, limits.rate_mbit_s)
        if self._group is not None:
            groups.add(self._group / host, limits.cores)

    def _limit_card(self, namespace: str, card: str, rate_mbit_s: float) -> None:
        rate = ("rate", f"{rate_mbit_s * 1e6:.0f}bit")
        queue = ("burst", str(BURST_BYTES), "latency", f"{QUEUE_MS}ms")
        where = ("-netns", self._namespace(namespace), "qdisc", "add", "dev", card, "root")
        _call("tc", *where, "tbf", *rate, *queue)

    # --- Using it ---

    def hosts(self) -> list[str]:
        """Return which hosts there are."""
        return sorted(host for host in self._all() if host != _SWITCH)

    def command(self, host: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs a command on a host."""
        started = ["ip", "netns", "exec", self._namespace(host), *arguments]
        if _has_clocks() and (ahead_s := CLOCK_STEP_S * self.hosts().index(host)):
            offsets = [f"--monotonic={ahead_s}", f"--boottime={ahead_s}"]
            started = ["unshare", "--time", *offsets, "--fork", *started]
        if self._group is None or not (self._group / host).is_dir():
            return started
        # The shell moves itself, and becomes the command.
        procs = str(self._group / host / "cgroup.procs")
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', procs, *started]

    def traffic(self, host: str) -> Traffic:
        """Return what has gone through the card of a host."""
        told = self._ip(host, "-json", "-statistics", "link", "show", "dev", _CARD)
        counted = json.loads(told)[0]["stats64"]
        return Traffic(counted["tx"]["bytes"], counted["rx"]["bytes"])

    def unplug(self, host: str) -> None:
        """Pull the cable of a host out of the switch."""
        self._ip(_SWITCH, "link", "set", "dev", host, "down")

    def plug_in(self, host: str) -> None:
        """Put the cable of a host back."""
        self._ip(_SWITCH, "link", "set", "dev", host, "up")

    def processes(self, host: str) -> set[int]:
        """Return which processes run on a host."""
        found = set()
        if host in self._all():
            found |= set(map(int, _call("ip", "netns", "pids", self._namespace(host)).split()))
        if self._group is not None:
            with suppress(FileNotFoundError):
                found |= set(map(int, (self._group / host / "cgroup.procs").read_text().split()))
        return found

    def kill(self, *hosts: str) -> None:
        """Kill all processes of hosts, at once and without a warning, and wait for their end."""
        # Again, until there was none that could have started another.
        while running := set().union(*map(self.processes, hosts)):
            # None of them is to see another one end, and to tell of it.
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for process in running:
                    with suppress(ProcessLookupError):
                        os.kill(process, number)
            _wait_for_end(running)

    # --- Removing it ---

    def remove(self) -> None:
        """Kill all that runs there, and remove everything, however much of it there is."""
        grouped = self._groups()
        self.kill(*{*self._all(), *(group.name for group in grouped)})
        for host in self._all():
            _call("ip", "netns", "delete", self._namespace(host))
        for group in grouped:
            group.rmdir()
        if self._group is not None and self._group.is_dir():
            self._group.rmdir()

    # --- Names ---

    def _namespace(self, host: str) -> str:
        return f"{self.name}.{host}"

    def _all(self) -> list[str]:
        """Return the hosts and the switch, as far as they are there."""
        prefix = self._namespace("")
        found = [each for each in _namespaces() if each.startswith(prefix)]
        return [namespace.removeprefix(prefix) for namespace in found]

    @property
    def _group(self) -> Path | None:
        """The control group below which each host has one, where there can be any."""
        root = groups.root()
        return root / self.name if root else None

    def _groups(self) -> list[Path]:
        mine = self._group
        return [path for path in mine.iterdir() if path.is_dir()] if mine and mine.is_dir() else []

    def _ip(self, host: str, *arguments: str) -> str:
        return _call("ip", "-netns", self._namespace(host), *arguments)


def _has_clocks() -> bool:
    """Say whether processes can have monotonic clocks of their own here."""
    return Path("/proc/self/ns/time").exists()


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _call("ip", "netns", "list").splitlines() if line.split()]


def _wait_for_end(processes: Iterable[int]) -> None:
    """Wait until processes have ended, whoever's they are; raises RunFailed where one does not."""
    for process in processes:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process)
            ended, _, _ = select.select([descriptor], [], [], KILL_TIMEOUT_S)
            os.close(descriptor)
            if not ended:
                raise RunFailed(f"process {process} cannot be killed")


def _call(*command: str) -> str:
    """Return what a command says; raises RunFailed where it fails."""
    done = subprocess.run(  # noqa: S603 # No shell; what it is given is ours.
        command, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RunFailed(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout
