"""Result folders below a root: what is there is found, what is broken told, nothing else read."""

import os
from pathlib import Path

import pandas as pd
import pytest

from dashboards.app.library import Library
from experiments.results import ResultsError
from tests.dashboards.result_set import runs_of


def record(folder: Path, **axes: tuple[int, ...]) -> None:
    folder.mkdir(parents=True)
    runs_of(**axes).to_parquet(folder / "runs.parquet")


def test_folders_are_found_however_they_are_nested_the_latest_first(tmp_path: Path) -> None:
    record(tmp_path / "old")
    record(tmp_path / "reproduction" / "suite")
    os.utime(tmp_path / "old" / "runs.parquet", (1, 1))
    names = [folder.name for folder in Library(tmp_path).folders()]
    assert names == ["reproduction/suite", "old"]


def test_a_root_that_is_a_result_folder_itself_is_found(tmp_path: Path) -> None:
    record(tmp_path / "one")
    assert [folder.name for folder in Library(tmp_path / "one").folders()] == ["."]


def test_what_is_broken_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    record(tmp_path / "good", clients=(1, 10))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "runs.parquet").write_bytes(b"half a fi")
    library = Library(tmp_path)
    problems = {folder.name: folder.problem for folder in library.folders()}
    assert problems["good"] == ""
    assert "not a result table" in problems["bad"]
    assert set(library.points(["good", "bad"])["folder"]) == {"good"}


def test_a_folder_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    record(tmp_path / "one", clients=(1,))
    library = Library(tmp_path)
    before = library.points(["one"])
    assert len(library.points(["one"])) == len(before)
    runs_of(clients=(1, 10, 100)).to_parquet(tmp_path / "one" / "runs.parquet")
    assert len(library.points(["one"])) == 3 * len(before)


def test_no_folders_are_no_points(tmp_path: Path) -> None:
    assert Library(tmp_path).points([]).empty
    assert isinstance(Library(tmp_path).runs(["x"]), pd.DataFrame)


def test_what_lies_below_a_result_folder_or_behind_a_link_is_no_result(tmp_path: Path) -> None:
    record(tmp_path / "root" / "one")
    record(tmp_path / "root" / "one" / "below")
    record(tmp_path / "root" / "a" / "b" / "c" / "too-deep")
    record(tmp_path / "elsewhere")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    library = Library(tmp_path / "root")
    assert [folder.name for folder in library.folders()] == ["one"]
    for name in ("one/below", "a/b/c/too-deep", "link", "./one", "one/"):
        assert library.runs([name]).empty


def test_the_linter_looks_at_folders_together(tmp_path: Path) -> None:
    for frame in (1, 128):
        runs = runs_of(clients=(1,)).assign(requests_per_frame_max=frame)
        (tmp_path / str(frame)).mkdir()
        runs.to_parquet(tmp_path / str(frame) / "runs.parquet")
    library = Library(tmp_path)
    rules = {
        tuple(names): set(library.linted(names, "latency_ms_p99")["rule"])
        for names in (["1"], ["128"], ["1", "128"])
    }
    assert "mixed-frames" in rules["1", "128"]
    assert "mixed-frames" not in rules["1",] | rules["128",]
    assert library.linted(["gone"], "latency_ms_p99").empty


def test_findings_are_those_of_the_report(tmp_path: Path) -> None:
    record(tmp_path / "one", clients=(1, 100))
    headings = [each.heading for each in Library(tmp_path).findings("one")]
    assert headings[:2] == ["What was run", "S-Paxos against JPaxos"]


@pytest.mark.parametrize("name", ["../secret", "/etc", "a/../../secret", "", "one/timeline"])
def test_no_name_leads_out_of_the_root(tmp_path: Path, name: str) -> None:
    record(tmp_path / "root" / "one")
    record(tmp_path / "secret")
    library = Library(tmp_path / "root")
    with pytest.raises(ResultsError):
        library.path(name)
    assert library.runs([name]).empty
