"""Runs that do not count are told of in the explorer, and lead to their pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

from dashboards.app.explore_doubts import lost_notice, lost_runs
from dashboards.app.library import Library
from dashboards.app.view import View
from experiments import results
from tests.dashboards.app.browsing import Site, visited
from tests.dashboards.app.seen import links, texts
from tests.dashboards.result_set import failed, runs_of

NAMES = ("JPaxos", "S-Paxos")


@pytest.fixture
def cut_off(browser: Browser, root: Path, tmp_path: Path) -> Iterator[Site]:
    """Serve results of which all runs under 100 clients have failed."""
    shutil.copytree(root / "before", tmp_path / "cut")
    runs = results.runs(tmp_path / "cut")
    for row in runs.index[runs["clients"] == 100]:
        runs = failed(runs, row, outcome="<i>no quorum</i>", safety="")
    runs.to_parquet(tmp_path / "cut" / "runs.parquet")
    with visited(browser, tmp_path) as site:
        yield site


def test_failed_runs_are_counted_and_listed_and_each_can_be_opened(cut_off: Site) -> None:
    page = cut_off.open("/")
    page.get_by_role("button", name="2 of 4 runs do not count").click()
    listed = page.get_by_role("dialog").get_by_role("listitem")
    expect(listed).to_have_text(
        [
            f"{name}, clients = 100, repeat 0: <i>no quorum</i> open the run"
            f" of {name}, n = 3, clients = 100"
            for name in NAMES
        ]
    )
    listed.last.get_by_role("link").click()
    expect(page.get_by_role("heading", name="S-Paxos, n = 3, 100 clients")).to_be_visible()
    expect(page.get_by_text("This run does not count")).to_be_visible()


def test_a_curve_that_failed_runs_cut_off_is_warned_of_above_the_figure(cut_off: Site) -> None:
    said = cut_off.open("/").locator("#explore-said")
    expect(said.get_by_role("alert")).to_contain_text("JPaxos with 100 clients; S-Paxos")
    expect(said.get_by_text("failed ones cut these curves off").first).to_be_visible()


def library_of(root: Path, runs: pd.DataFrame) -> Library:
    (root / "one").mkdir()
    runs.to_parquet(root / "one" / "runs.parquet")
    return Library(root)


def test_where_every_run_counts_there_is_nothing_to_tell(tmp_path: Path) -> None:
    library = library_of(tmp_path, runs_of(clients=(10,)))
    assert lost_notice(library, View(folders=("one",))) is None


def test_only_runs_that_the_filters_let_through_are_told_of(tmp_path: Path) -> None:
    runs = failed(runs_of(clients=(10,)), 0, outcome="timed out", safety="")
    library = library_of(tmp_path, failed(runs, 4, safety="replica 2 disagrees"))
    of_spaxos = lost_runs(library, View(folders=("one",), filters={"protocol": ("spaxos",)}))
    assert of_spaxos["reason"].tolist() == ["broke a guarantee: replica 2 disagrees"]
    both = lost_notice(library, View(folders=("one",)))
    assert "2 of 6 runs do not count" in texts(both)
    assert len(links(both)) == 2


def test_of_many_failed_runs_the_first_are_listed(tmp_path: Path) -> None:
    runs = runs_of(repeats=10).assign(outcome="timed out")
    notice = lost_notice(library_of(tmp_path, runs), View(folders=("one",)))
    assert sum(map(len, links(notice).values())) == 30
    assert "and 90 more: the table below the figure has all of them" in texts(notice)
