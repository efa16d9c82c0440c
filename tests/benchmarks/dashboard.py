"""How fast the dashboard's first page and its filters are, with many runs: run by hand.

    python -m tests.benchmarks.dashboard [--runs 2000] [--changes 12] [--keep DIR]

Makes result folders of runs with timelines (two runs in virtual time, told again and again with
other settings and numbers), serves them in a process of its own, opens them in Debian's chromium,
and prints: the time until the first page has its figure, until the figure is drawn again after a
filter has changed, and the resident memory of the server. Times are those of the browser's clock,
which stops when the figure has been painted.
"""

import argparse
import itertools
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import Page, sync_playwright

from experiments import results
from experiments.results import TABLES, ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import Suite
from experiments.sweep import expand
from tests.dashboards.silent import Silent

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
FOLDER = "sweep"
SUITE = Suite(
    name="sweep",
    base={
        "backend": "sim",
        "profile": "ethernet-100mbit",
        "clients": 100,
        "warmup_s": 1.0,
        "duration_s": 4.0,
        "cooldown_s": 0.2,
    },
    axes={"protocol": ["jpaxos", "spaxos"]},
)
CLIENTS = (1, 10, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000)
REPLICAS = (3, 5, 7, 9, 11)
REQUEST_BYTES = (20, 200, 1_000, 4_000)

# Runs in the page until the figure differs from what it was, and has been painted.
_REDRAWN = """
option => new Promise(resolve => {
    const plot = document.querySelector('.js-plotly-plot');
    const from = performance.now();
    plot.once('plotly_afterplot', () =>
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from))));
    option.click();
})
"""


# From when the page was asked for until there is a figure, and it has been painted.
_FIRST_DRAWN = """
window.drawn = new Promise(resolve => {
    const look = () => document.querySelector('.scatterlayer .trace')
        ? setTimeout(() => resolve(performance.now()))
        : requestAnimationFrame(look);
    look();
});
"""


def make(root: Path, runs: int) -> None:
    """Write a result folder of so many runs below `root`."""
    with tempfile.TemporaryDirectory() as seeds:
        folder = Path(seeds) / "seeds"
        suite_runs = list(expand(SUITE))
        backend = SimulatedBackend([run.config for run in suite_runs])
        with ResultsWriter(folder, SUITE) as kept, backend:
            run_all(SUITE, suite_runs, backend=backend, results=kept, observer=Silent())
        shutil.copytree(folder, root / FOLDER, ignore=shutil.ignore_patterns("*.parquet"))
        rows = list(itertools.islice(_rows(results.runs(folder)), runs))
        for name in TABLES:
            told = {
                run_id: pq.ParquetFile(folder / name / f"{run_id}.parquet").read()
                for run_id in {row["told"] for row in rows}
            }
            for row in rows:
                table = told[row["told"]]
                ids = pa.array([row["run_id"]] * len(table), pa.string())
                table = table.set_column(0, "run_id", ids)
                pq.write_table(table, root / FOLDER / name / f"{row['run_id']}.parquet")
    table = pd.DataFrame(rows).drop(columns="told")
    table.to_parquet(root / FOLDER / "runs.parquet", index=False)


def _rows(seeds: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of runs without end: a closed-loop formula, and some noise."""
    random = np.random.default_rng(1)
    told = {row["protocol"]: row for row in seeds.to_dict("records")}
    for repeat in itertools.count():
        points = itertools.product(told, CLIENTS, REPLICAS, REQUEST_BYTES)
        for protocol, clients, replicas, request_bytes in points:
            peak_rps = (4e5 if protocol == "spaxos" else 4e5 / (replicas - 1)) / request_bytes**0.5
            noise = random.normal(1, 0.03)
            rps = noise / ((1e-3 / clients) ** 2 + peak_rps**-2) ** 0.5
            mean_ms = 1e3 * clients / rps
            yield {
                **told[protocol],
                "clients": clients,
                "replicas": replicas,
                "request_bytes": request_bytes,
                "repeat": repeat,
                "seed": 1 + repeat,
                "told": told[protocol]["run_id"],
                "throughput_rps": rps,
                "completed": rps * 4,
                "limit_rps": peak_rps,
                "latency_ms_mean": mean_ms,
                "latency_ms_p50": 0.9 * mean_ms,
                "latency_ms_p95": 1.6 * mean_ms,
                "latency_ms_p99": 2.4 * mean_ms,
                "run_id": f"{protocol}-{clients}-{replicas}-{request_bytes}-{repeat}",
            }


def first_page_ms(page: Page, address: str) -> float:
    """Open the page and return the time until its figure has been painted."""
    page.add_init_script(_FIRST_DRAWN)
    page.goto(address)
    return float(page.evaluate("window.drawn"))


def redrawn_ms(page: Page, label: str, number: int) -> float:
    """Add or remove a value of a filter and return the time until the figure is drawn again."""
    box = page.get_by_role("textbox", name=label, exact=True)
    box.click()
    options = page.locator("[role=option]:visible")
    options.first.wait_for()
    took_ms = float(options.nth(number % options.count()).evaluate(_REDRAWN))
    page.keyboard.press("Escape")
    page.wait_for_load_state("networkidle")
    return took_ms


def measure(root: Path, changes: int) -> None:
    """Serve `root`, look at it, and print what there is to say."""
    command = [sys.executable, "-m", "tests.benchmarks.dashboard", "--serve", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            _wait_for(address)
            _look(address, process.pid, changes)
        finally:
            process.terminate()


def _look(address: str, pid: int, changes: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for title in ("first page, nothing read yet", "first page again"):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            print(f"{title:32} {first_page_ms(page, address) / 1e3:7.2f} s", flush=True)
            page.wait_for_load_state("networkidle")
        labels = ("protocol", "request_bytes", "replicas")
        took = [redrawn_ms(page, labels[n % 3], n // 3) for n in range(changes)]
        print(f"{'filter changed, median':32} {statistics.median(took):7.0f} ms")
        print(f"{'filter changed, slowest':32} {max(took):7.0f} ms of {changes}")
        browser.close()
    print(f"{'memory of the server':32} {psutil.Process(pid).memory_info().rss / 1e6:7.0f} MB")


def _wait_for(address: str) -> None:
    for _ in range(100):
        try:
            urlopen(address).close()  # noqa: S310 # It is our own.
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def serve(root: Path) -> None:
    """Serve on any free port, told on the first line."""
    import logging

    from werkzeug.serving import make_server

    from dashboards.app import server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    served = make_server("127.0.0.1", 0, server.create(root).server, threaded=True)
    print(f"http://127.0.0.1:{served.server_port}/", flush=True)
    served.serve_forever()


def main() -> None:
    """Make the results, unless they are there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--changes", type=int, default=12, help="filters that are changed")
    parser.add_argument("--keep", type=Path, help="make the results here, or use those there")
    parser.add_argument("--serve", type=Path, help="do nothing but serve these results")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.keep or Path(scratch)
        if not (root / FOLDER).is_dir():
            make(root, arguments.runs)
        measure(root, arguments.changes)


if __name__ == "__main__":
    main()
