"""The live backend on a local Ray, and `paxoscope run` as its users run it."""

import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import psutil
import pytest
import ray

from experiments import results, summarise
from experiments.errors import RunFailed, Terminated
from experiments.live import LiveBackend
from experiments.results import EVENTS_COLUMNS, FIRST_COLUMNS, TABLES, ResultsWriter
from experiments.runner import Measured, run_all
from experiments.spec import RunConfig, Suite, load_suite
from experiments.sweep import expand
from tests.actors.on_ray import (
    PATIENCE_S,
    assert_nothing_is_left,
    wait_until_nothing_is_left,
)
from tests.experiments.test_runner import Recorder

pytestmark = pytest.mark.ray

SHORT = {"warmup_s": 0.1, "duration_s": 0.3, "cooldown_s": 0.0, "clients": 8}

RUNS = [
    *((protocol, n) for protocol in ("jpaxos", "multipaxos", "spaxos") for n in (1, 3, 5)),
    ("spaxos", 7),
    ("unreplicated", 1),
]


@pytest.mark.parametrize(("protocol", "replicas"), RUNS)
def test_every_protocol_runs_safely_and_is_measured(
    live: LiveBackend, protocol: str, replicas: int
) -> None:
    config = RunConfig(protocol=protocol, replicas=replicas, **SHORT)
    measured = live.run(config)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    _assert_tables_are_as_documented(config, measured)
    numbers = summarise.measure(config, **measured.tables)
    assert numbers["throughput_rps"] > 0
    assert 0 < numbers["latency_ms_p50"] <= numbers["latency_ms_p99"]
    assert numbers["in_flight_last_third"] > 0
    assert numbers["cpu_cores_busiest_fleet"] > 0
    assert_nothing_is_left()


def _assert_tables_are_as_documented(config: RunConfig, measured: Measured) -> None:
    for name, columns in TABLES.items():
        table = measured.tables[name]
        assert list(table.columns[: len(columns)]) == list(columns)
        assert table[list(columns)].notna().all(axis=None)
    assert measured.timeline["completed"].sum() == measured.latency["count"].sum() > 0
    counters = measured.counters
    actors = counters.drop_duplicates("actor").groupby("role")["host"].agg(sorted).to_dict()
    hosts = list(range(config.replicas))
    coordinators = {"coordinator": hosts} if config.protocol == "spaxos" else {}
    assert actors == {"replica": hosts, "fleet": [-1] * config.fleets} | coordinators
    assert not counters.duplicated(["actor", "bin"]).any()
    cpu_s = counters.groupby("actor")["cpu_s"].sum()
    assert (cpu_s > 0).all()


@pytest.mark.parametrize(
    ("protocol", "replicas"), [("jpaxos", 3), ("spaxos", 3), ("unreplicated", 1)]
)
@pytest.mark.parametrize("request_bytes", [20, 150_000], ids=["inline", "object store"])
def test_a_protocol_is_as_safe_where_messages_are_calls(
    live: LiveBackend, protocol: str, replicas: int, request_bytes: int
) -> None:
    """Ray passes what is beyond 100 KiB by its object store, another way with another order."""
    settings = {**SHORT, "duration_s": 1.0, "request_bytes": request_bytes}
    config = RunConfig(protocol=protocol, replicas=replicas, transport="ray", **settings)
    measured = live.run(config)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    _assert_tables_are_as_documented(config, measured)
    totals = measured.counters.groupby("actor")[["calls_in", "calls_out"]].sum()
    assert (totals > 0).all(axis=None)
    assert measured.counters["frames_rejected"].sum() == 0
    assert_nothing_is_left()


def test_a_null_actor_is_measured_as_a_run_is(live: LiveBackend) -> None:
    config = RunConfig(
        protocol="unreplicated", replicas=1, transport="ray", backend="null_actor", **SHORT
    )
    measured = live.run(config)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    _assert_tables_are_as_documented(config, measured)
    numbers = summarise.measure(config, **measured.tables)
    assert numbers["throughput_rps"] > 0
    assert numbers["cpu_us_per_request_leader_host"] > 0
    assert_nothing_is_left()


def test_a_null_actor_lives_only_where_hosts_may(live: LiveBackend) -> None:
    config = RunConfig(
        protocol="unreplicated",
        replicas=1,
        transport="ray",
        backend="null_actor",
        hosts_on="is=a",
        **SHORT,
    )
    with pytest.raises(RunFailed, match="host 0 needs a node with is=a, the cluster has none"):
        live.run(config)
    assert_nothing_is_left()


def test_fleets_share_the_clients_of_a_run(live: LiveBackend) -> None:
    config = RunConfig(protocol="spaxos", replicas=1, fleets=2, service="kv", **SHORT)
    measured = live.run(config)
    assert measured.safety == "ok"
    assert (measured.timeline.groupby("fleet")["completed"].sum() > 0).to_dict() == {
        0: True,
        1: True,
    }


def test_faults_happen_in_the_window_and_are_in_the_tables(live: LiveBackend) -> None:
    config = RunConfig(
        clients=8,
        fleets=2,
        warmup_s=0.5,
        duration_s=2.0,
        cooldown_s=0.0,
        suspect_timeout_ms=300.0,
        client_timeout_ms=300.0,
        faults="0.3 kill host leader; 0.5 kill fleet 1",
    )
    measured = live.run(config)
    assert (measured.outcome, measured.safety) == ("ok", "ok")
    events = measured.events
    assert list(events.columns) == list(EVENTS_COLUMNS)
    happened = dict(zip(events["event"], events["target"], strict=True))
    assert {"kill", "view"} == happened.keys()
    assert set(events[events["event"] == "kill"]["target"]) == {"host-0", "fleet-1"}
    assert (events["time_s"] >= config.warmup_s + 0.3).all()
    assert (events["time_s"] < config.load_s).all()
    sampled_s = measured.counters.groupby("actor")["time_s"].max()
    # What was measured before they were killed is there.
    assert config.warmup_s < sampled_s["replica-0"] < sampled_s["replica-1"]
    assert config.warmup_s < sampled_s["fleet-1"] < sampled_s["fleet-0"]
    assert set(measured.timeline["fleet"]) == {0, 1}
    assert summarise.measure(config, **measured.tables)["unavailability_s"] > 0


def test_a_service_that_raises_makes_a_failed_row_and_the_sweep_goes_on(
    live: LiveBackend, tmp_path: Path
) -> None:
    own = "tests.experiments.broken:SERVICE"
    suite = Suite(name="s", base=SHORT | {"replicas": 3}, axes={"service": [own, "null"]})
    with ResultsWriter(tmp_path, suite) as writer:
        run_all(suite, expand(suite), backend=live, results=writer, observer=Recorder())
    rows = results.runs(tmp_path).set_index("service")
    assert rows.loc["null", "outcome"] == "ok"
    assert re.fullmatch(r"replica-\d stopped: ZeroDivisionError: \d / 0", rows.loc[own, "outcome"])
    assert rows.loc[own, "throughput_rps"] != rows.loc[own, "throughput_rps"]  # nan
    assert_nothing_is_left()


def test_a_strict_spread_on_one_machine_is_a_failed_run(live: LiveBackend) -> None:
    with pytest.raises(RunFailed, match="strict_spread needs 3 nodes, the cluster has 1"):
        live.run(RunConfig(placement="strict_spread", **SHORT))


def test_a_local_ray_listens_on_the_loopback_interface_only(live: LiveBackend) -> None:
    """Whoever reaches Ray can run code."""
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in psutil.Process().children(recursive=True)
        if process.is_running()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_ctrl_c_while_ray_starts_is_heard_once_ray_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A start that is broken off would leave processes behind for a minute."""
    told = []

    def start(**_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        told.append("started")

    def stop() -> None:
        told.append("stopping")
        signal.raise_signal(signal.SIGINT)
        told.append("stopped")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "shutdown", stop)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        LiveBackend().__enter__()
    assert told == ["started", "stopping", "stopped"]
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_that_ray_hears_as_it_starts_ends_the_start_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray takes the signal for itself meanwhile, and would have the process exit with 15."""
    told = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: sys.exit(signal.SIGTERM))
    monkeypatch.setattr(ray, "shutdown", lambda: told.append("stopped"))
    with pytest.raises(Terminated):
        LiveBackend().__enter__()
    assert told == ["stopped"]


# --- The command --------------------------------------------------------------------------------


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


class Command:
    """`paxoscope` in a process group of its own, as in a terminal."""

    def __init__(
        self,
        *arguments: str,
        program: Sequence[str] = (),
        folder: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._process = subprocess.Popen(
            [*(program or (sys.executable, "-m", "experiments")), *arguments],
            cwd=folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []

    def read_until(self, start: str) -> None:
        """Read its output up to a line that starts so."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if line.startswith(start):
                return
        raise AssertionError(f"ended before {start!r}: {self.ended()}")

    def family(self) -> list[psutil.Process]:
        """Return its process and all that came from it."""
        me = psutil.Process(self._process.pid)
        return [me, *me.children(recursive=True)]

    def press_ctrl_c(self) -> None:
        """Do what a terminal does."""
        os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Do what a system does that wants the command to end."""
        self._process.terminate()

    def ended(self) -> Ended:
        out, err = self._process.communicate(timeout=3 * PATIENCE_S)
        return Ended(self._process.returncode, "".join([*self._lines, out]), err)

    def kill(self) -> None:
        """End it if it has not ended."""
        if self._process.poll() is None:
            for process in self.family():
                process.kill()
            self._process.communicate()


def _run(*arguments: str, program: Sequence[str] = (), folder: Path | None = None) -> Ended:
    command = Command(*arguments, program=program, folder=folder)
    try:
        return command.ended()
    finally:
        command.kill()


TINY = """
[base]
replicas = 1
clients = 4
warmup_s = 0.1
duration_s = 0.3
cooldown_s = 0.0
[axes]
protocol = ["jpaxos", "spaxos"]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _assert_no_chatter(ended: Ended) -> None:
    """Check that all output is the product's own."""
    assert ended.err == ""
    assert not re.search(r"(?i:\bray\b|raylet|pid=|Traceback)|Warning", ended.out)


@pytest.mark.parametrize(
    ("end", "word", "code"),
    [(Command.press_ctrl_c, "interrupted", 130), (Command.terminate, "terminated", 143)],
)
def test_what_is_done_is_kept_and_the_next_run_does_the_rest(
    suite: Path, out: Path, end: Callable[[Command], None], word: str, code: int
) -> None:
    interrupted = Command("run", str(suite), "--out", str(out))
    try:
        interrupted.read_until("[1/2] ")
        family = interrupted.family()
        end(interrupted)
        ended = interrupted.ended()
    finally:
        interrupted.kill()
    assert (ended.code, ended.err[: ended.err.index(";")]) == (code, f"paxoscope: {word}")
    assert "of 2 runs are kept; resume with: paxoscope run" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert len(family) > 5  # Ray was there.
    _, still_there = psutil.wait_procs(family, PATIENCE_S)
    assert still_there == []
    _assert_the_next_run_does_the_rest(suite, out)


def _assert_the_next_run_does_the_rest(suite: Path, out: Path) -> None:
    kept = results.runs(out)
    assert set(kept["outcome"]) == {"ok"}
    resumed = _run("run", str(suite), "--out", str(out))
    assert resumed.code == 0
    _assert_no_chatter(resumed)
    assert f"tiny: {2 - len(kept)} runs, about" in resumed.out
    _assert_results_are_complete(suite, out)
    runs = results.runs(out).set_index("run_id")
    assert runs.loc[kept["run_id"], "started_at"].to_list() == kept["started_at"].to_list()


def test_a_driver_that_is_killed_takes_its_actors_along_and_what_was_done_is_kept(
    suite: Path, out: Path
) -> None:
    command = Command("run", str(suite), "--out", str(out))
    try:
        command.read_until("[1/2] ")
        family = command.family()
        # Those that Ray has on each node take a minute to notice that it is gone; they do nothing.
        names = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
        agents = [process for process in family if process.name() in names]
        family[0].kill()
        assert len(family) > 5  # Ray was there.
        _, still_there = psutil.wait_procs(set(family) - set(agents), PATIENCE_S)
        assert still_there == []
        for agent in agents:
            with suppress(psutil.NoSuchProcess):
                agent.kill()
    finally:
        command.kill()
    _assert_the_next_run_does_the_rest(suite, out)


FAULTY = """
[base]
replicas = 3
clients = 8
crash_model = "full"
warmup_s = 0.1
duration_s = 600.0
faults = "0 pause host 1; 0 kill host 2"
"""


@pytest.fixture
def stored() -> Iterator[Path]:
    """Return a folder with a path so short that Ray can have sockets in it."""
    with tempfile.TemporaryDirectory(prefix="px", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_ctrl_c_amid_faults_leaves_neither_processes_nor_storage(
    tmp_path: Path, out: Path, stored: Path
) -> None:
    """Also not processes that are paused, which no Ctrl-C reaches."""
    (tmp_path / "faulty.toml").write_text(FAULTY)
    arguments = ("run", str(tmp_path / "faulty.toml"), "--out", str(out))
    command = Command(*arguments, environment={"TMPDIR": str(stored)})
    try:
        command.read_until("faulty: ")
        family = _wait_for_paused(command)
        assert list(stored.glob("paxoscope-*/*/replica-*/journal"))
        command.press_ctrl_c()
        assert command.ended().code == 130
    finally:
        command.kill()
    _, still_there = psutil.wait_procs(family, PATIENCE_S)
    assert still_there == []
    assert not list(stored.glob("paxoscope-*"))


def test_what_a_killed_driver_had_stored_is_removed_by_the_next_run(
    suite: Path, out: Path, stored: Path
) -> None:
    arguments = ("run", str(suite), "--out", str(out), "--no-report", "--set", "crash_model=full")
    environment = {"TMPDIR": str(stored)}
    command = Command(*arguments, environment=environment)
    try:
        _wait_for_storage(stored)
        family = command.family()
        family[0].kill()
        left = _wait_for_storage(stored)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    finally:
        command.kill()
    assert Command(*arguments, environment=environment).ended().code == 0
    assert not left.exists()
    assert not list(stored.glob("paxoscope-*"))


def _wait_for_storage(stored: Path) -> Path:
    """Wait until replicas have stored something; return the folder of their keeper."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for journal in stored.glob("paxoscope-*/*/replica-*/journal"):
            return journal.parents[2]
    raise AssertionError("nothing is stored")


def _wait_for_paused(command: "Command") -> list[psutil.Process]:
    """Wait until a process of a command is paused; return all of its processes."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        family = command.family()
        with suppress(psutil.NoSuchProcess):
            if any(process.status() == psutil.STATUS_STOPPED for process in family):
                return family
    raise AssertionError("nobody is paused")


def _assert_results_are_complete(suite: Path, out: Path) -> None:
    runs = results.runs(out)
    assert tuple(runs.columns[: len(FIRST_COLUMNS)]) == (
        *("suite", "protocol", "replicas", "clients", "repeat", "seed", "outcome", "safety"),
        *("throughput_rps", "latency_ms_mean", "latency_ms_p50", "latency_ms_p95"),
        *("latency_ms_p99", "latency_ms_p999"),
    )
    assert set(runs["run_id"]) == {run.run_id for run in expand(load_suite(str(suite)))}
    assert set(runs["outcome"]) == set(runs["safety"]) == {"ok"}
    assert (runs["throughput_rps"] > 0).all()
    for table in (results.timeline, results.latency, results.counters):  # No faults, no events.
        assert set(table(out)["run_id"]) == set(runs["run_id"])
    assert "<html" in (out / "report.html").read_text(encoding="utf-8").lower()


@pytest.fixture
def address(live: LiveBackend) -> str:
    """Return where the Ray of the tests is."""
    return ray.get_runtime_context().gcs_address


def test_a_ray_that_runs_already_is_used_and_left_as_it_was(
    address: str, suite: Path, out: Path
) -> None:
    ended = _run("run", str(suite), "--out", str(out), "--address", address)
    assert ended.code == 0, ended
    _assert_no_chatter(ended)
    _assert_results_are_complete(suite, out)
    assert_nothing_is_left()
    assert len(ray.nodes()) == 1


def test_ctrl_c_leaves_a_ray_that_runs_already_as_it_was(
    address: str, suite: Path, out: Path
) -> None:
    command = Command("run", str(suite), "--out", str(out), "--address", address)
    try:
        command.read_until("[1/2] ")
        command.press_ctrl_c()
        assert command.ended().code == 130
    finally:
        command.kill()
    assert_nothing_is_left()
    assert len(ray.nodes()) == 1


def test_a_driver_that_is_killed_leaves_a_ray_that_runs_already_as_it_was(
    address: str, suite: Path, out: Path
) -> None:
    command = Command("run", str(suite), "--out", str(out), "--address", address)
    try:
        command.read_until("[1/2] ")
        (driver, *_) = command.family()
        driver.kill()
    finally:
        command.kill()
    wait_until_nothing_is_left()
    assert len(ray.nodes()) == 1


@pytest.mark.timeout(30)
def test_an_address_where_nobody_listens_is_told_in_one_line(suite: Path, out: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        ended = _run("run", str(suite), "--out", str(out), "--address", address)
    assert ended.code == 1
    reason = f"nothing can be run: cannot connect to {address}: nobody answers there"
    assert ended.err.startswith(f"paxoscope: {reason}: ConnectionRefusedError")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.timeout(30)
def test_an_address_that_makes_no_sense_is_told_in_one_line(suite: Path, out: Path) -> None:
    ended = _run("run", str(suite), "--out", str(out), "--address", "nonsense")
    reason = "cannot connect to nonsense: Invalid address format: nonsense"
    assert ended.err == f"paxoscope: {reason}\n"
    assert ended.code == 2


@contextmanager
def _listening(answer: bytes) -> Iterator[int]:
    """Listen on a free port, yield it, and give whoever connects this answer."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(answer)
            self.request.recv(1 << 16)
            self.request.recv(1 << 16)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_of_something_else_is_told_in_one_line(
    suite: Path, out: Path, scheme: str, answer: bytes
) -> None:
    with _listening(answer) as port:
        address = f"{scheme}127.0.0.1:{port}"
        ended = _run("run", str(suite), "--out", str(out), "--address", address)
    reason = f"cannot connect to {address}: what answers there is not Ray"
    assert ended.err == f"paxoscope: {reason}\n"
    assert ended.code == 2


@pytest.mark.timeout(30)
def test_an_address_of_another_protocol_is_told_in_full(suite: Path, out: Path) -> None:
    ended = _run("run", str(suite), "--out", str(out), "--address", "http://x")
    assert ended.err.startswith("paxoscope: cannot connect to http://x: ")
    assert len(ended.err.splitlines()) == 1
    assert ended.err.rstrip()[-1] not in ":("
    assert ended.code == 2


OWN = """
from actors.services.null import NullService, NullWorkload
from actors.services.registry import ServiceKind

SERVICE = ServiceKind(name="own", description="", service=NullService, workload=NullWorkload)
"""


def test_a_service_in_the_current_folder_runs(suite: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "own_by_test.py").write_text(OWN)
    command = Path(sysconfig.get_path("scripts")) / "paxoscope"
    options = ("--out", str(out), "--set", "service=own_by_test:SERVICE")
    ended = _run("run", str(suite), *options, program=[str(command)], folder=tmp_path)
    assert ended.code == 0, ended
    _assert_no_chatter(ended)
    assert set(results.runs(out)["safety"]) == {"ok"}
