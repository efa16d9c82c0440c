"""The page of a reproduction: claims lead to their figures, and what is broken is told."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboards import reproduction
from dashboards.app import reproduced
from dashboards.app.library import Library
from experiments.claims import CLAIMS
from experiments.evaluation import FIGURES, PARTS
from tests.dashboards.app.browsing import Site, visited
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


def write(
    root: Path, name: str = "rep", suite: str = "srds12_clients", clients: Sequence[int] = (10, 100)
) -> Path:
    """Write a reproduction of three claims and one suite."""
    folder = root / name
    folder.mkdir()
    (folder / "scorecard.json").write_text(json.dumps(SCORES))
    if clients:
        write_suite(folder, suite, runs_of(clients=tuple(clients)))
    return folder


@pytest.fixture
def scored(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Serve a folder with a reproduction, and another whose scorecard is broken."""
    write(tmp_path)
    (write(tmp_path, "worse") / "scorecard.json").write_text("[{}")
    with visited(browser, tmp_path) as site:
        yield site


def test_every_claim_has_figures_and_every_figure_exists() -> None:
    assert reproduced.SHOWN_IN.keys() == {claim.claim_id for claim in CLAIMS}
    assert {each for figures in reproduced.SHOWN_IN.values() for each in figures} <= FIGURES.keys()


def test_claims_are_counted_by_their_verdict_and_shown_as_they_are() -> None:
    said = texts(reproduced.scorecard(SCORES, FIGURES, {}))
    assert "3 claims: | 1 reproduced | 1 trend | 1 not reproduced" in said
    assert "Claim <b>formulas</b>" in said


def test_a_number_is_marked_where_the_linter_doubts_the_runs_that_it_is_judged_by(
    tmp_path: Path,
) -> None:
    runs = runs_of(clients=(10, 1_000)).assign(duration_s=60.0, warmup_s=20.0)
    runs["limit_rps"] = runs["throughput_rps"]  # No peak is doubted.
    is_alone = (runs["protocol"] == "jpaxos") & (runs["clients"] == 10)
    write_suite(
        write(tmp_path, clients=()), "srds12_clients", runs[~is_alone | (runs["repeat"] == 0)]
    )
    said = reproduced.doubts(Library(tmp_path), "rep")
    of_jpaxos = {"jpaxos-peak", "jpaxos-saturates", "jpaxos-followers"}
    assert {claim_id for claim_id, of in said.items() if len(of)} == {*of_jpaxos, "littles-law"}
    words = texts(reproduced.scorecard(SCORES, FIGURES, said))
    assert "71 | 1 sound of the 3 that an interval needs | Read with care: " in words
    assert words.count("Read with care") == 1


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


def test_what_has_results_can_be_chosen_and_how_the_rest_is_made_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "kind.json").write_text('{"quick": true, "backend": "sim"}')
    (folder / "leader_crash").mkdir()  # A sweep began here, and no run has ended yet.
    chosen = reproduced.choices(folder)
    of_clients = [each for each in FIGURES.values() if each.suites == ("srds12_clients",)]
    assert chosen == [{"value": each.figure_id, "label": each.title} for each in of_clients]
    said = texts(reproduced.lacking(folder))
    assert f"{len(reproduction.DRAWN) - len(of_clients)} figures have no results here" in said
    assert "Leader crash" in said
    assert "Balance over hosts" not in said
    assert said.endswith(f"paxoscope reproduce --quick --backend sim --out {folder}")


def test_where_nothing_is_lacking_nothing_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for suite in PARTS:
        write_suite(folder, suite, runs_of(clients=(10,)))
    assert {each["value"] for each in reproduced.choices(folder)} == reproduction.DRAWN.keys()
    assert texts(reproduced.lacking(folder)) == ""


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


def test_a_mark_beside_a_number_tells_what_is_to_be_read_with_care(scored: Site) -> None:
    page = scored.open("/reproduction", folder="rep")
    mark = page.get_by_role("row", name="littles-law").get_by_label("Read with care")
    mark.focus()
    expect(page.get_by_role("tooltip")).to_contain_text("requests are there at most")


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


def test_it_opens_on_a_figure_that_is_there_whatever_was_run(
    browser: Browser, tmp_path: Path
) -> None:
    """Also after another reproduction was chosen, with other results."""
    write(tmp_path, "of a claim", "srds12_unloaded", clients=(1,))
    write(tmp_path, "of all")
    (write(tmp_path, "of none") / "srds12_clients" / "runs.parquet").unlink()
    with visited(browser, tmp_path) as site:
        page = site.open("/reproduction", folder="of a claim")
        expect(page.get_by_role("textbox", name="Figure")).to_have_value("Latency without load")
        expect(page.locator(".js-plotly-plot")).to_be_visible()
        expect(page.get_by_text("16 figures have no results here")).to_be_visible()
        # Its claims lead to no figure that is not there.
        expect(page.get_by_role("row", name="littles-law").get_by_role("link")).to_have_count(0)
        page.get_by_role("textbox", name="Reproduction").click()
        page.get_by_role("option", name="of all").click()
        expect(page.get_by_role("textbox", name="Figure")).to_have_value(
            "Throughput against clients"
        )
        expect(page.get_by_role("row", name="littles-law").get_by_role("link")).to_have_count(1)
        page.get_by_role("textbox", name="Reproduction").click()
        page.get_by_role("option", name="of none").click()
        expect(page.get_by_text("No figure can be drawn yet")).to_be_visible()
        page = site.open("/reproduction", folder="of none")
        expect(page.get_by_text("No figure can be drawn yet")).to_be_visible()


def test_a_scorecard_that_is_broken_is_told_and_the_figures_are_drawn(scored: Site) -> None:
    page = scored.open("/reproduction", folder="worse")
    expect(page.get_by_text("not a scorecard")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
