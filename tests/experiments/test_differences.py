"""The command `paxoscope compare`: what it prints, how it ends, what it refuses."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from experiments.cli import app
from tests.dashboards.result_set import failed, runs_of

RUNS = runs_of(clients=(1, 100))


def folder(path: Path, runs: pd.DataFrame) -> Path:
    path.mkdir()
    runs.to_parquet(path / "runs.parquet")
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def compared(tmp_path: Path, a: pd.DataFrame, b: pd.DataFrame, *options: str) -> Result:
    return invoke(folder(tmp_path / "a", a), folder(tmp_path / "b", b), *options)


def slower(runs: pd.DataFrame, factor: float) -> pd.DataFrame:
    return runs.assign(throughput_rps=runs["throughput_rps"] * factor)


def block(result: Result, point: str) -> list[list[str]]:
    """Return the words of each line of a point, its name first."""
    lines = [line.split() for line in result.stdout.splitlines()]
    first = next(number for number, line in enumerate(lines) if point.split() == line[1:])
    return lines[first : first + 5]


def test_sets_that_are_the_same_end_well(tmp_path: Path) -> None:
    result = compared(tmp_path, RUNS, RUNS)
    assert result.exit_code == 0
    assert "Settings, code, versions and machine are the same." in result.stdout
    assert result.stdout.endswith("4 points: 4 within (threshold 5%).\n")


def test_a_point_shows_both_sides_the_change_and_its_interval(tmp_path: Path) -> None:
    result = compared(tmp_path, RUNS, slower(RUNS, 0.5))
    name, throughput, *others = block(result, "protocol=jpaxos clients=100")
    assert name[0] == "worse:"
    assert throughput[:2] == ["throughput", "req/s"]
    before, after, change, low, to, high, verdict = throughput[2:]
    assert int(before.replace(",", "")) == pytest.approx(2 * int(after.replace(",", "")), abs=2)
    assert (change, to, verdict) == ("-50.0%", "to", "worse")
    assert float(low.rstrip("%")) < -50 < float(high.rstrip("%")) < 0
    assert [line[:2] for line in others] == [
        ["latency", "p50"],
        ["latency", "p99"],
        ["CPU", "µs/request"],
    ]


@pytest.mark.parametrize(
    ("factor", "threshold", "code"), [(0.5, "5", 1), (0.5, "60", 0), (0.95, "5", 0), (2.0, "5", 0)]
)
def test_it_fails_where_throughput_falls_beyond_the_threshold(
    tmp_path: Path, factor: float, threshold: str, code: int
) -> None:
    result = compared(tmp_path, RUNS, slower(RUNS, factor), "--threshold", threshold)
    assert result.exit_code == code


def test_a_fall_that_may_be_chance_does_not_fail_but_is_told(tmp_path: Path) -> None:
    scattered = runs_of(("jpaxos",), clients=(1,)).assign(throughput_rps=[100.0, 150.0, 50.0])
    result = compared(tmp_path, scattered, slower(scattered, 0.8))
    assert result.exit_code == 0
    assert "unclear: beyond the threshold, but its repeats scatter too much" in result.stdout


def test_it_fails_where_the_99th_percentile_rises(tmp_path: Path) -> None:
    assert compared(tmp_path, RUNS, RUNS.assign(latency_ms_p99=99.0)).exit_code == 1


def test_single_repeats_have_no_interval_and_are_judged_by_their_change(tmp_path: Path) -> None:
    single = RUNS[RUNS["repeat"] == 0]
    result = compared(tmp_path, RUNS, slower(single, 0.5))
    assert "none, repeats 3, 1" in result.stdout
    assert result.exit_code == 1


def test_a_point_that_broke_fails_and_tells_why(tmp_path: Path) -> None:
    single = RUNS[RUNS["repeat"] == 0]
    result = compared(tmp_path, single, failed(single, 0, outcome="no [bold]quorum"))
    assert result.exit_code == 1
    assert "lost: protocol=jpaxos clients=1\n" in unpadded(result)
    assert "  not sound in B: no [bold]quorum\n" in unpadded(result)


def test_points_of_one_side_are_named_and_change_nothing(tmp_path: Path) -> None:
    result = compared(tmp_path, RUNS, RUNS[RUNS["clients"] == 1])
    assert result.exit_code == 0
    assert "only in A: protocol=spaxos clients=100\n" in unpadded(result)
    assert "4 points: 2 within, 2 only in A" in result.stdout


def test_what_the_linter_finds_is_told_of_either_side_and_of_both(tmp_path: Path) -> None:
    settled = runs_of(clients=(16_000,)).assign(duration_s=5.0)
    cold = settled.assign(warmup_s=0.0, requests_per_frame_max=1)
    words = compared(tmp_path, settled, cold).stdout
    assert "Read with care in A " not in words.replace("in A and B", "")
    of_b, of_both = words[words.index("in B") :].split("Read with care in A and B")
    assert " no-warmup, 6 runs: Set warmup_s" in of_b
    assert " mixed-frames, 12 runs: Compare runs" in of_both
    assert max(map(len, words.splitlines())) <= 80


def unpadded(result: Result) -> str:
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def test_everything_fits_80_columns(tmp_path: Path) -> None:
    a = RUNS.assign(case=[f"{'long ' * 20}{each % 2}" for each in RUNS.index], commit="c" * 46)
    b = slower(a, 1e-7).assign(commit="d" * 46, dissemination_batch_bytes_max=1)
    lines = compared(tmp_path, a, b).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "long 1" in " ".join(" ".join(lines).split())


def test_what_a_file_says_reaches_the_terminal_as_text_alone(tmp_path: Path) -> None:
    a = RUNS.assign(suite="x\x1b[31m", commit="[bold]\n\x07")
    result = compared(tmp_path, a, RUNS)
    words = " ".join(result.stdout.split())
    assert "suite x?[31m" in words
    assert "[bold] ?" in words
    assert "\x1b" not in result.stdout


# --- What cannot be compared --------------------------------------------------------------------


def assert_refused(result: Result, reason: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("paxoscope: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    good = folder(tmp_path / "a", RUNS)
    assert_refused(invoke(good, tmp_path / "none"), "no results here")
    assert_refused(invoke(good / "runs.parquet", good), "no results here")


def test_a_corrupt_folder_is_refused(tmp_path: Path) -> None:
    good, bad = folder(tmp_path / "a", RUNS), folder(tmp_path / "b", RUNS)
    (bad / "runs.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    assert_refused(invoke(good, bad), "not a result table")


@pytest.mark.parametrize("threshold", ["-1", "nan", "inf"])
def test_a_threshold_that_is_none_is_refused(tmp_path: Path, threshold: str) -> None:
    result = compared(tmp_path, RUNS, RUNS, "--threshold", threshold)
    assert_refused(result, "must be a number from 0")


def test_sets_with_nothing_in_common_are_refused_with_what_keeps_them_apart(
    tmp_path: Path,
) -> None:
    b = runs_of(clients=(7, 8, 9, 10, 11))
    reason = "clients is 1, 100 in A, 7, 8, 9, 10, ... in B"
    assert_refused(compared(tmp_path, RUNS, b), reason)


def test_combinations_that_do_not_meet_are_refused(tmp_path: Path) -> None:
    crossed = RUNS["protocol"].eq("jpaxos") == RUNS["clients"].eq(1)
    result = compared(tmp_path, RUNS[crossed], RUNS[~crossed])
    assert_refused(result, "no combination of protocol, clients is in both")


def test_sets_without_sound_runs_in_common_are_refused(tmp_path: Path) -> None:
    result = compared(tmp_path, RUNS.assign(outcome="no quorum"), RUNS)
    assert_refused(result, "no point in common with sound runs in both")
