"""Test beds, and what may be left of them."""

import subprocess
from collections.abc import Iterable

import psutil

from experiments.testbed import groups
from experiments.testbed.bed import Bed
from experiments.testbed.network import Network

PATIENCE_S = 60.0
"""How long a test waits for what must happen; reaching it is a failure."""


def output(*command: str) -> str:
    """Return what a command says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def all_processes(network: Network) -> set[int]:
    """Return what runs on the hosts of a network."""
    return {process for host in network.hosts() for process in network.processes(host)}


def assert_no_network_is_left(network: Network, processes: Iterable[int] = ()) -> None:
    """Check that there is nothing of a network, nor of processes that were there."""
    assert f"{network.name}." not in output("ip", "netns", "list")
    root = groups.root()
    assert root is None or not (root / network.name).exists()
    # Its links are gone with its namespaces if they never were elsewhere.
    assert not {"head", "host-0", "switch"} & set(output("ip", "-brief", "link").split())
    # Who has ended and is not yet asked for its exit code does no harm.
    there = psutil.process_iter(["pid", "status"])
    alive = {each.pid for each in there if each.info["status"] != psutil.STATUS_ZOMBIE}
    assert not set(processes) & alive


def assert_no_bed_is_left(bed: Bed, processes: Iterable[int] = ()) -> None:
    """Check that there is nothing of a test bed: also not of what names its folder."""
    assert_no_network_is_left(bed.network, processes)
    assert not bed.folder.exists()
    commands = [process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])]
    assert not [each for each in commands if any(f"{bed.folder}/" in word for word in each)]
