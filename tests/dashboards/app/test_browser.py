"""The pages in a real browser, over results of real runs in virtual time."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from experiments import results
from tests.dashboards.app.browsing import Site, visited


def test_a_run_that_is_not_there_is_told(site: Site, root: Path) -> None:
    page = site.open("/run", folder="before", run="x")
    expect(page.get_by_text("before: no run x")).to_be_visible()
    page = site.open("/run", folder="../secret", run="x")
    expect(page.get_by_text("no result folder of that name")).to_be_visible()


def test_equal_result_sets_have_no_difference(site: Site) -> None:
    page = site.open("/compare", a="before", b="after")
    expect(page.locator("td").get_by_text("within", exact=True)).to_have_count(4)


def test_the_messages_of_a_request_are_drawn_and_counted(site: Site) -> None:
    page = site.open("/messages")
    expect(page.get_by_text("JPaxos: 8 messages over the network")).to_be_visible()
    page.get_by_text("S-Paxos", exact=True).first.click()
    expect(page.get_by_text("S-Paxos: 16 messages over the network")).to_be_visible()
    page.get_by_text("5", exact=True).first.click()
    expect(page.get_by_text("S-Paxos: 46 messages over the network")).to_be_visible()


def test_without_a_reproduction_it_says_how_to_make_one(site: Site) -> None:
    page = site.open("/reproduction")
    expect(page.get_by_text("paxoscope reproduce --quick")).to_be_visible()


def test_an_empty_folder_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with visited(browser, tmp_path) as site:
        expect(site.open("/").get_by_text("paxoscope run demo")).to_be_visible()


def test_every_run_has_a_page_without_an_error(site: Site, root: Path) -> None:
    for run_id in results.runs(root / "before")["run_id"]:
        page = site.open("/run", folder="before", run=run_id)
        expect(page.get_by_text("Over time")).to_be_visible()
