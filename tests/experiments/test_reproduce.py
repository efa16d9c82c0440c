import json
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from experiments import commands
from experiments.cli import app
from experiments.errors import RunFailed
from experiments.runner import Measured
from experiments.spec import RunConfig
from tests.experiments.fake import FakeBackend, measured


def refuse_one(config: RunConfig) -> Measured:
    """Measure every run but that of S-Paxos with a single client."""
    if config.protocol == "spaxos" and config.clients == 1:
        raise RunFailed("no quorum")
    return measured(config)


class Stage:
    """A folder for a reproduction, and backends that need no cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behave = measured
        self.backends: list[FakeBackend] = []
        self.addresses: list[str | None] = []

    def make_backend(
        self, _runs: object, address: str | None, _tell: object, _parallel: object
    ) -> FakeBackend:
        self.addresses.append(address)
        self.backends.append(FakeBackend(self.behave))
        return self.backends[-1]

    def run(self, *options: str) -> Result:
        return _invoke("reproduce", "--out", str(self.folder), *options)

    @property
    def ran(self) -> list[RunConfig]:
        return [config for backend in self.backends for config in backend.ran]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(tmp_path / "out")
    monkeypatch.setattr(commands, "Backends", stage.make_backend)
    return stage


def _invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


QUICK_CLIENTS = ("--quick", "--figure", "throughput-clients")


def test_a_figure_is_run_judged_and_reported(stage: Stage) -> None:
    result = stage.run(*QUICK_CLIENTS)
    assert result.exit_code == 0, result.output
    assert {config.clients for config in stage.ran} == {1, 100, 1000, 4000}
    assert f"report: {stage.folder / 'report.html'}" in result.stdout
    assert "Throughput against clients" in (stage.folder / "report.html").read_text()
    assert (stage.folder / "srds12_clients" / "runs.parquet").is_file()


def test_the_scorecard_is_a_file_with_a_row_a_claim_that_can_be_judged(stage: Stage) -> None:
    stage.run(*QUICK_CLIENTS)
    rows = json.loads((stage.folder / "scorecard.json").read_text())
    assert {tuple(row) for row in rows} == {
        ("id", "claim", "paper", "ours", "verdict", "reason"),
    }
    ids = {row["id"] for row in rows}
    assert {"jpaxos-peak", "different-workloads", "formulas"} <= ids
    assert "spaxos-grows" not in ids


def test_what_is_there_is_not_run_again(stage: Stage) -> None:
    stage.run(*QUICK_CLIENTS)
    ran = len(stage.ran)
    assert stage.run(*QUICK_CLIENTS, "--figure", "balance").exit_code == 0
    assert len(stage.ran) == ran


def test_the_command_is_kept_beside_the_report(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "reproduce", "--out", "a folder"])
    stage.run(*QUICK_CLIENTS)
    command = (stage.folder / "commands.txt").read_text()
    assert command == f"{shlex.join(['paxoscope', 'reproduce', '--out', 'a folder'])}\n"


def test_backend_and_address_reach_the_runs(stage: Stage) -> None:
    stage.run(*QUICK_CLIENTS, "--backend", "live", "--address", "head:6379")
    assert {config.backend for config in stage.ran} == {"live"}
    assert stage.addresses == ["head:6379"]


def test_a_failed_run_is_listed_in_the_report_and_told_by_the_exit_code(stage: Stage) -> None:
    stage.behave = refuse_one
    assert stage.run(*QUICK_CLIENTS).exit_code == 1
    html = (stage.folder / "report.html").read_text()
    assert "<td>no quorum</td>" in html
    assert "1 of 8 runs" in html


def test_messages_are_counted_without_running_a_suite(stage: Stage) -> None:
    assert stage.run("--figure", "messages").exit_code == 0
    assert not stage.backends
    counts = pd.read_parquet(stage.folder / "messages" / "counts.parquet")
    assert (counts["messages"] == counts["formula"]).all()
    assert set(counts["replicas"]) == {3, 5, 7, 9}
    flows = pd.read_parquet(stage.folder / "messages" / "request.parquet")
    assert set(flows["protocol"]) == {"jpaxos", "spaxos"}


def test_a_figure_that_is_not_there_is_told(stage: Stage) -> None:
    result = stage.run("--figure", "x")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr.startswith("paxoscope: --figure x: no such figure; there are throughput-")
    assert result.stderr.count("\n") == 1
    assert not stage.folder.exists()


def test_in_virtual_time_what_needs_faults_is_left_out_and_told(stage: Stage) -> None:
    result = stage.run(*QUICK_CLIENTS, "--figure", "leader-crash", "--backend", "sim")
    assert result.exit_code == 0, result.output
    assert "left out: leader-crash: faults happen on Ray only" in result.stdout
    assert not any(config.faults for config in stage.ran)


def test_in_virtual_time_nothing_but_faults_is_refused(stage: Stage) -> None:
    result = stage.run("--figure", "leader-crash", "--backend", "sim")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr == "paxoscope: --backend sim: leader-crash: faults happen on Ray only\n"


def test_quick_and_full_runs_are_not_mixed_in_a_folder(stage: Stage) -> None:
    assert stage.run(*QUICK_CLIENTS).exit_code == 0
    result = stage.run("--figure", "throughput-clients")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"paxoscope: {stage.folder}: holds a reproduction of another kind"
    )
    assert result.stderr.count("\n") == 1


def test_a_claim_that_is_not_there_is_told(stage: Stage) -> None:
    result = stage.run("--claim", "x")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr.startswith("paxoscope: --claim x: no such claim; there are jpaxos-peak,")


def test_a_claim_is_judged_by_its_own_suites_alone(stage: Stage) -> None:
    assert stage.run("--quick", "--claim", "latency").exit_code == 0
    assert {config.arrival_rate_rps for config in stage.ran} == {100}
    assert "latency" in {
        row["id"] for row in json.loads((stage.folder / "scorecard.json").read_text())
    }
    html = (stage.folder / "report.html").read_text()
    assert "Latency without load" in html
    assert "Messages per request" not in html


def test_a_backend_that_is_not_there_is_told(stage: Stage) -> None:
    result = stage.run("--backend", "x")
    assert (result.stdout, result.exit_code) == ("", 2)
    assert result.stderr.count("\n") == 1
    assert "'live', 'sim'" in result.stderr


def test_a_folder_that_cannot_be_written_is_told(stage: Stage) -> None:
    stage.folder.write_text("a file")
    result = stage.run("--figure", "messages")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{stage.folder}: cannot be written" in result.stderr


def test_commands_that_are_no_text_are_no_obstacle(stage: Stage) -> None:
    stage.folder.mkdir()
    (stage.folder / "commands.txt").write_bytes(b"\xff\n")
    assert stage.run("--figure", "messages").exit_code == 0
    assert _invoke("bundle", str(stage.folder)).exit_code == 0
    assert _invoke("bundle", str(stage.folder), "--out", "").exit_code == 2
