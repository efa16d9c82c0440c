"""`paxoscope bench` on a backend that needs no cluster."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.errors import RunFailed, Terminated
from experiments.runner import Measured
from experiments.spec import RunConfig
from tests.experiments.fake import FakeBackend, measured


class Bench:
    """The command, a backend to run it on, and a file for its rows."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "rows.json"
        self.behave: Callable[[RunConfig], Measured] = measured
        self.backends: list[FakeBackend] = []

    def make_backend(self, address: str | None) -> FakeBackend:
        self.backends.append(FakeBackend(self.behave))
        return self.backends[-1]

    def run(self, *options: str) -> Result:
        arguments = ["bench", "--seconds", "0.5", "--json", str(self.file), *options]
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setattr("experiments.bench.LiveBackend", bench.make_backend)
    return bench


ONE = ("--protocol", "spaxos", "--clients", "10")


def test_rows_are_kept_on_request(bench: Bench) -> None:
    result = bench.run("--clients", "10", "--protocol", "jpaxos", "--protocol", "spaxos")
    assert result.exit_code == 0
    rows = json.loads(bench.file.read_text())
    assert [(row["protocol"], row["clients"]) for row in rows] == [("jpaxos", 10), ("spaxos", 10)]
    assert [path.name for path in bench.file.parent.iterdir()] == ["rows.json"]


def test_rows_tell_the_memory_of_each_role_once_settled_and_at_the_end(bench: Bench) -> None:
    bench.run(*ONE, "--set", "replicas=1")
    (row,) = json.loads(bench.file.read_text())
    # The counterfeit actors hold 100 MB and another MB for each bin before.
    assert row["settled_s"] == row["warmup_s"] == 1.0
    assert (row["rss_mb_replica_settled"], row["rss_mb_replica"]) == (109, 117)
    assert row["rss_mb_fleet"] is row["rss_mb_coordinator_settled"] is None


def test_the_table_of_memory_says_when_it_was_taken_to_be_settled(bench: Bench) -> None:
    def lines(*options: str) -> list[list[str]]:
        out = bench.run(*ONE, *options).stdout
        table = out[out.index("RSS of the largest actor") :].splitlines()
        return [line.split("  ") for line in table if "spaxos" in line]

    (short,), (long,) = lines(), lines("--seconds", "12")
    assert [cell.strip() for cell in short if cell] == ["spaxos", "10", "1", "109 -> 117", "-", "-"]
    assert [cell.strip() for cell in long if cell][2:4] == ["10", "199 -> 232"]


def test_rows_that_are_there_survive_a_bench_that_runs_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(backend: FakeBackend) -> FakeBackend:
        raise RunFailed("no cluster at head:6379")

    monkeypatch.setattr(FakeBackend, "__enter__", refuse)
    bench.file.write_text("precious")
    result = bench.run()
    assert result.stderr == "paxoscope: nothing can be run: no cluster at head:6379\n"
    assert (result.stdout, result.exit_code) == ("", 1)
    assert bench.file.read_text() == "precious"
    bench.file.unlink()
    bench.run()
    assert not bench.file.exists()


@pytest.mark.parametrize(
    ("end", "line", "code"),
    [(KeyboardInterrupt, "interrupted", 130), (Terminated, "terminated", 143)],
)
def test_a_bench_that_is_broken_off_keeps_the_rows_so_far(
    bench: Bench, end: type[BaseException], line: str, code: int
) -> None:
    def break_off_second(config: RunConfig) -> Measured:
        if len(bench.backends[0].ran) == 2:
            raise end
        return measured(config)

    bench.behave = break_off_second
    result = bench.run()
    assert (result.stderr, result.exit_code) == (f"paxoscope: {line}\n", code)
    assert not bench.backends[0].is_open
    assert len(json.loads(bench.file.read_text())) == 1


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    bench: Bench, tmp_path: Path
) -> None:
    for path, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "no" / "rows.json", "No such file or directory"),
        (Path("/dev/null"), "not a file"),
    ):
        result = bench.run("--json", str(path))
        assert result.stderr == f"paxoscope: {path}: cannot be written: {reason}\n"
        assert result.exit_code == 2
    assert bench.backends == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seconds", "0"], "--seconds = 0.0: must be a number from 0.1 to 86_400"),
        (["--clients", "0"], "--clients[0] = 0: must be a whole number from 1 to 4_194_304"),
        (["--replicas", "4"], "--replicas = 4: must be odd (1, 3, 5, 7, ...)"),
        (["--set", "window=0"], "--set window = 0: must be a whole number from 1 to 1_024"),
    ],
)
def test_a_wrong_option_is_named_as_it_was_typed(
    bench: Bench, options: list[str], line: str
) -> None:
    result = bench.run(*options)
    assert (result.stderr, result.exit_code) == (f"paxoscope: {line}\n", 2)
