import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from experiments import results
from experiments.cli import app
from experiments.errors import RunFailed
from experiments.results import ResultsWriter
from experiments.runner import Measured
from experiments.spec import RunConfig, Suite
from tests.experiments.fake import FakeBackend, measured

SUITE = """
[base]
warmup_s = 0.2
duration_s = 0.5
[axes]
protocol = ["jpaxos", "spaxos"]
clients = [1, 1000]
"""


class Bench:
    """A suite of four runs, a folder for its results, and a backend to run it on."""

    def __init__(self, folder: Path) -> None:
        self.suite = folder / "x.toml"
        self.suite.write_text(SUITE)
        self.out = folder / "out"
        self.behave: Callable[[RunConfig], Measured] = measured
        self.backends: list[FakeBackend] = []
        self.addresses: list[str | None] = []

    def make_backend(self, address: str | None, _tell: object) -> FakeBackend:
        self.addresses.append(address)
        self.backends.append(FakeBackend(self.behave))
        return self.backends[-1]

    def run(self, *options: str) -> Result:
        return _invoke("run", str(self.suite), "--out", str(self.out), "--no-report", *options)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    live = ModuleType("experiments.live")
    live.LiveBackend = bench.make_backend  # type: ignore[attr-defined] # Stands in for the real one.
    monkeypatch.setitem(sys.modules, "experiments.live", live)
    return bench


def _invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def _assert_usage_error(result: Result, line: str) -> None:
    assert (result.stderr, result.stdout, result.exit_code) == (f"paxoscope: {line}\n", "", 2)


def test_a_sweep_ends_with_a_table_of_its_points(bench: Bench) -> None:
    result = bench.run()
    assert result.exit_code == 0
    table, care = result.stdout[result.stdout.index("protocol ") :].split("Read with care")
    header, *rows = [
        re.split(r"  +", line.strip()) for line in table.splitlines() if line.strip(" ─")
    ]
    assert header == ["protocol", "n", "clients", "req/s", "ms", "ms", "µs/req", "runs"]
    assert [(*row[:4], *row[-2:]) for row in rows] == [
        ("jpaxos", "3", "1", "70", "21,429", "ok"),
        ("jpaxos", "3", "1,000", "70,000", "21.4", "ok"),
        ("spaxos", "3", "1", "70", "21,429", "ok"),
        ("spaxos", "3", "1,000", "70,000", "21.4", "ok"),
    ]
    assert "few-repeats, 4 runs: Set repeats to 3 or more." in care


def test_away_from_a_terminal_every_run_is_one_plain_line(bench: Bench) -> None:
    lines = bench.run().stdout.splitlines()
    assert lines[0] == "x: 4 runs, about 20 s"
    assert [line.split("]")[0] for line in lines[1:5]] == ["[1/4", "[2/4", "[3/4", "[4/4"]
    assert (
        "protocol=jpaxos clients=1,000: 70,000 req/s, p50 8.13 ms, p99 8.13 ms, "
        "CPU 21.4 µs/req, safe"
    ) in {line.split("] ")[1] for line in lines[1:5]}


def test_overrides_and_address_reach_the_runs(bench: Bench) -> None:
    bench.run("--set", "clients=7", "--set", "protocol=spaxos", "--address", "head:6379")
    assert [(config.protocol, config.clients) for config in bench.backends[0].ran] == [
        ("spaxos", 7)
    ]
    assert bench.addresses == ["head:6379"]


def test_results_go_to_a_folder_named_after_the_suite(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _invoke("run", str(bench.suite), "--no-report").exit_code == 0
    assert len(results.runs(tmp_path / "results" / "x")) == 4


def test_a_finished_sweep_starts_no_backend(bench: Bench) -> None:
    bench.run()
    result = bench.run()
    assert result.exit_code == 0
    assert "x: every run is there already" in result.stdout
    assert len(bench.backends) == 1


def test_a_failed_run_is_told_and_makes_the_sweep_fail(bench: Bench) -> None:
    def fail(config: RunConfig) -> Measured:
        if config.clients == 1:
            raise RunFailed("no quorum")
        return measured(config)

    bench.behave = fail
    result = bench.run()
    assert result.exit_code == 1
    assert result.stdout.count("failed: no quorum") == 2 + 2  # A line and a place in the table.
    assert len(results.runs(bench.out)) == 4


def test_an_unsafe_run_is_told_loudly_and_makes_every_sweep_fail(bench: Bench) -> None:
    bench.behave = lambda config: measured(config, safety="request 5 was executed twice")
    result = bench.run()
    assert result.exit_code == 1
    assert result.stdout.count("UNSAFE: request 5 was executed twice") == 4 + 4
    assert bench.run().exit_code == 1


def test_a_sweep_may_be_told_to_resume_which_it_does_anyway(bench: Bench) -> None:
    assert bench.run("--resume").exit_code == 0
    assert bench.run("--resume").stdout.startswith("x: every run is there already\n")
    assert [len(backend.ran) for backend in bench.backends] == [4]


def test_a_backend_that_cannot_start_is_told_in_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(backend: FakeBackend) -> FakeBackend:
        raise RunFailed("no cluster at head:6379")

    monkeypatch.setattr(FakeBackend, "__enter__", refuse)
    result = bench.run()
    assert result.stderr == "paxoscope: nothing can be run: no cluster at head:6379\n"
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("number", "word", "code"),
    [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)],
)
def test_a_sweep_that_is_broken_off_says_how_to_resume(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    word: str,
    code: int,
) -> None:
    """On every backend, also on one that hears no signals."""

    def interrupt_third(config: RunConfig) -> Measured:
        if len(bench.backends[0].ran) == 3:
            signal.raise_signal(number)
        return measured(config)

    monkeypatch.setattr(sys, "argv", ["paxoscope", "run", "x.toml", "--set", "clients=[1, 9]"])
    bench.behave = interrupt_third
    result = bench.run()
    assert result.stderr == (
        f"paxoscope: {word}; 2 of 4 runs are kept; "
        "resume with: paxoscope run x.toml --set 'clients=[1, 9]'\n"
    )
    assert result.exit_code == code
    assert not bench.backends[0].is_open
    bench.behave = measured
    assert bench.run().exit_code == 0
    assert len(bench.backends[1].ran) == 2


def test_the_report_is_written_and_its_path_printed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ModuleType("dashboards.report")
    report.write = lambda folder: folder / "report.html"  # type: ignore[attr-defined] # A stand-in.
    monkeypatch.setitem(sys.modules, "dashboards.report", report)
    monkeypatch.setattr("dashboards.report", report, raising=False)
    result = _invoke("run", str(bench.suite), "--out", str(bench.out))
    assert result.stdout.splitlines()[-1] == f"report: {bench.out / 'report.html'}"
    again = _invoke("report", str(bench.out))
    assert again.stdout == f"report: {bench.out / 'report.html'}\n"


def test_a_wrong_suite_is_told_before_anything_is_made(bench: Bench) -> None:
    bench.suite.write_text("[axes]\nreplicas = [3, 4]")
    line = f"{bench.suite}: axes.replicas[1] = 4: must be odd (1, 3, 5, 7, ...)"
    _assert_usage_error(bench.run(), line)
    assert not bench.out.exists()
    assert bench.backends == []


def test_a_wrong_override_is_told(bench: Bench) -> None:
    line = "--set clients = 0: must be a whole number from 1 to 4_194_304"
    _assert_usage_error(bench.run("--set", "clients=0"), line)


def test_toml_that_is_not_is_told_with_its_line(bench: Bench) -> None:
    bench.suite.write_text("[base]\nclients = = 3\n")
    line = f"{bench.suite}: not valid TOML: Invalid value (at line 2, column 11)"
    _assert_usage_error(bench.run(), line)


def test_a_suite_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "y.toml"
    line = f"{path}: cannot be read: No such file or directory"
    _assert_usage_error(_invoke("run", str(path)), line)


def test_a_suite_that_is_a_folder_is_told(tmp_path: Path) -> None:
    _assert_usage_error(
        _invoke("run", str(tmp_path)), f"{tmp_path}: cannot be read: Is a directory"
    )


def test_a_folder_that_cannot_be_written_is_told(bench: Bench) -> None:
    bench.out.touch()
    _assert_usage_error(bench.run(), f"{bench.out}: cannot be written: File exists")


def test_a_folder_in_use_is_told(bench: Bench) -> None:
    with ResultsWriter(bench.out, Suite(name="x")):
        _assert_usage_error(bench.run(), f"{bench.out}: another sweep is writing here")


def test_a_report_on_nothing_is_told(tmp_path: Path) -> None:
    line = f"{tmp_path}: no results here (no runs.parquet)"
    _assert_usage_error(_invoke("report", str(tmp_path)), line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run"], "Missing argument 'suite'."),
        (["runn"], "No such command 'runn'. Did you mean 'run'?"),
        (["run", "demo", "--nothing"], "No such option: --nothing"),
        (["report"], "Missing argument 'DIR'."),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(arguments: list[str], line: str) -> None:
    _assert_usage_error(_invoke(*arguments), line)


def test_everything_there_is_can_be_listed() -> None:
    listed = _invoke("list")
    assert listed.exit_code == 0
    assert "demo" in listed.stdout
    assert re.search(r"\bspaxos +S-Paxos", listed.stdout)
    assert re.search(r"\bkv +key-value store", listed.stdout)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_the_commands(arguments: list[str]) -> None:
    shown = _invoke(*arguments)
    assert shown.exit_code == 0
    assert all(command in shown.stdout for command in ("run", "list", "report"))


def test_the_version_is_shown() -> None:
    shown = _invoke("--version")
    assert (shown.exit_code, shown.stdout) == (0, "paxoscope 0.1.0\n")


@pytest.mark.parametrize("argument", ["--help", "list"])
def test_what_is_quick_to_show_imports_nothing_slow(argument: str) -> None:
    program = (
        "import sys; from experiments.cli import app\n"
        "try: app([sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "assert not {'pandas', 'plotly', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, argument], check=True, capture_output=True)


@pytest.mark.parametrize("how", [["-O"], []])
def test_python_without_assertions_is_refused(how: list[str]) -> None:
    """They guard invariants: a run without them might be wrong and look right."""
    environment = os.environ | ({} if how else {"PYTHONOPTIMIZE": "1"})
    command = [sys.executable, *how, "-m", "experiments", "list"]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    line = "paxoscope: needs Python's assertions: run it without -O and PYTHONOPTIMIZE"
    assert (ended.stderr, ended.stdout, ended.returncode) == (f"{line}\n", "", 2)
