"""Pages can be read, whatever stands in the results."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.app import server
from dashboards.app.parts import graph
from dashboards.figures import over_time, timeline
from tests.dashboards.app.browsing import Site, visited
from tests.dashboards.result_set import STORIES, counters_of, disturbed, runs_of
from tests.dashboards.test_report import write_results

LONG = "x" * 5_000

FAINTEST = """() => {
    const rgba = colour => {
        const [red, green, blue, opacity = 1] = colour.match(/[\\d.]+/g).map(Number);
        return { channels: [red, green, blue], opacity };
    };
    const luminance = channels => {
        const [red, green, blue] = channels.map(each => each / 255).map(
            each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = element => {
        if (!element) return [255, 255, 255];
        const { channels, opacity } = rgba(getComputedStyle(element).backgroundColor);
        if (opacity === 1) return channels;
        const below = ground(element.parentElement);
        return channels.map((each, index) => opacity * each + (1 - opacity) * below[index]);
    };
    const contrast = element => {
        const ink = luminance(rgba(getComputedStyle(element).color).channels);
        const paper = luminance(ground(element));
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    };
    const says = element => [...element.childNodes].some(
        node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const lettered = [...document.querySelectorAll("#page *:not(svg *)")].filter(
        element => says(element) && element.checkVisibility());
    return lettered.map(element => [contrast(element), element.textContent]).sort(
        ([one], [other]) => one - other)[0];
}"""
"""The text of a page that stands out least from its ground, and how much: by WCAG 2.2."""


@pytest.fixture
def changed(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Serve results of which some became worse, some better, and some perhaps either."""
    before = runs_of(clients=(1, 10, 100))
    factors = before["clients"].map({1: 0.5, 10: 2.0, 100: 0.9})
    scatter = np.where(before["clients"] == 100, before["repeat"].map({0: 1.0, 1: 1.5, 2: 0.6}), 1)
    after = before.assign(
        throughput_rps=before["throughput_rps"] * factors * scatter,
        latency_ms_p99=before["latency_ms_p99"] / np.where(before["clients"] == 10, 2, 1),
    )
    for name, runs in (("before", before), ("after", after)):
        write_results(tmp_path / name, runs, counters=counters_of(runs).head(0))
    with visited(browser, tmp_path) as site:
        yield site


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_compared_stands_out_from_its_ground(changed: Site, scheme: str) -> None:
    changed.page.emulate_media(color_scheme=scheme)
    page = changed.open("/compare", a="before", b="after")
    for verdict in ("worse", "better", "unclear"):
        expect(page.locator("td").get_by_text(verdict, exact=True)).not_to_have_count(0)
    contrast, text = page.evaluate(FAINTEST)
    assert contrast >= 4.5, text


@pytest.fixture
def endless(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Serve results with numbers and names that no line holds."""
    runs = runs_of(clients=(1, 10), repeats=1)
    endless = runs.assign(suite=LONG, case=f"{LONG}y", latency_ms_p50=-1e300, latency_ms_p99=1e300)
    for name, each in (("before", runs), ("after", endless)):
        write_results(tmp_path / name, each)
    with visited(browser, tmp_path) as site:
        yield site


def expect_no_sideways_scroll(page: Page) -> None:
    expect(page.locator("[data-dash-is-loading=true]")).to_have_count(0)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("document.documentElement.clientWidth")


@pytest.mark.parametrize("before", ["before", "after"])
def test_what_is_compared_stays_within_the_window(endless: Site, before: str) -> None:
    page = endless.open("/compare", a=before, b="after")
    expect(page.get_by_text("Point by point")).to_be_visible()
    expect_no_sideways_scroll(page)


def test_a_run_stays_within_the_window(endless: Site) -> None:
    page = endless.open("/run", folder="after", run="jpaxos-3-10-0")
    page.get_by_role("button", name="Everything that was recorded").click()
    expect(page.get_by_role("cell", name=LONG, exact=True)).to_be_visible()
    expect_no_sideways_scroll(page)


def test_the_explorer_stays_within_the_window(endless: Site) -> None:
    page = endless.open("/", folders="after")
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()
    expect_no_sideways_scroll(page)


# --- Figures ------------------------------------------------------------------------------------


OVERLAPS = """name => {
    const figure = document.getElementById(JSON.stringify({ graph: name }));
    const seen = selector => [...figure.querySelectorAll(selector)]
        .map(each => [each.textContent || "panel", each.getBoundingClientRect()])
        .filter(([_, box]) => box.width && box.height);
    const said = seen(".annotation-text, .infolayer text[class$=title]");
    const others = [...said, ...seen(".nsewdrag")];
    return said.flatMap(([text, box]) => others
        .filter(([_, other]) => box !== other
            && Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1
            && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 1)
        .map(([other]) => `${text} lies on ${other}`));
}"""
"""What lies on what, of the texts and panels of a figure."""


@pytest.fixture
def narrow(site: Site, monkeypatch: pytest.MonkeyPatch) -> Page:
    """Open a page with figures that have panels side by side, as narrow as they get."""
    of_one = disturbed("2 kill host leader", protocols=("jpaxos",))
    counters = counters_of(of_one.runs)
    counters["cpu_s"] /= 200  # Long labels: 0.001, 0.002.
    run, tables = of_one.runs.iloc[0], (of_one.timeline, of_one.latency, counters, of_one.events)
    figures = [
        graph("faults", timeline.draw(*disturbed("2 kill host leader", repeats=2))),
        graph("run", over_time.draw(run, *tables)),
    ]
    sample = server.Page("Sample", lambda _library, _query: figures)
    monkeypatch.setitem(server.PAGES, "/sample", sample)
    site.page.set_viewport_size({"width": 960, "height": 900})
    page = site.open("/sample")
    expect(page.locator(".gtitle")).to_have_count(2)
    return page


@pytest.mark.parametrize("name", ["faults", "run"])
def test_no_text_of_a_figure_lies_on_another_or_on_a_panel(narrow: Page, name: str) -> None:
    assert narrow.evaluate(OVERLAPS, name) == []


TOUCHING = """name => {
    const figure = document.getElementById(JSON.stringify({ graph: name }));
    const said = [...figure.querySelectorAll(".annotation-text")]
        .map(each => [each.textContent, each.getBoundingClientRect()]);
    return said.flatMap(([text, box], at) => said.slice(at + 1)
        .filter(([_, other]) =>
            Math.max(box.left, other.left) - Math.min(box.right, other.right) < 4
            && Math.max(box.top, other.top) - Math.min(box.bottom, other.bottom) < 0)
        .map(([other]) => `${text} touches ${other}`));
}"""
"""Which texts in a figure are less than 4 pixels from another beside them."""


@pytest.mark.parametrize("name", ["explore", "over-time"])
def test_labels_of_events_do_not_touch(browser: Browser, tmp_path: Path, name: str) -> None:
    """At 1,280 pixels, beside the controls of the explorer and on the page of a run."""
    runs, *tables = disturbed(*STORIES, protocols=("jpaxos",))
    names = ("timeline", "latency", "events")
    write_results(tmp_path / "one", runs, **dict(zip(names, tables, strict=True)))
    with visited(browser, tmp_path) as site:
        if name == "explore":
            page = site.open("/", figure="faults")
            expect(page.get_by_text("host 0 (leader) killed")).not_to_have_count(0)
            assert page.evaluate(TOUCHING, name) == []
            return
        for run_id in runs["run_id"]:
            page = site.open("/run", folder="one", run=run_id)
            expect(page.locator(".gtitle")).to_have_count(3)
            assert page.evaluate(TOUCHING, name) == []
