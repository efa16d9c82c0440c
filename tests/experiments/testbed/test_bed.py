"""A Ray cluster of several hosts on one machine, and what only such a cluster can show."""

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from experiments import results
from experiments.errors import InputError, RunFailed
from experiments.testbed import bed as beds
from experiments.testbed.bed import Bed, Shape
from tests.experiments.test_live import Command
from tests.experiments.testbed import PATIENCE_S, all_processes, assert_no_bed_is_left

pytestmark = [pytest.mark.testbed, pytest.mark.ray, pytest.mark.timeout(400)]

CUT_S = 1.5
"""How long a cable is out: long enough to lose much, and for TCP to notice nothing."""

RATE_MBIT_S = Shape().limits.rate_mbit_s

# Requests so big that the network is the limit, and not the CPU that all hosts share here.
BIG = """
[base]
clients = 120
request_bytes = 8192
batch_bytes_max = 131_072
dissemination_batch_bytes_max = 131_072
placement = "strict_spread"
warmup_s = 1.0
duration_s = 3.0
[axes]
protocol = ["jpaxos", "spaxos"]
"""


class Sweep:
    """`paxoscope run` on a test bed, with settings put over that suite."""

    def __init__(self, bed: Bed, folder: Path, overrides: Sequence[str]) -> None:
        suite = folder / "big.toml"
        suite.write_text(BIG)
        self._out = folder / "out"
        self.command = Command(
            *("run", str(suite), "--address", "auto", "--out", str(self._out), "--no-report"),
            *(word for override in overrides for word in ("--set", override)),
            program=bed.command([sys.executable, "-m", "experiments"]),
            environment=bed.environment(),
        )

    def rows(self) -> pd.DataFrame:
        """Wait for its end; return its runs in their order, by protocol."""
        ended = self.command.ended()
        assert "Traceback" not in ended.out + ended.err
        return results.runs(self._out).set_index("protocol")


@contextmanager
def _sweep(bed: Bed, folder: Path, *overrides: str) -> Iterator[Sweep]:
    sweep = Sweep(bed, folder, overrides)
    try:
        yield sweep
    finally:
        sweep.command.kill()


def _wait_for_load(bed: Bed, host: str) -> None:
    """Wait until a host receives so much that it can only be requests."""
    before = bed.network.traffic(host).received
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if bed.network.traffic(host).received > before + 5e6:
            return
    raise AssertionError(f"{host} has no load")


def test_spaxos_beats_jpaxos_where_the_network_is_the_limit(bed: Bed, tmp_path: Path) -> None:
    """JPaxos's leader sends every request twice; in S-Paxos everybody sends two thirds of them."""
    with _sweep(bed, tmp_path) as sweep:
        rows = sweep.rows()
    assert set(rows["outcome"]) == set(rows["safety"]) == {"ok"}
    assert set(rows["profile"]) == {"none"}  # Nothing is modelled.
    jpaxos, spaxos = rows.loc["jpaxos"], rows.loc["spaxos"]
    # What waits in a card and its socket at the start of the window may count twice.
    assert jpaxos["network_mbit_s_out_leader_host"] < 1.15 * RATE_MBIT_S
    assert spaxos["throughput_rps"] > 1.3 * jpaxos["throughput_rps"]


def test_labels_say_where_each_host_lives(bed: Bed, tmp_path: Path) -> None:
    before = {host: bed.network.traffic(host).sent for host in bed.hosts}
    where = "hosts_on=node=host-1; node=host-2; node=host-0"
    with _sweep(bed, tmp_path, "protocol=jpaxos", "duration_s=1.0", where) as sweep:
        assert set(sweep.rows()["outcome"]) == {"ok"}
    sent = {host: bed.network.traffic(host).sent - before[host] for host in bed.hosts}
    # The leader, replica 0, sends to the others, who have little to say.
    assert sent["host-1"] > 5 * max(sent["host-0"], sent["host-2"])


SMALL = """
[base]
clients = 8
protocol = "spaxos"
placement = "strict_spread"
warmup_s = 0.1
duration_s = 0.3
cooldown_s = 0.0
"""


def test_a_job_runs_on_several_hosts_and_its_results_come_home(bed: Bed, tmp_path: Path) -> None:
    """Where jobs are sent to need not be said there; and nothing is installed that is there."""
    suite, home = tmp_path / "small.toml", tmp_path / "home"
    suite.write_text(SMALL)
    command = Command(
        *("submit", str(suite), "--follow", f"--kept-in={bed.folder}", f"--out={home}"),
        program=bed.command([sys.executable, "-m", "experiments"]),
        environment=bed.environment(),
    )
    try:
        ended = command.ended()
    finally:
        command.kill()
    assert ended.code == 0, ended
    assert "installed for this job" not in ended.out
    (outcome,) = results.runs(home)["outcome"]
    assert outcome == "ok"


def test_a_node_that_is_lost_ends_its_run_and_the_sweep_says_what_is_missing(
    bed: Bed, tmp_path: Path
) -> None:
    with _sweep(bed, tmp_path, "duration_s=100.0") as sweep:
        _wait_for_load(bed, "host-1")
        bed.network.kill("host-1")
        first, second = sweep.rows()["outcome"]
    assert "node was terminated unexpectedly" in first
    assert second == "strict_spread needs 3 nodes with paxoscope!=fleet, the cluster has 2"


def test_a_sweep_goes_on_on_the_nodes_that_are_left(bed: Bed, tmp_path: Path) -> None:
    # The load must last until Ray has noticed that a node is lost.
    with _sweep(bed, tmp_path, "placement=spread", "duration_s=30.0") as sweep:
        _wait_for_load(bed, "host-1")
        bed.network.kill("host-1")
        first, second = sweep.rows()["outcome"]
    assert "node was terminated unexpectedly" in first
    assert second == "ok"


def test_a_run_does_without_a_node_whose_cable_is_out(bed: Bed, tmp_path: Path) -> None:
    """Ray still counts the node that is cut off, and would wait for it for minutes."""
    bed.network.unplug("host-1")
    with _sweep(bed, tmp_path, "placement=spread", "protocol=jpaxos", "duration_s=1.0") as sweep:
        row = sweep.rows().loc["jpaxos"]
    bed.network.kill("host-1")  # It would end by itself once it hears that it counts as lost.
    assert (row["outcome"], row["nodes"]) == ("ok", 2)


def test_a_run_goes_on_without_a_node_that_its_faults_kill(bed: Bed, tmp_path: Path) -> None:
    """Ray has not noticed yet when the next run begins, which has no node for its third host."""
    before = bed.network.processes("host-2")
    faults = "faults=1 kill node 2"
    with _sweep(bed, tmp_path, faults, "hosts_on=node=host-0; node=host-1; node=host-2") as sweep:
        rows = sweep.rows()
    jpaxos, spaxos = rows.loc["jpaxos"], rows.loc["spaxos"]
    assert (jpaxos["outcome"], jpaxos["safety"], jpaxos["nodes"]) == ("ok", "ok", 3)
    assert jpaxos["throughput_rps"] > 0
    events = results.events(tmp_path / "out", [jpaxos["run_id"]])
    assert list(events[["event", "target"]].itertuples(index=False, name=None)) == [
        ("kill", "node-2")
    ]
    assert before
    assert bed.network.processes("host-2") == set()
    assert spaxos["outcome"] == "host 2 needs a node with node=host-2, the cluster has none"


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_run_survives_a_cable_that_is_pulled_out_for_a_while(
    bed: Bed, tmp_path: Path, protocol: str
) -> None:
    # Nobody is suspected, and there is room on the card for what was missed.
    gentle = ("clients=20", "request_bytes=1024", "suspect_timeout_ms=20_000", "duration_s=8.0")
    with _sweep(bed, tmp_path, f"protocol={protocol}", *gentle) as sweep:
        _wait_for_load(bed, "host-1")
        bed.network.unplug("host-1")
        time.sleep(CUT_S)
        bed.network.plug_in("host-1")
        rows = sweep.rows()
    assert (rows.loc[protocol, "outcome"], rows.loc[protocol, "safety"]) == ("ok", "ok")


def test_a_test_bed_comes_and_goes_beside_another(bed: Bed) -> None:
    with beds.temporary(Shape(hosts=1)) as other:
        assert other.number != bed.number
        assert other.address != bed.address
        assert {bed.number, other.number} <= {each.number for each in beds.existing()}
        assert other.hosts == ["host-0"]
        processes = all_processes(other.network)
        assert len(processes) > 4
    assert_no_bed_is_left(other, processes)
    assert len(bed.hosts) == 3
    assert all(map(bed.network.processes, bed.hosts))


def test_a_set_up_that_breaks_off_leaves_nothing_behind(
    possible: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beds, "START_TIMEOUT_S", 0.1)
    bed = beds.new()
    try:
        with pytest.raises(RunFailed, match=r"^head: Ray is not up after 0.1 s$"):
            bed.set_up(Shape(hosts=2))
        processes = all_processes(bed.network)
    finally:
        bed.remove()
    assert_no_bed_is_left(bed, processes)


def test_what_ray_says_is_told_where_it_does_not_start(
    possible: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beds, "OBJECT_STORE_BYTES", 1)
    told = pytest.raises(RunFailed, match=r"^head: Ray does not start: .*object store")
    with told, beds.temporary(Shape(hosts=1)):
        pass


@pytest.mark.parametrize(
    ("end", "code", "word"),
    [(Command.press_ctrl_c, 130, "interrupted"), (Command.terminate, 143, "terminated")],
)
def test_a_test_bed_goes_with_the_command_that_made_it(
    possible: None, end: Callable[[Command], None], code: int, word: str
) -> None:
    """Here as Ray starts: halfway through."""
    before = {bed.number for bed in beds.existing()}
    command = Command("testbed", "run", "--hosts", "1", "sleep", "1000")
    try:
        bed = _wait_for_processes(before)
        processes = all_processes(bed.network)
        end(command)
        ended = command.ended()
    finally:
        command.kill()
    assert (ended.code, ended.err) == (code, f"paxoscope: {word}\n")
    assert_no_bed_is_left(bed, processes)


def _wait_for_processes(before: Collection[int]) -> Bed:
    """Wait until something runs on a test bed that was not there before; return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for bed in beds.existing():
            if bed.number not in before and all_processes(bed.network):
                return bed
    raise AssertionError("no test bed is set up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_breaks_off_the_removal_of_a_test_bed(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with beds._undisturbed():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_no_number_is_given_twice(possible: None) -> None:
    made: list[Bed] = []
    try:
        made += [beds.new(), beds.new()]
        assert len({bed.number for bed in made}) == 2
    finally:
        for bed in made:
            bed.remove()
            assert_no_bed_is_left(bed)


def test_there_are_only_so_many_numbers(possible: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beds, "NUMBER_MAX", 0)
    with pytest.raises(InputError, match="there are 0 test beds already"):
        beds.new()
