"""The pages in a real browser, over results of real runs in virtual time."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from dashboards.app import server
from experiments import results
from experiments.results import ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import load_suite
from experiments.sweep import expand
from tests.dashboards.silent import Silent

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SUITE = """
[base]
backend = "sim"
profile = "ethernet-100mbit"
warmup_s = 0.1
duration_s = 0.3
cooldown_s = 0.1

[axes]
protocol = ["jpaxos", "spaxos"]
clients = [10, 100]
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two result folders, and one that is broken."""
    root = tmp_path_factory.mktemp("root")
    path = tmp_path_factory.mktemp("suites") / "small.toml"
    path.write_text(SUITE)
    suite = load_suite(str(path))
    runs = list(expand(suite))
    with ResultsWriter(root / "before", suite) as kept:
        with SimulatedBackend([run.config for run in runs]) as backend:
            run_all(suite, runs, backend=backend, results=kept, observer=Silent())
    shutil.copytree(root / "before", root / "after")
    (root / "broken").mkdir()
    (root / "broken" / "runs.parquet").write_bytes(b"half a fi")
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Site:
    """A dashboard that is served, and a page of a browser that looks at it."""

    def __init__(self, browser: Browser, root: Path) -> None:
        # Port 0: any that is free.
        self._server = make_server("127.0.0.1", 0, server.create(root).server, threaded=True)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.errors: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _hear(self, message: object) -> None:
        if getattr(message, "type", "") == "error":
            self.errors.append(str(message))

    def open(self, path: str, **query: str) -> Page:
        self.page.goto(f"http://127.0.0.1:{self._server.server_port}{path}?{urlencode(query)}")
        return self.page

    def close(self) -> None:
        self.page.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(browser: Browser, root: Path) -> Iterator[Site]:
    site = Site(browser, root)
    yield site
    site.close()
    assert site.errors == []


def test_the_first_page_draws_a_line_for_each_protocol(site: Site) -> None:
    page = site.open("/")
    expect(page.locator(".legendtext")).to_have_text(["JPaxos", "S-Paxos"])
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_a_folder_that_is_broken_is_told_of_and_the_rest_works(site: Site) -> None:
    page = site.open("/")
    expect(page.get_by_text("not a result table")).to_be_visible()
    expect(page.locator(".scatterlayer .trace")).to_have_count(2)


def test_a_filter_leaves_out_a_protocol_and_goes_into_the_link(site: Site) -> None:
    page = site.open("/")
    page.get_by_role("textbox", name="protocol").click()
    page.get_by_role("option", name="spaxos").click()
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()
    expect(page.locator(".scatterlayer .trace")).to_have_count(1)
    page.reload()
    expect(page.get_by_text("2 points from 2 sound runs")).to_be_visible()


def test_a_click_on_a_point_opens_a_run_of_it(site: Site) -> None:
    page = site.open("/")
    page.locator(".scatterlayer .trace .point").last.click(force=True)
    expect(page.get_by_role("heading", name="S-Paxos, n = 3, 100 clients")).to_be_visible()
    expect(page.get_by_text("every check passed")).to_be_visible()
    expect(page.get_by_text("Distribution of latency")).to_be_visible()


def test_a_run_that_is_not_there_is_told(site: Site, root: Path) -> None:
    page = site.open("/run", folder="before", run="x")
    expect(page.get_by_text("before: no run x")).to_be_visible()
    page = site.open("/run", folder="../secret", run="x")
    expect(page.get_by_text("no result folder of that name")).to_be_visible()


def test_equal_result_sets_have_no_difference(site: Site) -> None:
    page = site.open("/compare", a="before", b="after")
    expect(page.get_by_text("within", exact=True)).to_have_count(4)


def test_the_messages_of_a_request_are_drawn_and_counted(site: Site) -> None:
    page = site.open("/messages")
    expect(page.get_by_text("16 messages over the network")).to_be_visible()
    page.get_by_text("5", exact=True).first.click()
    expect(page.get_by_text("46 messages over the network")).to_be_visible()


def test_without_a_reproduction_it_says_how_to_make_one(site: Site) -> None:
    page = site.open("/reproduction")
    expect(page.get_by_text("paxoscope reproduce --quick")).to_be_visible()


def test_an_empty_folder_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    site = Site(browser, tmp_path)
    expect(site.open("/").get_by_text("paxoscope run demo")).to_be_visible()
    site.close()
    assert site.errors == []


def test_every_run_has_a_page_without_an_error(site: Site, root: Path) -> None:
    for run_id in results.runs(root / "before")["run_id"]:
        page = site.open("/run", folder="before", run=run_id)
        expect(page.get_by_text("Over time")).to_be_visible()
