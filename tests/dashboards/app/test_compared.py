"""The page that compares: regressions stand out, and what cannot be compared is said."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboards.app import compared, one_run
from dashboards.app.library import Library
from tests.dashboards.app.conftest import Site
from tests.dashboards.app.seen import drawn_by_code, graphs, links, texts
from tests.dashboards.result_set import failed, runs_of

RUNS = runs_of(clients=(10,))


def shown(root: Path, after: pd.DataFrame, before: pd.DataFrame = RUNS) -> Any:
    """Write two result sets, and return what the page shows of them."""
    for name, runs in (("before", before), ("after", after)):
        (root / name).mkdir()
        runs.to_parquet(root / name / "runs.parquet")
    return list(compared.compared(Library(root), "before", "after", 0.05))


def test_a_point_that_became_slower_is_worse(tmp_path: Path) -> None:
    slower = RUNS["throughput_rps"].where(RUNS["protocol"] == "spaxos", 0.5 * RUNS.throughput_rps)
    said = texts(shown(tmp_path, RUNS.assign(throughput_rps=slower)))
    assert "Some points are worse than before" in said
    assert "1 worse | 1 within" in said
    assert "-50.0% (" in said


def test_the_figure_is_the_one_its_code_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(tmp_path, RUNS.assign(latency_ms_p99=2 * RUNS["latency_ms_p99"]))
    assert list(graphs(page)) == ["changes"]
    assert drawn_by_code(page, monkeypatch) == graphs(page)


def test_what_else_changed_is_told_by_its_kind(tmp_path: Path) -> None:
    said = texts(shown(tmp_path, RUNS.assign(window=9, ray_version="3.0", cpu_model="Another")))
    assert "configuration | window | 2 | 9" in said
    assert "versions | ray_version | 2.60.0 | 3.0" in said
    assert "machine | cpu_model" in said


def test_where_nothing_pairs_it_says_why(tmp_path: Path) -> None:
    page = shown(tmp_path, runs_of(clients=(500, 600)))
    assert "none in common: clients is 10 in A, 500, 600 in B." in texts(page)
    assert graphs(page) == {}


def test_points_without_sound_runs_on_both_sides_cannot_be_compared(tmp_path: Path) -> None:
    lost = RUNS
    for row in RUNS.index:
        lost = failed(lost, row, outcome="no quorum", safety="")
    said = texts(shown(tmp_path, after=RUNS, before=lost))
    assert "none in common with sound runs in both." in said


def test_a_failure_is_told_with_its_point(tmp_path: Path) -> None:
    lost = RUNS
    for row in RUNS.index[RUNS["protocol"] == "jpaxos"]:
        lost = failed(lost, row, outcome="no quorum", safety="")
    assert "protocol=jpaxos | no quorum | lost" in texts(shown(tmp_path, lost))


def test_different_frames_are_told_between_the_sets(tmp_path: Path) -> None:
    said = texts(shown(tmp_path, RUNS.assign(requests_per_frame_max=1)))
    assert "Before and after | Read with care" in said
    assert "requests_per_frame_max is 0, 1" in said


def test_the_linter_marks_the_points_it_is_about(tmp_path: Path) -> None:
    without_warmup = RUNS["warmup_s"].where(RUNS["protocol"] == "spaxos", 0.0)
    settled = RUNS.assign(duration_s=60.0, completed=1e6, limit_rps=RUNS["throughput_rps"])
    said = texts(shown(tmp_path, settled.assign(warmup_s=without_warmup), before=settled))
    assert said.count("Read with care: 0 s of warm-up") == 1


def test_each_point_leads_to_a_sound_run_of_either_side(tmp_path: Path) -> None:
    after = failed(RUNS, RUNS.index[0], outcome="no quorum", safety="")
    leads_to = {name: set(each) for name, each in links(shown(tmp_path, after)).items()}
    assert leads_to == {
        "before": {one_run.link("before", f"{each}-3-10-0") for each in ("jpaxos", "spaxos")},
        "after": {
            one_run.link("after", "jpaxos-3-10-1"),
            one_run.link("after", "spaxos-3-10-0"),
        },
    }


def test_the_same_set_twice_is_said(tmp_path: Path) -> None:
    shown(tmp_path, RUNS)
    said = texts(list(compared.compared(Library(tmp_path), "before", "before", 0.05)))
    assert "The same results twice" in said


def test_a_folder_that_has_gone_is_told(tmp_path: Path) -> None:
    assert "This cannot be compared" in texts(
        list(compared.compared(Library(tmp_path), "gone", "gone", 0.05))
    )


@pytest.mark.parametrize("text", ["x", "", "-1", "nan", "inf", "1e9", "None"])
def test_a_threshold_that_makes_no_sense_is_that_of_the_command(text: str) -> None:
    assert compared.percent(text) == 5.0


def test_the_choices_are_in_the_link_and_a_link_has_them_again(site: Site) -> None:
    page = site.open("/compare", a="before", b="after", threshold="20")
    expect(page.get_by_text("by more than 20%")).to_be_visible()
    page.get_by_label("Threshold").fill("30")
    expect(page.get_by_text("by more than 30%")).to_be_visible()
    page.wait_for_url("**threshold=30")
    page.get_by_role("link", name="before").first.click()
    expect(page.get_by_role("heading", name="n = 3")).to_be_visible()


def test_from_a_run_its_results_are_compared(site: Site, root: Path) -> None:
    page = site.open("/compare", a="before", b="after")
    page.get_by_role("link", name="after").first.click()
    page.get_by_role("link", name="Compare these results").click()
    expect(page.get_by_label("After (B)").first).to_have_value("after")
