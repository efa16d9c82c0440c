"""Result folders below a root: what is there is found, what is broken told, nothing else read."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from dashboards.app import explore, explore_doubts, explore_said, explore_table, one_run
from dashboards.app.library import Library
from dashboards.app.view import View
from experiments import progress, results, summarise
from experiments.results import ResultsError
from tests.dashboards.app.seen import texts
from tests.dashboards.result_set import runs_of
from tests.dashboards.test_report import write_results
from tests.experiments.test_progress import PROGRESS


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


def test_of_what_has_gone_or_is_broken_it_says_why(tmp_path: Path) -> None:
    record(tmp_path / "good", clients=(1, 10))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "runs.parquet").write_bytes(b"half a fi")
    gone, bad = Library(tmp_path).unread(["good", "gone", "bad"])
    assert gone == "gone: no result folder of that name"
    assert "not a result table" in bad


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


def test_repeats_of_one_folder_are_none_of_another(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        runs_of(clients=(1,), repeats=1).to_parquet(tmp_path / name / "runs.parquet")
    said = Library(tmp_path).linted(["a", "b", "c"], "latency_ms_p99")
    few = said[said["rule"] == "few-repeats"]
    assert few.groupby("folder")["run_id"].nunique().to_dict() == {"a": 2, "b": 2, "c": 2}


def test_the_linter_says_of_a_folder_what_it_says_of_its_runs_one_by_one(tmp_path: Path) -> None:
    """Also what only shows over time: a queue that grows, a busy fleet, messages that are lost."""
    bad = {"dropped": 9.0, "cpu_cores_busiest_fleet": 0.99, "in_flight_last_third": 1e6}
    runs = runs_of(clients=(1,)).assign(arrival_rate_rps=1e3, **bad)
    runs.to_parquet(tmp_path / "runs.parquet")
    said = Library(tmp_path).linted(["."])
    assert {"growing-queue", "saturated-fleet", "lost-messages"} <= set(said["rule"])


def test_what_the_linter_says_of_a_run_is_not_said_of_its_copy(tmp_path: Path) -> None:
    for name, warmup_s in (("settled", 2.0), ("cold", 0.0)):
        (tmp_path / name).mkdir()
        runs = runs_of(clients=(1,)).assign(warmup_s=warmup_s)
        runs.to_parquet(tmp_path / name / "runs.parquet")
    said = Library(tmp_path).linted(["settled", "cold"], "latency_ms_p99")
    assert set(said[said["rule"] == "no-warmup"]["folder"]) == {"cold"}


def test_the_linter_says_of_folders_together_whether_frames_are_mixed(tmp_path: Path) -> None:
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
    both = library.linted(["1", "128"], "latency_ms_p99")
    assert set(both[both["rule"] == "mixed-frames"]["folder"]) == {"1", "128"}
    assert library.linted(["gone"], "latency_ms_p99").empty


def test_findings_are_those_of_the_report(tmp_path: Path) -> None:
    record(tmp_path / "one", clients=(1, 100))
    headings = [each.heading for each in Library(tmp_path).findings("one")]
    assert headings[:2] == ["What was run", "S-Paxos against JPaxos"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc",
        "a/../../secret",
        "",
        "one/timeline",
        "a" * 300,
        "a\0",
        "one/" + "a" * 300,
    ],
)
def test_no_name_leads_out_of_the_root(tmp_path: Path, name: str) -> None:
    record(tmp_path / "root" / "one")
    record(tmp_path / "secret")
    library = Library(tmp_path / "root")
    with pytest.raises(ResultsError):
        library.path(name)
    assert library.runs([name]).empty
    assert library.progress(name) is None


def test_no_link_leads_out_of_the_root(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    write_results(root / "one", runs_of(clients=(1,)))
    write_results(secret, runs_of(clients=(1,)))
    (root / "two").mkdir()
    (root / "two" / "runs.parquet").symlink_to(secret / "runs.parquet")
    shutil.rmtree(root / "one" / "events")
    (root / "one" / "events").symlink_to(secret / "events")
    progress.write(secret, PROGRESS)
    (root / "two" / "progress.json").symlink_to(secret / "progress.json")
    library = Library(root)
    problems = {folder.name: folder.problem for folder in library.folders()}
    assert problems["one"] == ""
    assert "leads out of the folder" in problems["two"]
    assert library.runs(["two"]).empty
    assert library.progress("two") is None
    with pytest.raises(ResultsError, match="leads out of the folder"):
        results.events(library.path("one"))


@pytest.mark.parametrize("inner", ["scorecard.json", "messages/counts.parquet", "srds12_clients"])
def test_no_link_in_a_reproduction_leads_out_of_the_root(tmp_path: Path, inner: str) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    for folder in (root / "rep", secret):
        (folder / "messages").mkdir(parents=True)
        for name in ("scorecard.json", "messages/counts.parquet"):
            (folder / name).touch()
        record(folder / "srds12_clients")
    library = Library(root)
    assert library.reproduction("rep") == root / "rep"
    path = root / "rep" / inner
    path.rename(tmp_path / "aside")
    path.symlink_to(secret / inner)
    with pytest.raises(ResultsError, match="leads out of"):
        library.reproduction("rep")


def test_what_has_gone_or_leads_to_nothing_is_left_out(tmp_path: Path) -> None:
    record(tmp_path / "one")
    for name in ("runs.parquet", "scorecard.json"):
        (tmp_path / "gone").mkdir(exist_ok=True)
        (tmp_path / "gone" / name).symlink_to(tmp_path / "nothing")
    library = Library(tmp_path)
    assert [folder.name for folder in library.folders()] == ["one"]
    assert library.reproductions() == []


def work(library: Library, name: str) -> None:
    """Have everything made that the pages show of a folder."""
    run_id = library.runs([name])["run_id"].iloc[0]
    assert library.findings(name)
    library.linted([name], "latency_ms_p99")
    explore.layout(library, urlencode({"folders": name}))
    said = texts(one_run.layout(library, urlencode({"folder": name, "run": run_id})))
    assert "Everything that was recorded" in said


def test_a_folder_that_lacks_a_column_is_told(tmp_path: Path) -> None:
    record(tmp_path / "new")
    record(tmp_path / "old")
    library = Library(tmp_path)
    for key in results.RUNS_COLUMNS:
        runs_of(clients=(1,)).drop(columns=key).to_parquet(tmp_path / "old" / "runs.parquet")
        problems = {folder.name: folder.problem for folder in library.folders()}
        assert problems["new"] == ""
        assert f"lacks the column {key}" in problems["old"]


def test_pages_need_no_other_columns(tmp_path: Path) -> None:
    write_results(tmp_path / "one", runs_of(clients=(1, 10))[list(results.RUNS_COLUMNS)])
    work(Library(tmp_path), "one")


@pytest.mark.parametrize("value", [np.nan, 0.0])
@pytest.mark.parametrize("rate_rps", [0.0, 1e4])
def test_measures_that_are_missing_or_zero_break_no_page(
    tmp_path: Path, value: float, rate_rps: float
) -> None:
    measures = dict.fromkeys(["limit_rps", "completed", "wall_s", *summarise.MEASURES], value)
    runs = runs_of(clients=(1, 10), repeats=1).assign(arrival_rate_rps=rate_rps, **measures)
    write_results(tmp_path / "one", runs)
    work(Library(tmp_path), "one")


@pytest.mark.parametrize("backend", ["", "<b>of tomorrow</b>"])
def test_a_backend_of_another_version_breaks_no_page(tmp_path: Path, backend: str) -> None:
    write_results(tmp_path / "one", runs_of(clients=(1,)).assign(backend=backend))
    said = Library(tmp_path).findings("one")[0].text
    assert "by the backend" in said
    assert "<b>of" not in said


def test_a_folder_that_goes_away_is_no_longer_told_of(tmp_path: Path) -> None:
    record(tmp_path / "one")
    library = Library(tmp_path)
    point = library.points(["one"]).iloc[0]
    assert explore_said.run_ids_of(library, point)
    shutil.rmtree(tmp_path / "one")
    assert explore_said.run_ids_of(library, point) == []
    assert "Set for it" in texts(explore_said.point_said(library, point))
    assert "Nothing to show yet" in texts(explore.layout(library, "folders=one"))


def test_a_point_keeps_its_name_when_more_runs_have_come(tmp_path: Path) -> None:
    record(tmp_path / "one", clients=(100,))
    library = Library(tmp_path)
    before = library.points(["one"])
    runs_of(clients=(1, 10, 100)).to_parquet(tmp_path / "one" / "runs.parquet")
    after = library.points(["one"])
    assert after.index.is_unique
    for name, row in before.iterrows():
        assert (after.loc[name, ["protocol", "clients"]] == row[["protocol", "clients"]]).all()


def test_the_same_point_of_two_folders_has_two_names(tmp_path: Path) -> None:
    for name in ("one", "other"):
        record(tmp_path / name, clients=(1, 10))
    assert Library(tmp_path).points(["one", "other"]).index.is_unique


class Vanishing(Library):
    """Has its folders vanish after so many looks at them."""

    def __init__(self, root: Path, looks: int) -> None:
        super().__init__(root)
        self._looks = looks

    def path(self, name: str) -> Path:
        self._looks -= 1
        if self._looks < 0:
            raise ResultsError(f"{name}: gone")
        return super().path(name)


@pytest.mark.parametrize("looks", range(9))
def test_a_folder_may_go_in_the_middle_of_an_answer(tmp_path: Path, looks: int) -> None:
    record(tmp_path / "one", clients=(1,))
    view = View(folders=("one",), page=1)
    said = Vanishing(tmp_path, looks).linted(["one"])
    assert said.empty == (looks == 0)
    assert "rule" in said
    table = texts(explore_table.page_of(Vanishing(tmp_path, looks), view)[0])
    assert "JPaxos" in table or "one: gone" in table
    _, main = explore._body(Vanishing(tmp_path, looks), view)
    assert "one: gone" in texts(main) or looks > 1
    explore_doubts.caution_notice(Vanishing(tmp_path, looks), view)
    explore_doubts.lost_notice(Vanishing(tmp_path, looks), view)
    assert texts(explore_said.results_said(Vanishing(tmp_path, looks), ["one"]))
