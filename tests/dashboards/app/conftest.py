"""A browser, result folders of real runs in virtual time, and a dashboard that serves them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from dashboards.app import server
from experiments.results import ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import load_suite
from experiments.sweep import expand
from tests.dashboards.silent import Silent

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# Long enough for a machine that is busy with other things, too.
expect.set_options(timeout=20_000)

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


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two result folders, and one that is broken."""
    root = tmp_path_factory.mktemp("root")
    path = tmp_path_factory.mktemp("suites") / "small.toml"
    path.write_text(SUITE)
    suite = load_suite(str(path))
    runs = list(expand(suite))
    backend = SimulatedBackend([run.config for run in runs])
    with ResultsWriter(root / "before", suite) as kept, backend:
        run_all(suite, runs, backend=backend, results=kept, observer=Silent())
    shutil.copytree(root / "before", root / "after")
    (root / "broken").mkdir()
    (root / "broken" / "runs.parquet").write_bytes(b"half a fi")
    return root


# Not for the session: while it runs, no other test of this thread could have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's chromium; without it the tests are skipped."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
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
    """Serve `root`; no page that a test opens may have an error in the browser's console."""
    site = Site(browser, root)
    yield site
    site.close()
    assert site.errors == []
