import errno
import os
import shutil
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from experiments import progress, results
from experiments.results import (
    RUNS_COLUMNS,
    TABLES,
    ResultsError,
    ResultsWriter,
    Row,
)
from experiments.spec import RunConfig, Suite, load_suite
from tests.experiments.fake import measured
from tests.experiments.test_progress import PROGRESS

SUITE = Suite(name="s")
CONFIG = RunConfig(clients=2, warmup_s=0.0, duration_s=0.1, cooldown_s=0.1, faults="0 kill host 1")
READERS = {
    "timeline": results.timeline,
    "latency": results.latency,
    "service": results.service,
    "counters": results.counters,
    "events": results.events,
}
NOTHING = {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}
"""The tables of a run that failed."""


def _row(run_id: str, **values: object) -> Row:
    kinds = RUNS_COLUMNS.items()
    row: Row = {key: "x" if kind is str else 1.0 for key, kind in kinds}
    texts = {"suite": "s", "outcome": "ok", "safety": "ok", "run_id": run_id}
    return row | texts | values


def _tables() -> dict[str, pd.DataFrame]:
    """Return tables none of which is empty."""
    tables = measured(CONFIG).tables
    return tables | {"service": tables["latency"]}


def _record(folder: Path, *run_ids: str) -> None:
    with ResultsWriter(folder, SUITE) as writer:
        for run_id in run_ids:
            writer.record(_row(run_id), _tables())


def _message(folder: Path) -> str:
    with pytest.raises(ResultsError) as refusal, ResultsWriter(folder, SUITE):
        pass
    return str(refusal.value)


def test_what_was_recorded_reads_back_run_by_run(tmp_path: Path) -> None:
    _record(tmp_path, "a", "b")
    assert list(results.runs(tmp_path)["run_id"]) == ["a", "b"]
    for name, table in _tables().items():
        read = READERS[name](tmp_path)
        for run_id in ("a", "b"):
            rows = read[read["run_id"] == run_id].drop(columns="run_id").reset_index(drop=True)
            pd.testing.assert_frame_equal(rows, table)


def test_a_metric_that_only_some_actors_have_is_nan_elsewhere(tmp_path: Path) -> None:
    tables = measured(CONFIG).tables
    with ResultsWriter(tmp_path, SUITE) as writer:
        writer.record(_row("a"), tables)
        more = tables["counters"].assign(batches=3)
        writer.record(_row("b"), tables | {"counters": more})
    batches = results.counters(tmp_path).groupby("run_id")["batches"].sum(min_count=1)
    assert batches.isna()["a"]
    assert batches["b"] == 3 * len(more)


def test_some_runs_are_read_alone(tmp_path: Path) -> None:
    _record(tmp_path, "a", "b", "c")
    for read in READERS.values():
        assert set(read(tmp_path, ["c", "a"])["run_id"]) == {"a", "c"}


def test_a_table_of_no_runs_has_its_columns(tmp_path: Path) -> None:
    for name, read in READERS.items():
        assert list(read(tmp_path, []).columns) == ["run_id", *TABLES[name]]


def test_a_sweep_without_faults_has_a_table_without_events(tmp_path: Path) -> None:
    quiet = measured(msgspec.structs.replace(CONFIG, faults="")).tables
    with ResultsWriter(tmp_path, SUITE) as writer:
        writer.record(_row("a"), quiet)
        writer.record(_row("b"), _tables())
    events = results.events(tmp_path)
    assert events.to_dict("records") == [
        {"run_id": "b", "time_s": 0.0, "event": "kill", "target": "host-1", "detail": ""}
    ]


def test_a_failed_run_has_a_row_and_no_measurements(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    with ResultsWriter(tmp_path, SUITE) as writer:
        writer.record(_row("b", outcome="no quorum"), NOTHING)
    assert list(results.runs(tmp_path)["outcome"]) == ["ok", "no quorum"]
    assert set(results.timeline(tmp_path)["run_id"]) == {"a"}


def test_a_second_row_of_a_run_takes_the_place_of_the_first(tmp_path: Path) -> None:
    _record(tmp_path, "a", "b")
    with ResultsWriter(tmp_path, SUITE) as writer:
        writer.record(_row("a", safety="lost"), measured(CONFIG).tables)
    assert list(results.runs(tmp_path)["safety"]) == ["lost", "ok"]


def test_the_suite_lies_beside_the_results_and_can_be_run_again(tmp_path: Path) -> None:
    suite = Suite(name="s", description='a "test"', repeats=2, axes={"clients": [1, 2]})
    with ResultsWriter(tmp_path, suite):
        pass
    assert load_suite(str(tmp_path / "suite.toml")) == suite


@pytest.mark.parametrize("moment", range(len(TABLES) + 1))
def test_a_run_is_there_with_all_its_tables_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Killed before any of its files takes its name, a run leaves what was there before."""
    _record(tmp_path, "a")
    renames: list[Path] = []
    replace = Path.replace

    def replace_or_die(self: Path, target: Path) -> Path:
        if len(renames) == moment:
            raise KeyboardInterrupt
        renames.append(target)
        return replace(self, target)

    with ResultsWriter(tmp_path, SUITE) as writer:
        monkeypatch.setattr(Path, "replace", replace_or_die)
        with pytest.raises(KeyboardInterrupt):
            writer.record(_row("b"), _tables())
        monkeypatch.undo()
        assert set(writer.rows()) == {"a"}
    assert len(renames) == moment
    assert list(results.runs(tmp_path)["run_id"]) == ["a"]
    assert all(set(read(tmp_path)["run_id"]) == {"a"} for read in READERS.values())


def test_rows_are_on_disk_before_they_take_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        events.append("fsync")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    _record(tmp_path, "a")
    alone, together = ["fsync", "rename", "fsync"], len(TABLES)
    tables = ["fsync"] * together + ["rename"] * together + ["fsync"] * together
    assert events == [*alone, *tables, *alone], "the suite; all tables of the run; its row last"


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path, SUITE):
        assert _message(tmp_path) == f"{tmp_path}: another sweep is writing here"
    with ResultsWriter(tmp_path, SUITE):
        pass


def test_another_suite_is_refused(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    with pytest.raises(ResultsError) as refusal, ResultsWriter(tmp_path, Suite(name="t")):
        pass
    assert str(refusal.value) == (
        f"{tmp_path}: holds results of the suite s, not of t; choose another folder"
    )


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert _message(tmp_path) == (
        f"{tmp_path}: holds other files and no results; choose a new folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_which_a_sweep_was_watched_and_nothing_else_is_taken(tmp_path: Path) -> None:
    """Whoever was killed has left its progress, and perhaps what was to become that."""
    content = progress.write(tmp_path, PROGRESS)
    (tmp_path / f"{progress.PROGRESS_FILE}.0123abcd").write_bytes(content[:10])
    _record(tmp_path, "a")
    assert list(results.runs(tmp_path)["run_id"]) == ["a"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "results"
    assert _message(folder) == f"{folder}: cannot be written: Not a directory"


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultsError) as refusal:
        results.runs(tmp_path)
    assert str(refusal.value) == f"{tmp_path}: no results here (no runs.parquet)"


def test_a_file_that_is_no_table_is_told_in_one_line(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    path = tmp_path / "runs.parquet"
    path.write_bytes(b"not a table")
    with pytest.raises(ResultsError) as refusal:
        results.runs(tmp_path)
    assert str(refusal.value).startswith(f"{path}: not a result table: ")
    assert "\n" not in str(refusal.value)


def test_a_truncated_table_is_told_in_one_line(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    path = tmp_path / "latency" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ResultsError) as refusal:
        results.latency(tmp_path)
    assert str(refusal.value).startswith(f"{path}: not a result table: ")
    assert "\n" not in str(refusal.value)


def test_a_table_that_is_missing_is_told(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    path = tmp_path / "timeline" / "a.parquet"
    path.unlink()
    with pytest.raises(ResultsError) as refusal:
        results.timeline(tmp_path)
    assert str(refusal.value) == f"{path}: cannot be read: No such file or directory"


def test_a_table_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    pd.DataFrame({"suite": ["s"]}).to_parquet(path)
    with pytest.raises(ResultsError) as refusal:
        results.runs(tmp_path)
    assert str(refusal.value) == f"{path}: not a table of runs: lacks the column protocol"


def _refusal(folder: Path, table: pd.DataFrame) -> str:
    """Return what both a reader and a writer say of a folder with this table of runs."""
    path = folder / "runs.parquet"
    table.to_parquet(path)
    with pytest.raises(ResultsError) as refusal:
        results.runs(folder)
    assert _message(folder) == str(refusal.value)
    return str(refusal.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "key", ["faults", "recovery_s", "cpu_us_per_request", "lag_ms", "wall_s", "commit"]
)
def test_results_of_another_version_are_told(tmp_path: Path, key: str) -> None:
    _record(tmp_path, "a")
    table = results.runs(tmp_path).drop(columns=key)
    assert _refusal(tmp_path, table) == (
        "written by another version (read it with that one, or run the suite into a new folder): "
        f"lacks the column {key}"
    )


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("throughput_rps", "1e6", "numbers"),
        ("clients", "many", "numbers"),
        ("protocol", 1, "text"),
        ("started_at", 1.5, "text"),
    ],
)
def test_a_column_of_another_type_is_told(
    tmp_path: Path, key: str, value: object, right: str
) -> None:
    _record(tmp_path, "a")
    table = results.runs(tmp_path).assign(**{key: value})
    assert _refusal(tmp_path, table) == f"not a table of runs: the column {key} must hold {right}"


@pytest.mark.parametrize("key", ["replicas", "clients", "dilation", "duration_s", "repeat"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_setting_that_is_no_number_is_told(tmp_path: Path, key: str, value: float) -> None:
    _record(tmp_path, "a")
    table = results.runs(tmp_path).assign(**{key: value})
    assert _refusal(tmp_path, table) == f"not a table of runs: the column {key} lacks values"


@pytest.mark.parametrize(
    "run_id", ["../a", "..", "", "a/b", "a\0", "a b", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_a_run_id_that_is_no_plain_name_is_told(tmp_path: Path, run_id: str) -> None:
    _record(tmp_path, "a")
    table = results.runs(tmp_path).assign(run_id=run_id)
    assert _refusal(tmp_path, table) == "not a table of runs: a run_id is no plain name"


def test_a_table_of_a_run_without_one_of_its_columns_is_told(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    for name, read in READERS.items():
        path = tmp_path / name / "a.parquet"
        whole = pd.read_parquet(path)
        for key in ("run_id", *TABLES[name]):
            whole.drop(columns=key).to_parquet(path)
            with pytest.raises(ResultsError, match=f"the column {key} must be there and hold"):
                read(tmp_path)


def test_a_table_of_a_run_with_text_for_a_number_is_told(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    for name, read in READERS.items():
        path = tmp_path / name / "a.parquet"
        whole = pd.read_parquet(path)
        for key in whole.select_dtypes("number"):
            whole.assign(**{str(key): "many"}).to_parquet(path)
            with pytest.raises(ResultsError, match=f"the column {key} must .* numbers"):
                read(tmp_path)


def test_a_link_that_leads_out_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    for name in ("here", "elsewhere"):
        _record(tmp_path / name, "a")
    readers = {
        "timeline/a.parquet": results.timeline,
        "latency": results.latency,
        "runs.parquet": results.runs,
    }
    for inner, read in readers.items():
        read(tmp_path / "here")
        path = tmp_path / "here" / inner
        path.rename(tmp_path / "aside")
        path.symlink_to(tmp_path / "elsewhere" / inner)
        with pytest.raises(ResultsError, match="leads out of the folder"):
            read(tmp_path / "here")
        path.unlink()
        (tmp_path / "aside").rename(path)


def test_a_pipe_in_the_place_of_a_table_is_not_waited_for(tmp_path: Path) -> None:
    _record(tmp_path, "a")
    path = tmp_path / "timeline" / "a.parquet"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ResultsError, match="not a file"):
        results.timeline(tmp_path)


# --- Runs from another folder -------------------------------------------------------------------


def test_runs_of_another_folder_are_taken_over_with_their_tables(tmp_path: Path) -> None:
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    with ResultsWriter(home, SUITE) as writer:
        writer.record(_row("a"), _tables())
        writer.record(_row("b", outcome="no quorum"), NOTHING)
    _record(fetched, "b", "c")
    with ResultsWriter(home, SUITE) as writer:
        assert writer.adopt(fetched) == 2
        assert list(writer.rows()) == ["a", "b", "c"]
    assert list(results.runs(home)["run_id"]) == ["a", "b", "c"]
    assert set(results.timeline(home)["run_id"]) == {"a", "b", "c"}


@pytest.mark.parametrize("outcome", ["replica-1 died", "ok"])
def test_a_run_that_is_finished_here_is_left_as_it_is(tmp_path: Path, outcome: str) -> None:
    """A job may have failed at what was done since; its results can be fetched again and again."""
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    _record(home, "a")
    before = {path: path.read_bytes() for path in home.rglob("*.parquet")}
    with ResultsWriter(fetched, SUITE) as writer:
        writer.record(_row("a", outcome=outcome, commit="older"), NOTHING)
    with ResultsWriter(home, SUITE) as writer:
        assert writer.adopt(fetched) == 0
    assert {path: path.read_bytes() for path in home.rglob("*.parquet")} == before


@pytest.mark.parametrize(
    ("end", "told"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, "full"), ResultsError)],
)
def test_a_table_from_another_file_system_is_taken_over_whole_or_not_at_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: BaseException,
    told: type[BaseException],
) -> None:
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    with ResultsWriter(home, SUITE) as writer:
        writer.record(_row("a", outcome="no quorum"), NOTHING)
    before = {path: path.read_bytes() for path in home.rglob("*.parquet")}
    _record(fetched, "a")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    def copy_half(source: Path, target: Path, **_: object) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise end

    with ResultsWriter(home, SUITE) as writer:
        monkeypatch.setattr(os, "rename", refuse)
        monkeypatch.setattr(shutil, "copyfile", copy_half)
        with pytest.raises(told):
            writer.adopt(fetched)
        assert {path: path.read_bytes() for path in home.rglob("*.parquet")} == before
        monkeypatch.undo()
        assert writer.adopt(fetched) == 1
    assert all(set(read(home)["run_id"]) == {"a"} for read in READERS.values())


def test_a_row_without_all_its_tables_is_not_taken_over(tmp_path: Path) -> None:
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    _record(fetched, "a", "b")
    (fetched / "events" / "a.parquet").unlink()
    with ResultsWriter(home, SUITE) as writer:
        assert writer.adopt(fetched) == 1
    assert list(results.runs(home)["run_id"]) == ["b"]


def test_where_no_row_has_all_its_tables_nothing_is_taken_over(tmp_path: Path) -> None:
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    _record(fetched, "a")
    (fetched / "events" / "a.parquet").unlink()
    with ResultsWriter(home, SUITE) as writer:
        assert writer.adopt(fetched) == 0
    _record(home, "b")
    assert list(results.runs(home)["run_id"]) == ["b"]


def test_rows_that_do_not_match_are_told_in_one_line_and_nothing_is_taken_over(
    tmp_path: Path,
) -> None:
    home, fetched = tmp_path / "home", tmp_path / "fetched"
    _record(fetched, "b")
    pd.DataFrame([_row("b", later="text")]).to_parquet(results.runs_path(fetched))
    with ResultsWriter(home, SUITE) as writer:
        writer.record(_row("a", later=1.0), _tables())
        with pytest.raises(ResultsError, match="rows do not match those that are there: ") as told:
            writer.adopt(fetched)
        assert list(writer.rows()) == ["a"]
    assert "\n" not in str(told.value)
    assert (fetched / "timeline" / "b.parquet").is_file()


def test_a_run_id_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    home, fetched, beside = tmp_path / "home", tmp_path / "fetched", tmp_path / "x.parquet"
    _record(fetched, "a")
    beside.write_bytes(b"not theirs")
    rows = pd.DataFrame([_row("a"), _row("../../x")])
    rows.to_parquet(results.runs_path(fetched))
    with ResultsWriter(home, SUITE) as writer, pytest.raises(ResultsError, match="no plain name"):
        writer.adopt(fetched)
    assert beside.read_bytes() == b"not theirs"


def test_runs_of_another_suite_are_not_taken_over(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    _record(fetched, "a")
    with (
        ResultsWriter(tmp_path / "home", Suite(name="other")) as writer,
        pytest.raises(ResultsError, match="holds results of the suite s, not of other"),
    ):
        writer.adopt(fetched)


def test_the_table_of_runs_keeps_the_order_of_its_columns_and_whole_numbers(tmp_path: Path) -> None:
    """Also where a folder is written in several goes, and rows have other columns at their end."""
    _record(tmp_path, "a", "b")
    before = results.runs(tmp_path)
    with ResultsWriter(tmp_path, SUITE) as writer:
        writer.record(_row("c") | {"later_version": "1.0"}, measured(CONFIG).tables)
        assert list(writer.rows()) == ["a", "b", "c"]
    after = results.runs(tmp_path)
    assert list(after.columns) == [*before.columns, "later_version"]
    assert (after.dtypes[before.columns] == before.dtypes).all()
    assert list(after["later_version"].notna()) == [False, False, True]
