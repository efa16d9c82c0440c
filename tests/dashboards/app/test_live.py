"""A sweep that goes on is seen going on, in a real browser; also one of another process, on Ray."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.app.live import PERIOD_MS
from experiments import progress
from experiments.progress import PROGRESS_FILE, Happening, Progress
from tests.dashboards.app.browsing import TRACES, visited
from tests.dashboards.result_set import failed, runs_of
from tests.experiments.going_on import RUN, moment

SUITE = """
[base]
clients = 50
warmup_s = 0.5
duration_s = 8.0
suspect_timeout_ms = 300.0
client_timeout_ms = 300.0
faults = "1 kill host leader"
"""
PATIENCE_S = 120.0


BEGUN = msgspec.structs.replace(RUN, moments=(moment(0.5), moment(1.0)))


def told(**changes: object) -> Progress:
    given = Progress(
        suite="demo",
        runs=4,
        ended=1,
        failed=0,
        told_at_s=time.time(),
        remaining_s=200.0,
        run=BEGUN,
    )
    return msgspec.structs.replace(given, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    folder.mkdir()
    return folder


@pytest.fixture
def live(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """Open the page over an empty folder."""
    with visited(browser, tmp_path) as site:
        yield site.open("/live")


def drawn(page: Page, expression: str, part: str = "live-run") -> Any:
    """Return what an expression on the figure, `it`, gives; its lines begin without a value."""
    script = f"(it => {expression})(document.querySelector('#{part} .js-plotly-plot') ?? {{}})"
    return page.evaluate(script)


def wait_until(page: Page, expression: str, part: str = "live-run") -> None:
    """Wait until an expression on the figure of a part of the page holds."""
    # Playwright would have the page evaluate it, which the page is not allowed to.
    until_s = time.monotonic() + PATIENCE_S
    while not drawn(page, expression, part):
        assert time.monotonic() < until_s, expression
        page.wait_for_timeout(20)


def test_without_a_sweep_it_says_how_to_start_one(live: Page) -> None:
    expect(live.get_by_text("No sweep is running")).to_be_visible()
    expect(live.get_by_text("paxoscope run demo")).to_be_visible()


def test_a_sweep_that_begins_appears_grows_and_ends(live: Page, folder: Path) -> None:
    expect(live.get_by_text("No sweep is running")).to_be_visible()
    progress.write(folder, told())
    expect(live.get_by_role("heading", name="Live: demo")).to_be_visible()
    expect(live.get_by_text("1 of 4 runs, about 3 min 20 s left")).to_be_visible()
    expect(live.get_by_text("1.00 k req/s")).to_be_visible()
    expect(live.locator(TRACES)).to_have_count(12)
    wait_until(live, "it.data?.every(line => line.x.length == 3)")
    more = (*BEGUN.moments, moment(1.5, throughput_rps=2000.0))
    progress.write(folder, told(run=msgspec.structs.replace(BEGUN, moments=more)))
    expect(live.get_by_text("2.00 k req/s")).to_be_visible()
    wait_until(live, "it.data?.every(line => line.x.length == 4)")
    (folder / PROGRESS_FILE).unlink()
    expect(live.get_by_text("has ended")).to_be_visible()
    expect(live.get_by_role("link", name="Look at its results")).to_be_visible()


def test_the_next_run_begins_anew(live: Page, folder: Path) -> None:
    progress.write(folder, told())
    wait_until(live, "it.data?.length == 12")
    other = msgspec.structs.replace(BEGUN, run_id="ba9876543210", protocol="jpaxos", moments=())
    progress.write(folder, told(ended=2, run=other))
    expect(live.get_by_text("2 of 4 runs")).to_be_visible()
    wait_until(live, "it.data?.every(line => line.x.length == 1)")


def test_a_run_that_begins_again_begins_anew(live: Page, folder: Path) -> None:
    """Its id is the same; its moments may be later than those that are drawn, or of their times."""
    progress.write(folder, told())
    wait_until(live, "it.data?.[0]?.x.length == 3")
    for times_s, throughput_rps in ((0.75, 1.25, 1.75, 2.25), 2e3), ((0.75, 1.25, 2.25, 2.5), 3e3):
        moments = tuple(moment(each, throughput_rps=throughput_rps) for each in times_s)
        progress.write(folder, told(run=msgspec.structs.replace(BEGUN, moments=moments)))
        wait_until(live, f"it.data[0].y.at(-1) == {throughput_rps}")
        assert drawn(live, "it.data[0].x") == [0.0, *times_s]
        assert set(drawn(live, "it.data[0].y")) == {None, throughput_rps}


def test_faults_are_told_and_marked_as_they_happen(live: Page, folder: Path) -> None:
    progress.write(folder, told())
    expect(live.get_by_text("1.00 k req/s")).to_be_visible()
    events = (Happening(1.2, "kill", "host-0", ""),)
    progress.write(folder, told(run=msgspec.structs.replace(BEGUN, events=events)))
    expect(live.get_by_text("Happened: 1.2 s host 0 (leader) killed")).to_be_visible()
    wait_until(live, "it.layout.shapes.some(each => each.x0 == 1.2)")
    wait_until(live, "it.layout.annotations.some(each => each.text == 'host 0 (leader) killed')")


def test_a_dashboard_that_answers_late_shows_it_all_the_same(
    live: Page, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = progress.read

    def read_late(path: Path) -> Progress | None:
        time.sleep(2 * PERIOD_MS / 1e3)  # As on a machine that is busy, or far away.
        return read(path)

    monkeypatch.setattr(progress, "read", read_late)
    progress.write(folder, told())
    expect(live.get_by_text("1.00 k req/s")).to_be_visible()


def test_of_very_many_events_the_latest_are_told(live: Page, folder: Path) -> None:
    events = tuple(Happening(each / 10, "kill", f"host-{each % 3}", "") for each in range(20))
    progress.write(folder, told(run=msgspec.structs.replace(BEGUN, events=events)))
    expect(live.get_by_text("Happened: 14 before; 1.4 s host 2 killed; ")).to_be_visible()


def test_of_a_sweep_in_virtual_time_the_results_so_far_are_shown(live: Page, folder: Path) -> None:
    simulated = msgspec.structs.replace(BEGUN, is_live=False, moments=())
    progress.write(folder, told(run=simulated))
    expect(live.get_by_text("tells its numbers when it has ended")).to_be_visible()
    expect(live.get_by_text("Results so far", exact=True)).to_be_hidden()
    runs = runs_of(("jpaxos",), clients=(10, 100, 1_000), repeats=1)
    for ended in (1, 2, 3):
        runs.head(ended).to_parquet(folder / "runs.parquet")
        progress.write(folder, told(run=simulated, ended=ended))
        expect(live.get_by_text(f"{ended} of 4 runs")).to_be_visible()
        wait_until(live, f"it.data?.[0]?.x.length == {ended}", "live-results")
        expect(live.get_by_role("row")).to_have_count(1 + ended)
    expect(live.locator("#live-run")).to_be_hidden()


def test_runs_that_ended_have_the_marks_of_the_linter(live: Page, folder: Path) -> None:
    runs = runs_of(("jpaxos",), clients=(10,), repeats=1)
    failed(runs, 0, safety="executed twice").to_parquet(folder / "runs.parquet")
    progress.write(folder, told())
    expect(live.get_by_label(re.compile("Read with care: .*executed twice"))).to_be_visible()


def test_runs_that_ended_are_told_apart_by_what_is_swept(live: Page, folder: Path) -> None:
    runs = runs_of(("jpaxos",), clients=(10,), repeats=2)
    runs.assign(window=[1, 8]).to_parquet(folder / "runs.parquet")
    progress.write(folder, told())
    name = "JPaxos, n = 3, 10 clients, repeat = 1, window = 8"
    expect(live.get_by_role("link", name=name)).to_be_visible()


def test_a_sweep_that_ended_shows_its_last_run_too(live: Page, folder: Path) -> None:
    runs = runs_of(("jpaxos",), clients=(10, 100), repeats=1)
    runs.head(1).to_parquet(folder / "runs.parquet")
    progress.write(folder, told())
    expect(live.get_by_role("row")).to_have_count(2)
    runs.to_parquet(folder / "runs.parquet")
    (folder / PROGRESS_FILE).unlink()
    expect(live.get_by_text("has ended")).to_be_visible()
    expect(live.get_by_role("row")).to_have_count(3)


# --- Several sweeps -----------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Path]:
    """Keep two sweeps going, whose names are those of their folders."""
    root, over = tmp_path / "root", Event()

    def go_on() -> None:
        while not over.wait(0.5):
            for name in ("one", "other"):
                progress.write(root / name, told(suite=name))

    sweeps = Thread(target=go_on)
    sweeps.start()
    yield root
    over.set()
    sweeps.join()


def test_of_two_sweeps_either_can_be_chosen_and_the_link_names_it(
    browser: Browser, two: Path
) -> None:
    (two / "one").mkdir(parents=True)
    with visited(browser, two) as site:
        page = site.open("/live", folder="one")
        expect(page.get_by_role("heading", name="Live: one")).to_be_visible()
        page.get_by_role("textbox", name="Several sweeps").click()
        page.get_by_role("option", name="other").click()
        expect(page.get_by_role("heading", name="Live: other")).to_be_visible()
        page.wait_for_url("**/live?folder=other")
        page.reload()
        expect(page.get_by_role("heading", name="Live: other")).to_be_visible()
        expect(page.get_by_role("textbox", name="Several sweeps")).to_have_value("other")


def test_the_same_run_of_two_folders_is_drawn_as_two(
    live: Page, tmp_path: Path, folder: Path
) -> None:
    progress.write(folder, told())
    wait_until(live, "it.data?.[0]?.x.length == 3")
    moments = (*BEGUN.moments, moment(1.5, throughput_rps=2e3), moment(2.0, throughput_rps=2e3))
    (tmp_path / "other").mkdir()
    run = msgspec.structs.replace(BEGUN, moments=moments[1:])
    progress.write(tmp_path / "other", told(run=run))
    (folder / PROGRESS_FILE).unlink()
    wait_until(live, "it.data[0].y.at(-1) == 2e3")
    assert drawn(live, "it.data[0].x") == [0.0, 1.0, 1.5, 2.0]


def test_of_one_sweep_there_is_no_choice_but_the_link_names_it(live: Page, folder: Path) -> None:
    progress.write(folder, told())
    expect(live.get_by_role("heading", name="Live: demo")).to_be_visible()
    live.wait_for_url("**/live?folder=sweep")
    expect(live.get_by_text("Several sweeps")).to_be_hidden()


def test_a_link_to_a_sweep_that_has_ended_leads_to_its_results(
    browser: Browser, tmp_path: Path, folder: Path
) -> None:
    runs_of(("jpaxos",), clients=(10,), repeats=1).to_parquet(folder / "runs.parquet")
    with visited(browser, tmp_path) as site:
        page = site.open("/live", folder="sweep")
        expect(page.get_by_text("has ended")).to_be_visible()
        expect(page.get_by_role("row")).to_have_count(2)


def test_a_sweep_that_was_stopped_by_force_is_told(live: Page, folder: Path) -> None:
    progress.write(folder, told())  # And never again.
    expect(live.get_by_text("No sign of life")).to_be_visible()


def test_a_link_names_a_sweep_but_nothing_outside(
    browser: Browser, tmp_path: Path, folder: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    progress.write(secret, told(suite="secret"))
    root = tmp_path / "root"
    for name in ("one", "other"):
        (root / name).mkdir(parents=True)
        progress.write(root / name, told(suite=name))
    with visited(browser, root) as site:
        for name in ("one", "other"):
            expect(site.open("/live", folder=name).get_by_text(f"Live: {name}")).to_be_visible()
        page = site.open("/live", folder="../secret")
        expect(page.get_by_text("Live: o")).to_be_visible()


@pytest.mark.ray
def test_a_run_on_ray_in_another_process_is_watched_to_its_end(live: Page, tmp_path: Path) -> None:
    suite = tmp_path / "small.toml"
    suite.write_text(SUITE)
    command = [sys.executable, "-m", "experiments", "run", str(suite), "--out", "run"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        expect(live.get_by_text("0 of 1 runs")).to_be_visible()
        happened, in_time = live.get_by_text("Happened:"), {"timeout": 1e3 * PATIENCE_S}
        expect(happened).to_contain_text("host 0 (leader) killed", **in_time)
        expect(happened).to_contain_text("leads view 1", **in_time)
        wait_until(live, "it.data?.[0].x.length >= 5")
        throughput, p50 = drawn(live, "it.data.slice(0, 2).map(line => line.y)")
        assert max(filter(None, throughput)) > 0
        assert max(filter(None, p50)) > 0
        expect(live.get_by_text("has ended")).to_be_visible(**in_time)
        told = running.communicate(timeout=PATIENCE_S)[0]
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, told
    live.get_by_role("link", name="Look at its results").click()
    expect(live.get_by_text("1 sound run")).to_be_visible()
