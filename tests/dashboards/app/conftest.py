"""A browser, result folders of real runs in virtual time, and a dashboard that serves them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from experiments.results import ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import load_suite
from experiments.sweep import expand
from tests.dashboards.app.browsing import CHROMIUM, Site, chromium, visited
from tests.dashboards.silent import Silent

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
    with ResultsWriter(root / "before", suite) as kept, SimulatedBackend() as backend:
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
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(browser: Browser, root: Path) -> Iterator[Site]:
    """Serve `root`, and look at it."""
    with visited(browser, root) as site:
        yield site
