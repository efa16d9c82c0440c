"""The explorer in a real browser: choices, filters, links, hovering, clicks and notices."""

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
from playwright.sync_api import Browser, Page, expect

from experiments import results
from tests.dashboards.app.conftest import Site
from tests.dashboards.result_set import failed

TRACES = ".scatterlayer .trace"


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("textbox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def asked(page: Page) -> dict[str, list[str]]:
    """Return what the link says."""
    return parse_qs(urlsplit(page.url).query)


def test_the_first_page_draws_a_line_for_each_protocol(site: Site) -> None:
    page = site.open("/")
    expect(page.locator(".legendtext")).to_have_text(["JPaxos", "S-Paxos"])
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_the_first_page_says_how_much_faster_and_why_above_the_figure(site: Site) -> None:
    page = site.open("/")
    words = page.get_by_text("S-Paxos against JPaxos")
    expect(words).to_be_visible()
    expect(page.get_by_text("the peak of S-Paxos is")).to_be_visible()
    for name in ("Reproduction", "Compare", "Messages"):
        expect(page.locator("#explore-said").get_by_role("link", name=name)).to_be_visible()
    above, figure = words.bounding_box(), page.locator(".js-plotly-plot").bounding_box()
    assert above is not None
    assert figure is not None
    assert above["y"] < figure["y"]
    assert figure["y"] + figure["height"] <= 900


def test_a_folder_that_is_broken_is_told_of_and_the_rest_works(site: Site) -> None:
    page = site.open("/")
    expect(page.get_by_text("not a result table")).to_be_visible()
    expect(page.locator(TRACES)).to_have_count(2)


def test_a_filter_leaves_out_a_protocol_and_goes_into_the_link(site: Site) -> None:
    page = site.open("/")
    choose(page, "protocol", "spaxos")
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()
    expect(page.locator(TRACES)).to_have_count(1)
    page.reload()
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()


def test_any_setting_can_be_added_as_a_filter(site: Site) -> None:
    page = site.open("/")
    expect(page.get_by_role("textbox", name="window", exact=True)).to_have_count(0)
    choose(page, "Add a filter", "window")
    page.get_by_role("textbox", name="window", exact=True).click()
    page.get_by_role("option").filter(visible=True).first.click()
    page.wait_for_url("**filters=**window**")
    page.reload()
    expect(page.get_by_role("textbox", name="window", exact=True)).to_be_visible()


def test_filters_that_let_nothing_through_say_so(site: Site) -> None:
    page = site.open("/", filters=json.dumps(["clients", "none of these"]))
    expect(page.get_by_text("No point passes these filters")).to_be_visible()


def test_a_percentile_and_a_scale_change_the_figure_and_the_link(site: Site) -> None:
    page = site.open("/")
    choose(page, "Vertical axis", "Latency (ms)")
    expect(page.locator(".ytitle")).to_have_text("Latency, p99 (ms)")
    page.get_by_text("p50", exact=True).click()
    expect(page.locator(".ytitle")).to_have_text("Latency, p50 (ms)")
    page.get_by_role("switch", name="Vertical axis: logarithmic").focus()
    page.keyboard.press("Space")
    page.wait_for_url("**log_y=1**")
    assert asked(page)["percentile"] == ["p50"]
    assert asked(page)["y"] == ["latency"]
    page.reload()
    expect(page.locator(".ytitle")).to_have_text("Latency, p50 (ms)")
    expect(page.get_by_role("switch", name="Vertical axis: logarithmic")).to_be_checked()


def test_a_ready_made_figure_comes_with_what_to_see_in_it(site: Site) -> None:
    page = site.open("/")
    choose(page, "Figure", "Latency against throughput")
    expect(page.get_by_text("The honest comparison")).to_be_visible()
    expect(page.get_by_role("textbox", name="Horizontal axis", exact=True)).to_be_hidden()
    page.wait_for_url("**figure=latency-throughput**")
    page.reload()
    expect(page.get_by_text("The honest comparison")).to_be_visible()


def test_lines_of_several_folders_are_told_apart(site: Site) -> None:
    page = site.open("/", folders="after")
    choose(page, "Results", "before")
    expect(page.locator(".legendtext")).to_have_text(
        ["JPaxos, after", "JPaxos, before", "S-Paxos, after", "S-Paxos, before"]
    )
    choose(page, "Colour by", "folder")
    page.wait_for_url("**colour=folder**")
    expect(page.locator(TRACES)).to_have_count(4)


def test_without_any_folder_chosen_it_says_what_to_do(site: Site) -> None:
    page = site.open("/", folders="before")
    expect(page.locator(TRACES)).to_have_count(2)
    page.get_by_role("textbox", name="Results", exact=True).press("Backspace")
    expect(page.get_by_text("Choose results on the left.")).to_be_visible()
    choose(page, "Results", "after")
    expect(page.locator(TRACES)).to_have_count(2)


def test_a_point_that_is_pointed_at_shows_all_that_was_set(site: Site) -> None:
    page = site.open("/", folders="before")
    page.locator(".scatterlayer .trace .point").last.hover(force=True)
    expect(page.locator(".hoverlayer").get_by_text("profile: ethernet-100mbit")).to_be_visible()
    panel = page.locator("#explore-point")
    expect(panel.get_by_role("heading", name="S-Paxos, n = 3, 100 clients")).to_be_visible()
    expect(panel.get_by_text("suspect_timeout_ms = ")).to_be_visible()
    panel.get_by_role("link", name="run 1").click()
    expect(page.get_by_role("heading", name="S-Paxos, n = 3, 100 clients")).to_be_visible()
    page.wait_for_url("**/run?folder=before**")


def test_a_click_on_a_point_opens_a_run_and_back_leads_to_the_same_view(site: Site) -> None:
    page = site.open("/", folders="before")
    choose(page, "protocol", "spaxos")
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()
    page.locator(".scatterlayer .trace .point").last.click(force=True)
    page.wait_for_url("**/run?folder=before**")
    page.go_back()
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()


def test_what_to_read_with_care_is_counted_and_can_be_opened(site: Site) -> None:
    page = site.open("/")
    notice = page.get_by_text("A percentile needs enough requests beyond it")
    button = page.get_by_role("button", name="Read with care")
    expect(button).to_be_visible()
    expect(notice).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(notice).to_be_visible()


def test_a_link_that_makes_no_sense_shows_the_first_page(site: Site) -> None:
    page = site.open(
        "/", folders="gone", x="<b>", y="-1", figure="equal-latency", facet="seed", filters="[1"
    )
    expect(page.locator(TRACES)).to_have_count(2)


def test_results_of_which_no_run_counts_say_why(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root / "before", tmp_path / "lost")
    runs = results.runs(tmp_path / "lost")
    for row in range(len(runs)):
        runs = failed(runs, row, outcome="<i>no quorum</i>")
    pd.DataFrame(runs).to_parquet(tmp_path / "lost" / "runs.parquet")
    site = Site(browser, tmp_path)
    expect(site.open("/").get_by_text("<i>no quorum</i>").first).to_be_visible()
    site.close()
    assert site.errors == []
