"""The table of the points: by keyboard to any run, page by page, sorted, with failed runs too."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.app.explore_table import ROWS_MAX, page_of
from dashboards.app.library import Library
from dashboards.app.one_run import link
from dashboards.app.view import View
from tests.dashboards.app.browsing import TRACES, Site, visited
from tests.dashboards.app.seen import links, texts
from tests.dashboards.result_set import failed, runs_of

NAME = "Table of the points, and of runs that do not count"


@pytest.fixture
def large(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Serve results of 40 points, and of a run that failed."""
    library_of(tmp_path, failed(runs_of(clients=tuple(range(1, 21))), 0, outcome="timed out"))
    with visited(browser, tmp_path) as site:
        yield site


def library_of(root: Path, runs: pd.DataFrame) -> Library:
    (root / "one").mkdir()
    runs.to_parquet(root / "one" / "runs.parquet")
    return Library(root)


def rows(page: Page) -> list[str]:
    return page.locator("#explore-rows tbody tr").all_inner_texts()


def test_a_run_is_opened_by_keyboard_alone(site: Site) -> None:
    page = site.open("/", folders="before")
    expect(page.locator(TRACES)).to_have_count(2)
    page.get_by_role("button", name=NAME).focus()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="run 1 of JPaxos, n = 3, clients = 10", exact=True)
    expect(link).to_be_visible()
    for _ in range(12):  # Past what sorts the table, and a mark of the linter.
        page.keyboard.press("Tab")
        if link.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/run?folder=before**")
    expect(page.get_by_role("heading", name="JPaxos, n = 3, 10 clients")).to_be_visible()


def test_a_table_is_made_when_it_is_opened_and_has_pages(large: Site) -> None:
    page = large.open("/")
    expect(page.locator(TRACES)).to_have_count(2)
    assert rows(page) == []
    page.get_by_role("button", name=NAME).click()
    table = page.locator("#explore-rows tbody tr")
    expect(table).to_have_count(ROWS_MAX)
    page.get_by_role("button", name="2", exact=True).click()
    expect(table).to_have_count(41 - ROWS_MAX)
    expect(table.last).to_contain_text("S-Paxos")
    page.wait_for_url("**page=2**")
    page.reload()
    expect(table).to_have_count(41 - ROWS_MAX)


def test_another_filter_shows_the_first_page(large: Site) -> None:
    page = large.open("/", page="2")
    table = page.locator("#explore-rows tbody tr")
    expect(table).to_have_count(41 - ROWS_MAX)
    page.get_by_role("textbox", name="protocol", exact=True).click()
    page.get_by_role("option", name="jpaxos", exact=True).click()
    expect(table).to_have_count(21)
    page.wait_for_url("**page=1**")


def test_the_table_is_sorted_as_the_link_says(large: Site) -> None:
    page = large.open("/", page="1")
    page.get_by_text("Throughput", exact=True).click()
    first = page.locator("#explore-rows tbody tr").first
    expect(first).to_contain_text("JPaxos")
    expect(first).to_contain_text("20")
    page.wait_for_url("**sort=throughput_rps**")
    assert parse_qs(urlsplit(page.url).query)["page"] == ["1"]
    page.reload()
    expect(page.get_by_role("radio", name="Throughput")).to_be_checked()


def test_a_row_has_the_numbers_of_its_point_and_a_link_to_each_of_its_runs(tmp_path: Path) -> None:
    runs = runs_of(("jpaxos",), clients=(10,)).assign(throughput_rps=1234.0)
    shown, pages = page_of(library_of(tmp_path, runs), View(folders=("one",)))
    assert pages == 1
    assert "JPaxos | 10 | 1.23 k" in texts(shown)
    hrefs = [href for found in links(shown).values() for href in found]
    assert hrefs == [link("one", run_id) for run_id in runs["run_id"]]


def test_a_run_that_failed_has_its_reason_and_a_link(tmp_path: Path) -> None:
    runs = failed(runs_of(clients=(10,)), 0, outcome="timed out", safety="")
    shown, _ = page_of(library_of(tmp_path, runs), View(folders=("one",)))
    assert "timed out" in texts(shown)
    assert any("failed run" in said for said in links(shown))


def test_rows_stand_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    runs = runs_of(clients=(10, 1_000), repeats=1)
    runs = runs.assign(
        throughput_rps=[71.1, 74.4, 73.3, 72.2], latency_ms_p99=[94.4, 91.1, 92.2, 93.3]
    )
    library = library_of(tmp_path, failed(runs, 3, outcome="timed out"))
    shown = {
        sort: texts(page_of(library, View(folders=("one",), page=1, sort=sort))[0])
        for sort in ("throughput_rps", "latency_ms_p99")
    }
    assert_in_order(shown["throughput_rps"], "74.4", "73.3", "71.1", "timed out")
    assert_in_order(shown["latency_ms_p99"], "91.1", "92.2", "94.4", "timed out")


def assert_in_order(text: str, *parts: str) -> None:
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_page_beyond_the_last_is_the_last(tmp_path: Path) -> None:
    library = library_of(tmp_path, runs_of(clients=(10,)))
    last, beyond = (page_of(library, View(folders=("one",), page=page)) for page in (1, 99))
    assert texts(last[0]) == texts(beyond[0])


def test_a_table_of_nothing_says_why(tmp_path: Path) -> None:
    library = library_of(tmp_path, runs_of(clients=(10,)))
    shown, pages = page_of(library, View(folders=("one",), filters={"window": ("x",)}, page=1))
    assert (texts(shown), pages) == ("Nothing passes these filters.", 1)
    shown, pages = page_of(library, View(folders=("gone",), page=1))
    assert "gone: no result folder of that name" in texts(shown)
    assert pages == 1


def test_results_of_which_no_run_counts_have_every_run_in_the_table(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root / "before", tmp_path / "lost")
    runs = runs_of(clients=(10,)).assign(outcome="timed out")
    runs.to_parquet(tmp_path / "lost" / "runs.parquet")
    with visited(browser, tmp_path) as site:
        page = site.open("/")
        expect(page.locator("#explore-rows tbody tr")).to_have_count(6)
        expect(page.get_by_role("link", name="failed run of JPaxos")).to_have_count(3)
