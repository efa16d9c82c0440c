"""The page of a run: what bounded it, its numbers, its figures, and where else to go."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboards.app import one_run
from dashboards.app.library import Library
from dashboards.figures import over_time
from experiments import results
from experiments.spec import RunConfig
from tests.dashboards.app.browsing import Site
from tests.dashboards.app.seen import drawn_by_code, graphs, links, texts
from tests.dashboards.result_set import disturbed, failed, runs_of
from tests.dashboards.test_report import write_results


def page(root: Path, folder: str, run_id: str, *percentiles: str) -> Any:
    said = {"folder": folder, "run": run_id, "percentile": percentiles}
    return one_run.layout(Library(root), urlencode(said, doseq=True))


def page_of(folder: Path, runs: pd.DataFrame, row: int = 0, **tables: pd.DataFrame) -> Any:
    """Write results, and return the page of one of the runs."""
    write_results(folder / "one", runs, **tables)
    return page(folder, "one", runs["run_id"].iloc[row])


def some_run(folder: Path, protocol: str = "jpaxos", clients: int = 100) -> str:
    runs = results.runs(folder)
    chosen = (runs["protocol"] == protocol) & (runs["clients"] == clients)
    return str(runs.loc[chosen, "run_id"].iloc[0])


def test_without_a_run_it_says_where_to_choose_one(site: Site) -> None:
    page = site.open("/run/")
    page.get_by_role("link", name="Explore").last.click()
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_a_run_of_another_backend_is_called_by_its_name(tmp_path: Path) -> None:
    assert "repeat 0, of-tomorrow, of one" in texts(
        page_of(tmp_path, runs_of(clients=(16,)).assign(backend="of-tomorrow"))
    )


# --- What it says -------------------------------------------------------------------------------


def test_a_run_has_its_figures_and_the_code_that_draws_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for protocol in ("jpaxos", "spaxos"):
        shown = page(root, "before", some_run(root / "before", protocol))
        drawn = graphs(shown)
        assert list(drawn) == ["over-time", "hosts", "distribution"]
        assert drawn_by_code(shown, monkeypatch) == drawn


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((), ["p50", "p99"]),
        (("p99.9", "p90"), ["p90", "p99.9"]),
        (("",), []),
        (("p98", "<b>"), ["p50", "p99"]),
    ],
)
def test_a_link_says_which_percentiles_are_drawn(
    root: Path, asked: Sequence[str], drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page(root, "before", some_run(root / "before"), *asked)
    figure = graphs(shown)["over-time"]
    assert [
        line.name
        for line in figure.data
        if line.name in over_time.PERCENTILES and line.visible is True
    ] == drawn
    assert drawn_by_code(shown, monkeypatch)["over-time"] == figure


def test_what_bounds_a_run_stands_before_its_numbers(root: Path) -> None:
    said = texts(page(root, "before", some_run(root / "before")))
    assert re.search(r"Not at its limit: \d+% of what these hosts can do", said)
    assert said.index("its limit") < said.index("99.9th percentile")


def test_cpu_that_is_not_modelled_is_said_to_be_and_no_zero(root: Path) -> None:
    said = texts(page(root, "before", some_run(root / "before")))
    assert "CPU of all hosts | not modelled" in said


def test_what_differs_from_the_defaults_comes_first_with_its_meaning(tmp_path: Path) -> None:
    said = texts(page_of(tmp_path, runs_of(clients=(16,)).assign(window=7)))
    assert "window | 7 | 2 | undecided instances open at once" in said
    assert said.index("window | 7") < said.index("as by default") < said.index("accept_to")


def test_every_setting_has_its_meaning_said() -> None:
    assert one_run.MEANINGS.keys() == set(RunConfig.__struct_fields__)
    assert all(one_run.MEANINGS.values())


def test_a_run_that_failed_says_why_and_shows_what_there_is(tmp_path: Path) -> None:
    shown = page_of(tmp_path, failed(runs_of(clients=(1,)), 0, outcome="no quorum", safety=""))
    said = texts(shown)
    assert "This run does not count | no quorum | Nothing was measured" in said
    assert "not checked" in said
    assert "Synthetic CPU" in said
    assert graphs(shown) == {}


def test_a_run_that_is_unsafe_says_so_and_is_drawn_all_the_same(tmp_path: Path) -> None:
    found = disturbed("")
    runs = failed(found.runs, 0, safety="executed twice")
    shown = page_of(tmp_path, runs, timeline=found.timeline, latency=found.latency)
    assert "It broke a guarantee: executed twice." in texts(shown)
    assert list(graphs(shown)) == ["over-time", "hosts", "distribution"]


def test_what_the_linter_says_stands_beside_the_numbers_it_is_about(tmp_path: Path) -> None:
    alone = runs_of(clients=(16_000,), repeats=1).assign(duration_s=5.0, completed=5_000.0)
    said = texts(page_of(tmp_path, alone))
    tiles = dict(re.findall(r"\| ([\w. ]+) \| [^|]* \| Read with care: ([^|]*) \|", said))
    assert "1 sound of the 3 that an interval needs" in tiles["Throughput"]
    assert "5.0 requests beyond it" in tiles["99.9th percentile"]
    assert "beyond it" not in tiles["99th percentile"]
    assert "Safety" not in tiles


def test_tables_that_are_broken_are_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    runs = runs_of(clients=(1,))
    write_results(tmp_path / "one", runs)
    run_id = runs["run_id"].iloc[0]
    (tmp_path / "one" / "latency" / f"{run_id}.parquet").write_bytes(b"half a fi")
    said = texts(page(tmp_path, "one", run_id))
    assert "What happened over time cannot be read" in said
    assert "Median latency" in said


def test_faults_are_listed_with_how_long_they_lasted(tmp_path: Path) -> None:
    found = disturbed("2 cut host leader; +3 heal", protocols=("jpaxos",))
    tables = {name: getattr(found, name) for name in ("timeline", "latency", "events")}
    said = texts(page_of(tmp_path, found.runs, **tables))
    assert "2.00 | host 0 (leader) cut off | 3.00" in said
    assert "Longest gap" in said
    assert "Recovery" in said


def test_text_from_a_file_is_shown_as_it_is(tmp_path: Path) -> None:
    said = texts(page_of(tmp_path, runs_of(clients=(1,)).assign(case="<b>x</b>")))
    assert "<b>x</b>, repeat 0, live" in said


# --- Where it leads -----------------------------------------------------------------------------


def test_repeats_and_the_other_protocol_are_a_link_away(tmp_path: Path) -> None:
    runs = runs_of(clients=(1, 10), repeats=3)
    middle = runs.index[(runs["protocol"] == "jpaxos") & (runs["clients"] == 10)][1]
    found = links(page_of(tmp_path, runs, row=middle))
    assert found["Previous repeat"] == [one_run.link("one", "jpaxos-3-10-0")]
    assert found["Next repeat"] == [one_run.link("one", "jpaxos-3-10-2")]
    assert found["Same point with S-Paxos"] == [one_run.link("one", "spaxos-3-10-1")]


def test_the_first_and_the_only_repeat_have_none_before_and_after(tmp_path: Path) -> None:
    found = links(page_of(tmp_path, runs_of(("jpaxos",), clients=(1,), repeats=1)))
    assert {"Previous repeat", "Next repeat"}.isdisjoint(found)
    assert not any(name.startswith("Same point") for name in found)


def test_a_link_leads_to_the_same_point_of_the_other_protocol(site: Site, root: Path) -> None:
    page = site.open("/run", folder="before", run=some_run(root / "before"))
    page.get_by_role("link", name="Same point with S-Paxos").click()
    expect(page.get_by_role("heading", name="S-Paxos, n = 3, 100 clients")).to_be_visible()
    page.get_by_role("link", name="Same point with JPaxos").click()
    expect(page.get_by_role("heading", name="JPaxos, n = 3, 100 clients")).to_be_visible()


def test_percentiles_are_chosen_by_keys_or_in_the_legend_and_stay_in_the_link(
    site: Site, root: Path
) -> None:
    page = site.open("/run", folder="before", run=some_run(root / "before"))
    named = {name: page.locator(".legend3 .traces", has_text=name) for name in ("p90", "p99.9")}
    boxes = {name: page.get_by_role("checkbox", name=name, exact=True) for name in named}
    expect(named["p99.9"]).to_have_css("opacity", "0.5")
    boxes["p99.9"].press("Space")
    expect(named["p99.9"]).to_have_css("opacity", "1")
    page.wait_for_url("**percentile=p50&percentile=p99&percentile=p99.9")
    named["p90"].locator(".legend3toggle").click()
    expect(boxes["p90"]).to_be_checked()
    page.wait_for_url("**percentile=p50&percentile=p90&percentile=p99&percentile=p99.9")
    page.reload()
    for name, in_legend in named.items():
        expect(boxes[name]).to_be_checked()
        expect(in_legend).to_have_css("opacity", "1")
    boxes["p90"].press("Space")
    boxes["p99.9"].press("Space")
    page.wait_for_url(lambda url: "percentile" not in url)
    expect(named["p90"]).to_have_css("opacity", "0.5")


def test_another_scheme_leaves_the_percentiles_as_they_were_chosen(site: Site, root: Path) -> None:
    page = site.open("/run", folder="before", run=some_run(root / "before"))
    named = page.locator(".legend3 .traces", has_text="p95")
    page.get_by_role("checkbox", name="p95").press("Space")
    expect(named).to_have_css("opacity", "1")
    ink = page.locator(".gtitle").first.evaluate("title => getComputedStyle(title).fill")
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".gtitle").first).not_to_have_css("fill", ink)
    expect(named).to_have_css("opacity", "1")
