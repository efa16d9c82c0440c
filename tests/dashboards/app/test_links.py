"""Links lead to where they say, whatever a folder is called."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from experiments import results
from tests.dashboards.app.browsing import Site, visited

NAME = "slow er#1%20 &é+"


@pytest.fixture
def site(browser: Browser, root: Path, tmp_path: Path) -> Iterator[Site]:
    for name in (NAME, "other"):
        shutil.copytree(root / "before", tmp_path / name)
    with visited(browser, tmp_path) as site:
        yield site


def asked(site: Site, key: str) -> str:
    """Return what the address of the page asks for."""
    return parse_qs(urlsplit(site.page.url).query)[key][-1]


def test_a_run_leads_to_others_and_to_all_points(site: Site, root: Path) -> None:
    run_id = results.runs(root / "before")["run_id"].iloc[0]
    page = site.open("/run", folder=NAME, run=run_id)
    page.get_by_role("link", name="Same point with").click()
    expect(page.get_by_text(f"of {NAME}")).to_be_visible()
    assert asked(site, "folder") == NAME
    assert asked(site, "run") != run_id
    page.get_by_role("link", name="All points of these results").click()
    expect(page.get_by_text("Show only")).to_be_visible()
    assert asked(site, "folders") == NAME
    expect(page.get_by_text("points from")).to_be_visible()


def test_compared_points_lead_to_their_runs(site: Site) -> None:
    page = site.open("/compare", a=NAME, b="other")
    page.get_by_role("link", name="before", exact=True).first.click()
    expect(page.get_by_text(f"of {NAME}")).to_be_visible()
    page.get_by_role("link", name="Compare these results").click()
    expect(page.get_by_role("textbox", name="After (B)")).to_have_value(NAME)


def test_a_report_is_that_of_its_folder(site: Site) -> None:
    page = site.open("/reports")
    row = page.get_by_role("row").filter(has_text=NAME)
    with page.expect_download() as download:
        row.get_by_role("link", name="Report").click()
    assert download.value.suggested_filename.startswith("paxoscope-slow er")
