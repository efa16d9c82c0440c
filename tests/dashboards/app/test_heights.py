"""Cards are as high as the figures in them, whatever becomes of these."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from experiments import results
from tests.dashboards.app.browsing import VIEWPORT, Site

REDRAWN_BY = {"/": "p50", "/messages": "5"}
"""By page, the choice that has the server draw its figure anew."""

HEIGHTS = """() => [...document.querySelectorAll(".dash-graph:has(.main-svg)")]
    .filter(figure => figure.checkVisibility())
    .map(figure => [figure, figure.querySelector(".main-svg")])
    .map(pair => pair.map(each => each.getBoundingClientRect().height))"""


def expect_room(page: Page) -> None:
    """Expect a figure at least, and every card to be as high as its figure is drawn."""
    is_so = "pairs.length && pairs.every(([card, drawn]) => card > 100 && card == drawn)"
    page.wait_for_function(f"() => {{ const pairs = ({HEIGHTS})(); return {is_so}; }}")


def settle(page: Page) -> None:
    """Wait until the page has drawn what it was asked for."""
    page.wait_for_load_state("networkidle")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/run", "/compare", "/messages"])
def test_a_figure_keeps_its_height(site: Site, root: Path, path: str, scheme: str) -> None:
    """Also when it is drawn anew, in other colours, or in a narrower window."""
    site.page.emulate_media(color_scheme=scheme)
    run_id = results.runs(root / "before")["run_id"].iloc[0]
    page = site.open(path, folder="before", run=run_id, a="before", b="after")
    expect_room(page)
    settle(page)
    if choice := REDRAWN_BY.get(path):
        with page.expect_response("**/_dash-update-component*"):
            page.get_by_text(choice, exact=True).first.click()
        settle(page)
        expect_room(page)
    narrow(page)
    expect_room(page)
    page.get_by_role("button", name="Light or dark").click()
    settle(page)
    expect_room(page)


def narrow(page: Page) -> None:
    """Make the window narrower, and wait until a figure has another width."""
    width = page.locator(".main-svg").first.evaluate("svg => svg.clientWidth")
    page.set_viewport_size({**VIEWPORT, "width": 1100})
    has_changed = "width => document.querySelector('.main-svg').clientWidth != width"
    page.wait_for_function(has_changed, arg=width)
    settle(page)
