"""How fast the dashboard's first page and its filters are, with many runs: run by hand.

    python -m tests.benchmarks.dashboard [--runs 2000] [--visits 5] [--changes 12] [--keep DIR]

Makes result folders of runs with timelines (two runs in virtual time, told again and again with
other settings and numbers), serves them in a process of its own, opens them in Debian's chromium,
and prints: the time until the first page has its figure, until the figure is drawn again after a
filter has changed, and the resident memory of the server. Times are those of the browser's clock,
which stops when the figure has been painted. The first page is seen by a browser as users have it:
each time a new process that has got over its own start; filters are changed by one that is told
what to do.
"""

import argparse
import itertools
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from select import select
from typing import IO, Any
from urllib.request import urlopen

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from flask import Response, request
from playwright.sync_api import Page

from dashboards.app import server
from experiments import results
from experiments.results import TABLES, ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import Suite
from experiments.sweep import expand
from tests.dashboards.app.browsing import CHROMIUM, FLAGS, TRACES, VIEWPORT, chromium
from tests.dashboards.silent import Silent

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
_TELLS_WHEN_DRAWN = f"""
const look = () => document.querySelector('{TRACES}')
    ? setTimeout(() => fetch('/drawn', {{method: 'POST', body: performance.now()}}))
    : requestAnimationFrame(look);
look();
"""

# A page of another site, from which one goes to the first page.
_LEADS_ON = """
fetch('/at-rest').then(answer => answer.text()).then(address => location.replace(address));
"""
_AT_REST = 0.15
"""Share of the machine in use, below which a browser has got over its start."""

PATIENCE_S = 120.0
"""How long the first page may take until it has a figure."""


def make(root: Path, runs: int) -> None:
    """Write a result folder of so many runs below `root`."""
    with tempfile.TemporaryDirectory() as seeds:
        folder = Path(seeds) / "seeds"
        suite_runs = list(expand(SUITE))
        with ResultsWriter(folder, SUITE) as kept, SimulatedBackend() as backend:
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
    told: dict[str, Any] = {row["protocol"]: row for row in seeds.to_dict("records")}
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


def first_page_ms(address: str, told: IO[str], profile: Path) -> float:
    """Open the page as users do and return the time until its figure has been painted.

    The browser has what `profile` holds, and no tools that watch it: with them Plotly takes a third
    of a second more to get ready.
    """
    size = ",".join(str(VIEWPORT[side]) for side in ("width", "height"))
    command = [
        CHROMIUM,
        *FLAGS,
        "--headless",
        f"--window-size={size}",
        f"--user-data-dir={profile}",
        address.replace("127.0.0.1", "localhost") + "elsewhere",
    ]
    silent = subprocess.DEVNULL
    with subprocess.Popen([*map(str, command)], stdout=silent, stderr=silent) as browser:
        try:
            if not select([told], [], [], PATIENCE_S)[0]:
                sys.exit(f"{address} has no figure after {PATIENCE_S:g} s")
            return float(told.readline())
        finally:
            family = psutil.Process(browser.pid).children(recursive=True)
            browser.terminate()
            psutil.wait_procs(family)  # The next one shall have the machine for itself.


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


def measure(root: Path, visits: int, changes: int) -> None:
    """Serve `root`, look at it, and print what there is to say."""
    command = [sys.executable, "-m", "tests.benchmarks.dashboard", "--serve", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            _wait_for(address)
            _visit(address, process.stdout, visits)
            _change_filters(address, changes)
            memory_bytes = psutil.Process(process.pid).memory_info().rss
            print(f"{'memory of the server':32} {memory_bytes / 1e6:7.0f} MB")
        finally:
            process.terminate()


def _visit(address: str, told: IO[str], visits: int) -> None:
    """Open the first page as a newcomer, again and again, and as one who was there before."""
    # A browser that is told to end may write on for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profiles:
        kept = Path(profiles) / "0"
        first_ms = first_page_ms(address, told, kept)
        others_ms = [
            first_page_ms(address, told, Path(profiles) / str(1 + visit)) for visit in range(visits)
        ]
        again_ms = [first_page_ms(address, told, kept) for _ in range(visits)]
    _tell("first page, nothing read yet", [first_ms])
    _tell("first page, new to the browser", others_ms)
    _tell("first page, seen before", again_ms)


def _change_filters(address: str, changes: int) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(address)
        page.wait_for_load_state("networkidle")
        labels = ("protocol", "request_bytes", "replicas")
        _tell("filter changed", [redrawn_ms(page, labels[n % 3], n // 3) for n in range(changes)])


def _tell(what: str, took_ms: Sequence[float]) -> None:
    median_ms, most_ms = statistics.median(took_ms), max(took_ms)
    print(
        f"{what:32} {median_ms:7,.0f} ms, at most {most_ms:7,.0f} ms of {len(took_ms)}", flush=True
    )


def _wait_for(address: str) -> None:
    for _ in range(100):
        try:
            urlopen(address).close()  # noqa: S310 # It is our own.
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def serve(root: Path) -> None:
    """Serve as the command does, on any free port, told on the first line.

    Each line that follows says after how many milliseconds a page had its figure.
    """
    app = server.create(root).server

    def script() -> Response:
        return Response(_TELLS_WHEN_DRAWN, mimetype="text/javascript")

    def elsewhere() -> str:
        return '<!doctype html><script src="/leads-on.js"></script>'

    def leads_on() -> Response:
        return Response(_LEADS_ON, mimetype="text/javascript")

    def at_rest() -> str:
        while psutil.cpu_percent(interval=0.5) > 100 * _AT_REST:
            pass
        return request.host_url.replace("localhost", "127.0.0.1")

    def drawn() -> str:
        print(request.get_data(as_text=True), flush=True)
        return ""

    def with_script(response: Response) -> Response:
        if request.path == "/":
            tag = b'<script src="/drawn.js"></script></head>'
            response.set_data(response.get_data().replace(b"</head>", tag))
        return response

    app.get("/elsewhere")(elsewhere)
    app.get("/leads-on.js")(leads_on)
    app.get("/at-rest")(at_rest)
    app.get("/drawn.js")(script)
    app.post("/drawn")(drawn)
    app.after_request(with_script)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
        server.answer(app, listening)


def main() -> None:
    """Make the results, unless they are there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--visits", type=int, default=5, help="of each kind to the first page")
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
        measure(root, arguments.visits, arguments.changes)


if __name__ == "__main__":
    main()
