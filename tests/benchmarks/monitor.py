"""What it costs a run to be watched: run by hand, on a machine that does nothing else.

    python -m tests.benchmarks.monitor [--pairs 10] [--clients 4000] [--protocol spaxos]

Runs pairs of one configuration on a local Ray, one that is monitored and one that is not, in an
order that changes from pair to pair, and prints the throughput of each, then the median ratio and
the 95% confidence interval of the mean ratio. With `--look` somebody looks, too: a dashboard serves
the page of the sweep to a chromium on this machine.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from actors.cluster import Cluster
from dashboards.app import server
from experiments import summarise
from experiments.live import LiveBackend
from experiments.measured import measured
from experiments.monitor import Monitor
from experiments.spec import Suite
from experiments.sweep import Run, expand

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def throughput_rps(run: Run, monitor: Monitor | None) -> float:
    """Carry out a run and return its throughput."""
    config = run.config
    if monitor is not None:
        monitor.started(run)
    with Cluster(config.load_config(), config.placement) as cluster:
        cluster.run(config.load_s, tell=monitor.tell if monitor is not None else None)
        found = measured(cluster.measurements())
    assert found.safety == "ok", found.safety
    return float(summarise.measure(config, **found.tables)["throughput_rps"])


@contextmanager
def somebody_looks(root: Path) -> Iterator[None]:
    """Serve a dashboard, and have a browser open its live page."""
    serving = make_server("127.0.0.1", 0, server.create(root).server, threaded=True)
    thread = Thread(target=serving.serve_forever)
    thread.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        browser.new_page().goto(f"http://127.0.0.1:{serving.server_port}/live")
        yield
        browser.close()
    serving.shutdown()
    thread.join()


def main() -> None:
    """Measure pairs, and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4000)
    parser.add_argument("--protocol", default="spaxos")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured window")
    parser.add_argument("--look", action="store_true", help="with a dashboard and a browser")
    options = parser.parse_args()
    suite = Suite(
        name="monitor",
        base={
            "protocol": options.protocol,
            "clients": options.clients,
            "warmup_s": 1.0,
            "duration_s": options.seconds,
        },
    )
    (run,) = expand(suite)
    ratios = []
    with tempfile.TemporaryDirectory() as folder, LiveBackend():
        for pair in range(options.pairs):
            rates = {}
            for is_watched in (True, False) if pair % 2 else (False, True):
                rates[is_watched] = _rate(run, suite, Path(folder), is_watched, options.look)
            ratios.append(rates[True] / rates[False])
            print(
                f"{pair + 1:3}: watched {rates[True]:10,.0f} req/s, unwatched "
                f"{rates[False]:10,.0f} req/s, ratio {ratios[-1]:.3f}",
                flush=True,
            )
    low, high = summarise.interval(np.array(ratios))
    print(
        f"median ratio {np.median(ratios):.3f}; mean {np.mean(ratios):.3f}, 95% confidence "
        f"interval {low:.3f} to {high:.3f}"
    )


def _rate(run: Run, suite: Suite, folder: Path, is_watched: bool, is_looked_at: bool) -> float:
    if not is_watched:
        return throughput_rps(run, None)
    with Monitor(folder, suite, [run]) as monitor:
        if not is_looked_at:
            return throughput_rps(run, monitor)
        with somebody_looks(folder):
            return throughput_rps(run, monitor)


if __name__ == "__main__":
    main()
