"""What is around every page: its head, its titles, its colour scheme."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboards import plotly_script, theme
from dashboards.app import frame, server
from dashboards.app.parts import graph
from dashboards.figures import throughput
from experiments.summarise import summary
from tests.dashboards.app.browsing import Site
from tests.dashboards.result_set import runs_of

LINKED = {path: page.title for path, page in server.PAGES.items() if page.is_in_head}


def expect_paper(page: Page, scheme: str) -> None:
    colour = theme.SCHEMES[scheme].paper
    page.wait_for_function(
        "colour => document.querySelector('.js-plotly-plot')?._fullLayout?.paper_bgcolor == colour",
        arg=colour,
    )


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a page with one figure, which no callback draws."""
    shown = graph("sample", throughput.draw(summary(runs_of())))
    page = server.Page("Sample", lambda _library, _query: shown)
    monkeypatch.setitem(server.PAGES, "/sample", page)
    return "/sample"


@pytest.mark.parametrize("path", LINKED)
def test_a_page_is_named_and_marked_in_the_head(site: Site, path: str) -> None:
    page = site.open(path)
    expect(page).to_have_title(f"{LINKED[path]} - Paxoscope")
    marked = page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")
    expect(marked).to_have_text(LINKED[path])


def test_the_head_leads_from_page_to_page(site: Site) -> None:
    page = site.open("/")
    page.get_by_role("link", name="Reports").click()
    expect(page).to_have_title("Reports - Paxoscope")
    expect(page.get_by_role("heading", name="Reports")).to_be_visible()


def test_an_address_that_is_no_page_says_so(site: Site) -> None:
    page = site.open("/nowhere")
    expect(page.get_by_text("There is no such page.")).to_be_visible()
    expect(page).to_have_title("Not found - Paxoscope")


def test_the_keyboard_skips_to_the_content(site: Site) -> None:
    page = site.open("/reports")
    expect(page.get_by_role("heading", name="Reports")).to_be_visible()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_that_of_the_system(site: Site, sample: str, scheme: str) -> None:
    site.page.emulate_media(color_scheme=scheme)
    expect_paper(site.open(sample), scheme)


def test_figures_change_their_scheme_without_asking_the_server(site: Site, sample: str) -> None:
    page = site.open(sample)
    expect_paper(page, "light")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Light or dark").click()
    expect_paper(page, "dark")
    page.get_by_role("button", name="Light or dark").click()
    expect_paper(page, "light")
    assert asked == []


def test_the_scheme_is_remembered(site: Site, sample: str) -> None:
    page = site.open(sample)
    page.get_by_role("button", name="Light or dark").click()
    expect_paper(page, "dark")
    page.reload()
    expect_paper(page, "dark")


def test_a_figure_that_the_server_draws_anew_keeps_the_scheme(site: Site) -> None:
    site.page.emulate_media(color_scheme="dark")
    page = site.open("/messages")
    expect_paper(page, "dark")
    with page.expect_response("**/_dash-update-component*"):
        page.get_by_text("5", exact=True).first.click()
    page.wait_for_load_state("networkidle")
    expect_paper(page, "dark")


@pytest.mark.parametrize("width", [1024, 2560])
@pytest.mark.parametrize("path", LINKED)
def test_a_page_fits_its_window(site: Site, path: str, width: int) -> None:
    site.page.set_viewport_size({"width": width, "height": 900})
    page = site.open(path)
    expect(page.locator("#page > *").first).to_be_attached()
    expect(page.locator("[data-dash-is-loading=true]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_script_of_plotly_that_is_served_is_the_lean_one_and_is_kept(root: Path) -> None:
    client = server.create(root).server.test_client()
    led_to = re.findall(r'(?:src|href)="([^"]*)"', client.get("/").text)
    assert [each for each in led_to if "plotly" in each] == [frame._PLOTLY]
    answer = client.get(frame._PLOTLY)
    assert answer.mimetype == "text/javascript"
    assert answer.text == plotly_script.text()
    known = client.get(frame._PLOTLY, headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")


def test_a_page_loads_one_script_of_plotly(site: Site, sample: str) -> None:
    asked: list[str] = []
    site.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    expect_paper(site.open(sample), "light")
    assert [path for path in asked if "plotly" in path] == [frame._PLOTLY]
