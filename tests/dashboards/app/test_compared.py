"""The page that compares: regressions stand out, and what cannot be compared is said."""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

from dashboards import theme
from dashboards.app import compared, one_run
from dashboards.app.library import Library
from tests.dashboards.app.browsing import Site, visited
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


def test_what_neither_side_has_a_number_of_is_a_dash(tmp_path: Path) -> None:
    """The CPU of hosts in virtual time, for instance, unless it is modelled."""
    idle = RUNS.assign(cpu_us_per_request=float("nan"))
    said = texts(shown(tmp_path, idle, idle))
    assert f"%) | {theme.GAP} | before" in said


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


def test_sets_that_share_no_point_are_not_called_the_same(tmp_path: Path) -> None:
    before = RUNS[RUNS["protocol"] == "jpaxos"]
    after = RUNS[RUNS["protocol"] == "spaxos"].assign(clients=20)
    both = pd.concat([after, after.assign(clients=30)])
    said = texts(shown(tmp_path, both, before))
    assert "Nothing else differs" not in said
    assert "configuration | protocol | jpaxos | spaxos" in said


def test_without_a_change_in_points_that_match_it_says_so(tmp_path: Path) -> None:
    assert "Nothing else differs" in texts(shown(tmp_path, RUNS))


def test_other_suites_or_faults_are_told_above_the_verdict(tmp_path: Path) -> None:
    after = RUNS.assign(suite="another", faults="2 kill host leader")
    said = texts(shown(tmp_path, after))
    assert "suite: synthetic before, another after" in said
    assert "faults: none before, 2 kill host leader after" in said
    assert said.index("another after") < said.index("No point is worse")


def test_unclear_points_are_named_in_the_heading(tmp_path: Path) -> None:
    scattered = runs_of(("jpaxos",), clients=(1,)).assign(throughput_rps=[100.0, 150.0, 50.0])
    slower = scattered.assign(throughput_rps=0.8 * scattered["throughput_rps"])
    page = shown(tmp_path, slower, before=scattered)
    assert "No point is worse beyond chance, but 1 is unclear" in texts(page)
    assert "No point is worse than before" not in texts(page)


def test_it_says_what_decides_without_repeats(tmp_path: Path) -> None:
    assert "without repeats, the change alone decides" in texts(shown(tmp_path, RUNS))


def written(root: Path, *suites: str) -> Library:
    """Write a result set of each suite, the latest first; they are called 0, 1, ..."""
    for number, suite in enumerate(suites):
        path = root / str(number) / "runs.parquet"
        path.parent.mkdir()
        RUNS.assign(suite=suite).to_parquet(path)
        os.utime(path, (1000 - number, 1000 - number))
    return Library(root)


@pytest.mark.parametrize(
    ("query", "before", "after"),
    [
        ("", "2", "1"),
        ("b=2", "1", "2"),
        ("a=1", "1", "2"),
        ("b=0", None, "0"),
        ("a=0&b=1", "0", "1"),
    ],
)
def test_what_a_link_leaves_open_are_the_latest_of_the_same_suite(
    tmp_path: Path, query: str, before: str | None, after: str | None
) -> None:
    library = written(tmp_path, "faults", "demo", "demo", "demo2")
    assert compared.chosen(library, list("0123"), query) == (before, after)


def test_where_no_two_are_of_the_same_suite_it_asks(browser: Browser, tmp_path: Path) -> None:
    written(tmp_path, "faults", "demo")
    with visited(browser, tmp_path) as site:
        page = site.open("/compare")
        expect(page.get_by_text("Choose two result folders")).to_be_visible()
        expect(page.get_by_text("worse than before")).to_have_count(0)


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


def test_the_linter_marks_each_number_that_it_is_about(tmp_path: Path) -> None:
    """Messages that were lost make high percentiles, and no throughput."""
    settled = RUNS.assign(duration_s=60.0, completed=1e6, limit_rps=RUNS["throughput_rps"])
    lossy = settled.assign(dropped=settled["protocol"].map({"jpaxos": 0.0, "spaxos": 3.0}))
    said = texts(shown(tmp_path, lossy, before=settled))
    marked = re.findall(r"\| ([^|]*) \| [^|]* \| Read with care: ([^|]*) \|", said)
    (p99,) = settled.groupby("protocol")["latency_ms_p99"].median().loc[["spaxos"]]
    values = theme.significant(p99)
    arrow = "\N{RIGHTWARDS ARROW}"
    assert marked == [(f"{values} {arrow} {values}", "3 messages or frames were dropped")]


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


def test_no_threshold_is_shown_but_that_which_is_used(site: Site) -> None:
    page = site.open("/compare", a="before", b="after", threshold="5000")
    expect(page.get_by_text("by more than 5%")).to_be_visible()
    page.get_by_label("Threshold").fill("5000")
    expect(page.get_by_label("Threshold")).to_have_value("5%")
    page.get_by_label("Threshold").fill("30")
    expect(page.get_by_text("by more than 30%")).to_be_visible()


def test_the_choices_are_in_the_link_and_a_link_has_them_again(site: Site) -> None:
    page = site.open("/compare", a="before", b="after", threshold="20")
    expect(page.get_by_text("by more than 20%")).to_be_visible()
    page.get_by_label("Threshold").fill("30")
    expect(page.get_by_text("by more than 30%")).to_be_visible()
    page.wait_for_url("**threshold=30")
    page.get_by_role("link", name="before").first.click()
    expect(page.get_by_role("heading", name="n = 3")).to_be_visible()


def test_back_leads_to_the_page_before_whatever_was_chosen(site: Site) -> None:
    page = site.open("/")
    page.get_by_role("navigation").get_by_role("link", name="Compare").click()
    page.wait_for_url("**threshold=5")
    page.get_by_label("Threshold").fill("30")
    page.wait_for_url("**threshold=30")
    page.go_back()
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_from_a_run_its_results_are_compared(site: Site, root: Path) -> None:
    page = site.open("/compare", a="before", b="after")
    page.get_by_role("link", name="after").first.click()
    page.get_by_role("link", name="Compare these results").click()
    expect(page.get_by_label("After (B)").first).to_have_value("after")
