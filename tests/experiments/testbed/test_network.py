"""Hosts on one machine: what keeps them apart, what joins them, and that nothing is left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.errors import InputError, RunFailed
from experiments.testbed import network as network_module
from experiments.testbed.network import CLOCK_STEP_S, Limits, Network, can_limit_cpu, names
from tests.experiments.testbed import (
    PATIENCE_S,
    all_processes,
    assert_no_network_is_left,
    output,
)

pytestmark = pytest.mark.testbed

SLOW = Limits(rate_mbit_s=20.0, cores=0.2)
SENT_BYTES = 2_000_000

ADDRESSES = {"a": "198.18.0.1", "b": "198.18.0.2"}
"""Of the hosts of a network: a without limits, b slow."""

SERVE = """
import socket, sys
server = socket.create_server(("", 9))
print("ready", flush=True)
connection, (peer, _) = server.accept()
received = 0
while part := connection.recv(1 << 16):
    received += len(part)
print(peer, received)
"""

SEND = f"""
import socket, sys, time
with socket.create_connection((sys.argv[1], 9), {PATIENCE_S}) as connection:
    began_s = time.monotonic()
    connection.sendall(bytes({SENT_BYTES}))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(time.monotonic() - began_s)
"""

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 9), 0.5)"

SPIN = """
import time
began_s = time.monotonic()
while time.monotonic() < began_s + 1:
    pass
print(time.process_time())
"""


@pytest.fixture
def network(possible: None) -> Iterator[Network]:
    with _made("one") as made:
        yield made


@contextmanager
def _made(name: str) -> Iterator[Network]:
    """Have a network of two hosts, of which nothing may be left."""
    network = Network(f"paxoscope-test-{os.getpid()}-{name}")
    try:
        network.add_switch()
        network.add_host("a", f"{ADDRESSES['a']}/24", Limits())
        network.add_host("b", f"{ADDRESSES['b']}/24", SLOW)
        yield network
    finally:
        processes = all_processes(network)
        network.remove()
    assert_no_network_is_left(network, processes)


def _start(network: Network, host: str, program: str, *arguments: str) -> subprocess.Popen[str]:
    python = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(network.command(host, python), stdout=subprocess.PIPE, text=True)


def _run(network: Network, host: str, program: str, *arguments: str) -> str:
    told, _ = _start(network, host, program, *arguments).communicate(timeout=PATIENCE_S)
    return told


def _wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


@pytest.mark.parametrize(("sender", "receiver"), ["ab", "ba"])
def test_what_a_host_sends_and_what_it_receives_takes_its_time(
    network: Network, sender: str, receiver: str
) -> None:
    """Only b is slow: what it sends is held back on its card, what it receives in the switch."""
    serving = _start(network, receiver, SERVE)
    _wait_for_line(serving, "ready")
    took_s = float(_run(network, sender, SEND, ADDRESSES[receiver]))
    told, _ = serving.communicate(timeout=PATIENCE_S)
    assert told == f"{ADDRESSES[sender]} {SENT_BYTES}\n"
    at_least_s = (SENT_BYTES - network_module.BURST_BYTES) * 8 / (SLOW.rate_mbit_s * 1e6)
    assert took_s > at_least_s
    assert network.traffic(sender).sent > SENT_BYTES
    assert network.traffic(receiver).received > SENT_BYTES


def test_a_network_is_apart_from_the_machines_own(possible: None) -> None:
    """Nobody out there has a way to a host, and no address of the machine is taken."""
    shows = [("ip", "-brief", "address"), ("ip", "route", "show", "table", "all")]
    before = [output(*show) for show in shows]
    with _made("apart"):
        assert [output(*show) for show in shows] == before


def test_a_cable_that_is_pulled_out_cuts_a_host_off_until_it_is_back(network: Network) -> None:
    serving = _start(network, "a", SERVE)
    _wait_for_line(serving, "ready")
    connect = network.command("b", [sys.executable, "-c", CONNECT, ADDRESSES["a"]])
    network.unplug("a")
    assert subprocess.run(connect, capture_output=True, check=False).returncode != 0
    network.plug_in("a")
    assert subprocess.run(connect, capture_output=True, check=False).returncode == 0
    assert serving.communicate(timeout=PATIENCE_S)[0] == f"{ADDRESSES['b']} 0\n"


def test_each_host_has_a_clock_of_its_own(network: Network) -> None:
    if not Path("/proc/self/ns/time").exists():
        pytest.skip("this Linux has no namespaces of time")
    show = "import time; print(time.monotonic())"
    first_s, second_s = (float(_run(network, host, show)) for host in ("a", "b"))
    assert CLOCK_STEP_S <= second_s - first_s < CLOCK_STEP_S + PATIENCE_S


def test_a_host_has_no_more_of_the_cpu_than_its_cores(network: Network) -> None:
    if not can_limit_cpu():
        pytest.skip("there are no control groups here that limit the CPU")
    assert float(_run(network, "b", SPIN)) < 2 * SLOW.cores


def test_a_host_that_is_killed_has_no_processes_and_the_others_keep_theirs(
    network: Network,
) -> None:
    fork = "import os, time; os.fork() and print('ready', flush=True); time.sleep(1000)"
    there, elsewhere = _start(network, "b", fork), _start(network, "a", fork)
    _wait_for_line(there, "ready")
    _wait_for_line(elsewhere, "ready")
    network.kill("b")
    assert network.processes("b") == set()
    assert network.processes("a")
    assert there.wait(PATIENCE_S) != 0
    assert elsewhere.poll() is None
    network.kill("a")
    elsewhere.wait(PATIENCE_S)


def test_a_network_that_is_removed_leaves_others_as_they_are(network: Network) -> None:
    sleep = "print('ready', flush=True); import time; time.sleep(1000)"
    with _made("two") as other:
        mine = _start(network, "a", sleep)
        _wait_for_line(mine, "ready")
        others = _start(other, "a", sleep)  # At the same address.
        _wait_for_line(others, "ready")
        assert {network.name, other.name} <= names(r"paxoscope-test-.*")
    assert others.wait(PATIENCE_S) != 0
    assert mine.poll() is None
    assert network.hosts() == ["a", "b"]
    network.kill("a")
    mine.wait(PATIENCE_S)


def test_whatever_there_is_of_a_network_is_removed(possible: None) -> None:
    network = Network(f"paxoscope-test-{os.getpid()}-half")
    network.remove()
    network.add_switch()
    network.remove()
    assert_no_network_is_left(network)
    network.add_switch()
    with pytest.raises(RunFailed, match="ip -netns"):
        network.add_host("a", "no address", SLOW)
    assert network.name in names(r"paxoscope-test-.*")
    network.remove()
    assert_no_network_is_left(network)


def test_a_process_that_nobody_can_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "KILL_TIMEOUT_S", 0.0)
    with pytest.raises(RunFailed, match="cannot be killed"):
        network_module._wait_for_end([os.getpid()])


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InputError, match="needs root"):
        network_module.check_possible()


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "tc" else f"/x/{tool}")
    with pytest.raises(InputError, match="needs tc: install iproute2"):
        network_module.check_possible()


@pytest.mark.parametrize("limit", [0.05, 1e-9, 1e16, float("inf"), float("nan")])
def test_limits_that_linux_cannot_set_are_refused(limit: float) -> None:
    with pytest.raises(InputError, match=r"cores = \S+: must be from 0.1 to 1024, or 0"):
        network_module.check_possible(Limits(cores=limit))
    with pytest.raises(InputError, match=r"rate_mbit_s = \S+: must be from 0.1 to 100000, or 0"):
        network_module.check_possible(Limits(rate_mbit_s=limit))
