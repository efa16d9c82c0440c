"""The page of a reproduction: claims lead to their figures, and what is broken is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboards import reproduction
from dashboards.app import reproduced
from dashboards.app.library import Library
from experiments.claims import CLAIMS
from experiments.evaluation import FIGURES
from tests.dashboards.app.conftest import Site
from tests.dashboards.app.seen import drawn_by_code, graphs, texts
from tests.dashboards.result_set import failed, runs_of
from tests.dashboards.test_reproduction import write_suite

SCORES = [
    {
        "id": claim_id,
        "claim": f"Claim <b>{claim_id}</b>",
        "paper": "70",
        "ours": "71",
        "verdict": verdict,
        "reason": "because",
    }
    for claim_id, verdict in (
        ("littles-law", "reproduced"),
        ("formulas", "trend"),
        ("of another time", "not reproduced"),
    )
]


def write(root: Path, name: str = "rep") -> Path:
    """Write a reproduction of three claims and one suite."""
    folder = root / name
    folder.mkdir()
    (folder / "scorecard.json").write_text(json.dumps(SCORES))
    write_suite(folder, "srds12_clients", runs_of(clients=(10, 100)))
    return folder


@pytest.fixture
def scored(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Serve a folder with a reproduction, and another whose scorecard is broken."""
    write(tmp_path)
    (write(tmp_path, "worse") / "scorecard.json").write_text("[{}")
    site = Site(browser, tmp_path)
    yield site
    site.close()
    assert site.errors == []


def test_every_claim_has_figures_and_every_figure_exists() -> None:
    assert reproduced.SHOWN_IN.keys() == {claim.claim_id for claim in CLAIMS}
    assert {each for figures in reproduced.SHOWN_IN.values() for each in figures} <= FIGURES.keys()


def test_claims_are_counted_by_their_verdict_and_shown_as_they_are() -> None:
    said = texts(reproduced.scorecard(SCORES))
    assert "3 claims: | 1 reproduced | 1 trend | 1 not reproduced" in said
    assert "Claim <b>formulas</b>" in said


def test_a_figure_is_the_one_its_code_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    for figure_id in ("throughput-clients", "host-load"):
        shown = list(reproduced.drawn(Library(tmp_path), "rep", FIGURES[figure_id]))
        assert list(graphs(shown)) == [figure_id]
        assert drawn_by_code(shown, monkeypatch) == graphs(shown)


def test_a_figure_whose_results_are_not_there_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    said = texts(list(reproduced.drawn(Library(tmp_path), "rep", FIGURES["balance"])))
    assert "cannot be shown" not in said
    said = texts(list(reproduced.drawn(Library(tmp_path), "rep", FIGURES["ablation"])))
    assert "This figure cannot be shown" in said


def test_a_figure_of_which_no_run_counts_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path)
    runs = runs_of(("jpaxos",), clients=(1,), repeats=1)
    write_suite(folder, "srds12_unloaded", failed(runs, 0, outcome="no quorum"))
    shown = list(reproduced.drawn(Library(tmp_path), "rep", FIGURES["unloaded-latency"]))
    assert "No run of this figure counts" in texts(shown)


def test_all_that_is_drawn_from_suites_can_be_chosen() -> None:
    assert {each.figure_id for each in reproduced.drawable()} == reproduction.DRAWN.keys()


def test_a_claim_leads_to_its_figure_and_the_figure_into_the_link(scored: Site) -> None:
    page = scored.open("/reproduction", folder="rep")
    page.get_by_role("link", name="Response time against clients").click()
    expect(page.get_by_role("textbox", name="Figure")).to_have_value(
        "Response time against clients"
    )
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    page.wait_for_url("**figure=response-clients*")
    page.get_by_role("link", name="Messages per request").click()
    expect(page.get_by_role("heading", name="One request, message by message")).to_be_visible()


def test_back_leads_to_the_page_before_whatever_was_chosen(scored: Site) -> None:
    page = scored.open("/messages")
    expect(page.get_by_text("JPaxos: 8 messages over the network")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Reproduction").click()
    page.wait_for_url("**figure=throughput-clients")
    page.get_by_role("textbox", name="Figure").click()
    page.get_by_role("option", name="CPU and network per host").click()
    page.wait_for_url("**figure=host-load")
    page.go_back()
    expect(page.get_by_text("JPaxos: 8 messages over the network")).to_be_visible()


def test_the_link_says_which_reproduction_and_which_figure(scored: Site) -> None:
    page = scored.open("/reproduction", folder="rep", figure="host-load")
    expect(page.get_by_role("textbox", name="Figure")).to_have_value("CPU and network per host")
    page = scored.open("/reproduction", folder="none", figure="none")
    expect(page.get_by_role("textbox", name="Figure")).to_have_value("Throughput against clients")


def test_a_scorecard_that_is_broken_is_told_and_the_figures_are_drawn(scored: Site) -> None:
    page = scored.open("/reproduction", folder="worse")
    expect(page.get_by_text("not a scorecard")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
