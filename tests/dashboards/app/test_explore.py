"""The explorer in a real browser: choices, filters, links, hovering, clicks and notices."""

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, Response, expect

from experiments import results
from tests.dashboards.app.browsing import TRACES, Site, visited
from tests.dashboards.result_set import disturbed, failed, runs_of
from tests.dashboards.test_report import write_results

NOTHING_NEW = 204
"""What the server answers where nothing is to change."""


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


def test_a_filter_that_was_added_can_be_removed(site: Site) -> None:
    page = site.open("/", filters=json.dumps(["window", "none of these"]))
    expect(page.get_by_text("No point passes these filters")).to_be_visible()
    page.get_by_role("button", name="Remove the filter window").click()
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()
    expect(page.get_by_role("textbox", name="window", exact=True)).to_have_count(0)
    choose(page, "Add a filter", "window")
    page.get_by_role("button", name="Remove the filter window").click()
    expect(page.get_by_role("textbox", name="window", exact=True)).to_have_count(0)


def copied(root: Path, to: Path) -> Path:
    """Copy a result folder to one of its own; return that."""
    return Path(shutil.copytree(root / "before", to / "one"))


@pytest.mark.parametrize("name", ["of may", "20261128", "1e3"])
def test_what_else_the_results_say_is_told_where_it_is_unfolded(
    browser: Browser, root: Path, tmp_path: Path, name: str
) -> None:
    copied(root, tmp_path).rename(tmp_path / name)
    with visited(browser, tmp_path) as site:
        page = site.open("/")
        expect(page.get_by_text("on 3 replicas, with")).to_be_visible()
        further = page.get_by_text("Latency under the lightest load")
        details = page.get_by_text("Details", exact=True)
        expect(details).to_be_visible()
        expect(further).to_have_count(0)
        details.press("Enter")
        expect(further).to_be_visible()


def test_of_results_that_have_gone_it_says_so(browser: Browser, root: Path, tmp_path: Path) -> None:
    folder = copied(root, tmp_path)
    with visited(browser, tmp_path) as site:
        page = site.open("/")
        expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()
        expect(page.locator("#explore-said")).not_to_be_empty()
        expect(page.get_by_role("button", name="Read with care")).to_be_visible()
        shutil.rmtree(folder)
        page.get_by_text("p50", exact=True).click()
        expect(page.get_by_text("one: no result folder of that name", exact=True)).to_be_visible()
        expect(page.get_by_text("Reload the page")).to_be_visible()
        expect(page.get_by_text("passes these filters")).to_have_count(0)


def test_a_table_that_is_broken_is_told_in_full(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    folder = copied(root, tmp_path)
    for table in (folder / "counters").iterdir():
        table.write_bytes(b"half a fi")
    with visited(browser, tmp_path) as site:
        page = site.open("/", figure="hosts")
        told = page.get_by_text("not a result table")
        expect(told).to_be_visible()
        assert told.evaluate("words => words.scrollWidth <= words.clientWidth")


def test_what_an_axis_cannot_show_is_told(site: Site) -> None:
    page = site.open("/", x="cpu_us_per_request", log_x="1", y="service_ms_p50")
    missing = "Service time, open loop, p50 (ms): not measured at any of these points."
    expect(page.get_by_text(missing)).to_be_visible()
    choose(page, "Vertical axis", "Throughput (requests/s)")
    expect(page.get_by_text(missing)).to_have_count(0)


def test_filters_that_let_nothing_through_say_so_and_can_be_cleared(site: Site) -> None:
    page = site.open("/", filters=json.dumps(["clients", "none of these"]))
    expect(page.get_by_text("No point passes these filters")).to_be_visible()
    page.get_by_role("textbox", name="clients", exact=True).press("Backspace")
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_other_folders_are_drawn_once(site: Site) -> None:
    page = site.open("/", folders="before")
    expect(page.locator(TRACES)).to_have_count(2)
    drawn: list[int] = []

    def hear(response: Response) -> None:
        asked_for = str(json.loads(response.request.post_data or "{}").get("output"))
        if any(part in asked_for for part in ("explore-main.children", "explore-count.children")):
            drawn.append(response.status)

    page.on("response", hear)
    choose(page, "Results", "after")
    expect(page.get_by_text("8 points from 8 sound runs")).to_be_visible()
    choose(page, "Colour by", "folder")
    page.wait_for_url("**colour=folder**")
    assert [status for status in drawn if status != NOTHING_NEW] == [200, 200]


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


def test_a_ready_made_figure_shows_the_percentile_that_is_asked_for(site: Site) -> None:
    page = site.open("/", figure="latency-throughput")
    expect(page.locator(".legendtext").nth(1)).to_have_text("JPaxos, p99")
    page.get_by_text("p95", exact=True).click()
    expect(page.locator(".legendtext").nth(1)).to_have_text("JPaxos, p95")
    choose(page, "Figure", "Throughput against clients")
    expect(page.get_by_text("p95", exact=True)).to_be_hidden()


def test_a_link_restores_all_that_was_chosen(site: Site) -> None:
    said = {
        "folders": "before",
        "x": "throughput_rps",
        "y": "latency",
        "percentile": "p50",
        "colour": "clients",
        "facet": "protocol",
        "log_x": "1",
        "log_y": "1",
        "filters": json.dumps(["window", "2"]),
        "page": "1",
        "sort": "latency_ms_p99",
    }
    page = site.open("/", **said)
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()
    expect(page.locator("#explore-rows tbody tr")).to_have_count(4)
    assert asked(page) == {key: [value] for key, value in said.items()}
    expect(page.locator(".ytitle")).to_have_text("Latency, p50 (ms)")
    expect(page.get_by_role("switch", name="Horizontal axis: logarithmic")).to_be_checked()


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


@pytest.mark.parametrize("figure", ["throughput", "latency-throughput", "percentiles"])
def test_a_click_on_a_point_of_a_ready_made_figure_opens_its_run(site: Site, figure: str) -> None:
    page = site.open("/", folders="before", figure=figure)
    mark = page.locator(".scatterlayer .trace .point").last
    mark.hover(force=True)
    expect(page.locator(".hoverlayer").get_by_text("profile: ethernet-100mbit")).to_be_visible()
    heading = "S-Paxos, n = 3, 100 clients"
    expect(page.locator("#explore-point").get_by_role("heading", name=heading)).to_be_visible()
    mark.click(force=True)
    page.wait_for_url("**/run?folder=before**")
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_a_click_on_a_cell_of_a_map_opens_its_run(browser: Browser, tmp_path: Path) -> None:
    for protocol, key in (("jpaxos", "window"), ("spaxos", "dissemination_window")):
        runs = runs_of((protocol,), clients=(1_000,), repeats=1)
        suite = f"srds12_batch_window_{protocol}"
        parts = [runs.assign(suite=suite, run_id=f"of-{size}", **{key: size}) for size in (1, 2)]
        write_results(tmp_path / protocol, pd.concat(parts, ignore_index=True))
    with visited(browser, tmp_path) as site:
        page = site.open("/")
        page.goto(f"{page.url}?folders=jpaxos&folders=spaxos&figure=batch-window")
        cells = page.locator(".heatmaplayer image").last.bounding_box()
        assert cells is not None
        # The right half of a row of two cells.
        page.mouse.click(cells["x"] + 0.75 * cells["width"], cells["y"] + 0.5 * cells["height"])
        page.wait_for_url("**/run?folder=spaxos&run=of-2")


def test_a_click_on_a_bar_opens_its_run(browser: Browser, tmp_path: Path) -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,), repeats=1).assign(suite="srds12_ablation")
    parts = [runs.assign(case=case, run_id=f"of-{case}") for case in ("none", "both")]
    write_results(tmp_path / "one", pd.concat(parts, ignore_index=True))
    with visited(browser, tmp_path) as site:
        page = site.open("/", figure="ablation")
        bar = page.locator(".barlayer .point").first.bounding_box()
        assert bar is not None
        page.mouse.click(bar["x"] + 0.5 * bar["width"], bar["y"] + 0.7 * bar["height"])
        page.wait_for_url("**/run?folder=one&run=of-none")


@pytest.mark.parametrize("figure", ["hosts", "balance"])
def test_a_click_on_the_bar_of_a_host_opens_a_run_of_its_point(
    browser: Browser, tmp_path: Path, figure: str
) -> None:
    write_results(tmp_path / "one", runs_of(("jpaxos",), clients=(10, 1_000), repeats=1))
    with visited(browser, tmp_path) as site:
        page = site.open("/", figure=figure)
        # What is told above moves the figure when it comes.
        expect(page.locator("#explore-said")).not_to_be_empty()
        expect(page.get_by_role("button", name="Read with care")).to_be_visible()
        bar = page.locator(".barlayer .point").first
        bar.hover(force=True)
        expect(page.locator(".hoverlayer").get_by_text("duration_s: 1")).to_be_visible()
        heading = "JPaxos, n = 3, 1,000 clients"
        expect(page.locator("#explore-point").get_by_role("heading", name=heading)).to_be_visible()
        bar.click(force=True)
        page.wait_for_url("**/run?folder=one&run=jpaxos-3-1000-0")


def test_a_click_on_a_line_through_faults_opens_its_run(browser: Browser, tmp_path: Path) -> None:
    runs, *tables = disturbed("2 kill host leader", protocols=("jpaxos",), repeats=2)
    names = ("timeline", "latency", "events")
    write_results(tmp_path / "one", runs, **dict(zip(names, tables, strict=True)))
    with visited(browser, tmp_path) as site:
        page = site.open("/", figure="faults")
        expect(page.get_by_text("click it for its run")).to_be_visible()
        second = page.locator(".nsewdrag[data-subplot=x3y3]")
        box = second.bounding_box()
        assert box is not None
        second.hover(position={"x": 0.8 * box["width"], "y": 0.1 * box["height"]})
        expect(
            page.locator(".hoverlayer").get_by_text("faults: 2 kill host leader")
        ).to_be_visible()
        expect(page.locator("#explore-point").get_by_text("of one")).to_be_visible()
        second.click(position={"x": 0.8 * box["width"], "y": 0.1 * box["height"]})
        page.wait_for_url("**/run?folder=one&run=jpaxos-3-1000-1-0")


def test_where_some_marks_stand_for_no_point_it_says_so(browser: Browser, tmp_path: Path) -> None:
    parts = [
        runs_of(clients=(10,), repeats=1).assign(
            arrival_rate_rps=rate,
            throughput_rps=rate,
            latency_ms_p99=p99,
            run_id=[f"j-{p99:g}", f"s-{p99:g}"],
        )
        for rate, p99 in ((100.0, 1.0), (1_000.0, 30.0))
    ]
    write_results(tmp_path / "one", pd.concat(parts, ignore_index=True))
    with visited(browser, tmp_path) as site:
        page = site.open("/", figure="equal-latency")
        expect(page.get_by_text("Where a mark stands for one, point at it")).to_be_visible()
        page.locator(".barlayer .point").nth(3).click(force=True)  # At the bound of 50 ms.
        page.wait_for_url("**/run?folder=one&run=j-30")


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
    expect(page.get_by_role("dialog")).not_to_contain_text("Read with care")


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
    with visited(browser, tmp_path) as site:
        expect(site.open("/").get_by_text("<i>no quorum</i>").first).to_be_visible()
