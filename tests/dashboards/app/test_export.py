"""Figures are taken along: images, data, code."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Download, Page, expect

from dashboards.app import server
from dashboards.app.parts import graph
from dashboards.figures import throughput
from experiments.summarise import summary
from tests.dashboards.app.browsing import TRACES, Site
from tests.dashboards.result_set import runs_of

CODE = "print('drawn')"


@pytest.fixture
def page(site: Site, monkeypatch: pytest.MonkeyPatch) -> Page:
    """Open a page with a figure that has code, and one that has none."""
    figure = throughput.draw(summary(runs_of()))
    shown = [graph("with-code", figure, CODE), graph("without-code", figure)]
    sample = server.Page("Sample", lambda _library, _query: shown)
    monkeypatch.setitem(server.PAGES, "/sample", sample)
    page = site.open("/sample")
    expect(page.locator(".legendtext")).to_have_count(4)
    return page


def open_menu(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Export the figure {name}").click()


def taken(page: Page, item: str) -> Download:
    open_menu(page, "with-code")
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=item).click()
    return download.value


def test_a_figure_becomes_a_png(page: Page) -> None:
    download = taken(page, "Image (PNG)")
    assert download.suggested_filename == "paxoscope-with-code-throughput-against-clients.png"
    assert Path(download.path()).read_bytes().startswith(b"\x89PNG")


def test_a_figure_becomes_an_svg_with_its_letters(page: Page) -> None:
    download = taken(page, "Image (SVG)")
    assert download.suggested_filename.endswith(".svg")
    image = Path(download.path()).read_text()
    assert image.startswith("<svg")
    assert "Throughput (requests/s)" in image


def test_the_data_of_a_figure_becomes_a_csv(page: Page) -> None:
    download = taken(page, "Data (CSV)")
    assert download.suggested_filename == "paxoscope-with-code-throughput-against-clients.csv"
    table = pd.read_csv(StringIO(Path(download.path()).read_text()))
    assert set(table["trace"]) == {"JPaxos", "S-Paxos"}
    assert len(table) == 12
    assert table["Throughput (requests/s), low"].notna().all()


def test_the_same_data_can_be_taken_twice(page: Page) -> None:
    for _ in range(2):
        assert taken(page, "Data (CSV)").suggested_filename.endswith(".csv")


def test_the_code_of_a_figure_is_shown_to_be_copied(page: Page) -> None:
    open_menu(page, "with-code")
    page.get_by_role("menuitem", name="Python code").click()
    expect(page.get_by_role("dialog")).to_contain_text(CODE)
    expect(page.get_by_role("button", name="Copy code")).to_be_visible()


def test_without_code_none_is_offered(page: Page) -> None:
    open_menu(page, "without-code")
    expect(page.get_by_role("menuitem", name="Data (CSV)")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Python code")).to_be_hidden()


def test_a_menu_is_operated_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Export the figure with-code").focus()
    page.keyboard.press("Enter")
    # Mantine moves the focus into the menu when this is there, and not before.
    expect(page.get_by_role("menu").locator(":focus")).to_have_count(1)
    for name in ("Image (PNG)", "Image (SVG)"):
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("menuitem", name=name)).to_be_focused()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".svg")


def test_the_figure_of_the_explorer_becomes_a_png(site: Site) -> None:
    page = site.open("/", folders="before")
    expect(page.locator(TRACES)).to_have_count(2)
    open_menu(page, "explore")
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Image (PNG)").click()
    name = "paxoscope-explore-throughput-against-clients.png"
    assert download.value.suggested_filename == name
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
