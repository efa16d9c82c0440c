"""What it costs a run to be watched: run by hand, on a machine that does nothing else.

    python -m tests.benchmarks.monitor [--pairs 10] [--clients 4000] [--protocol spaxos] [--rate 0]

Runs pairs of one configuration on a local Ray, one that is monitored and exported as metrics and
one that is neither, in an order that changes from pair to pair, and prints the throughput of each,
then the median ratio and the 95% confidence interval of the mean ratio; and the same of the
processor time that all actors and this process took together. With `--rate` the load is open-loop:
throughput is then the same, and processor time is what tells. With `--look` somebody looks, too: a
dashboard serves the page of the sweep to a chromium on this machine, whose own processor time is
not counted.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actors.cluster import Cluster
from experiments import summarise
from experiments.exporter import Exporter
from experiments.live import LiveBackend
from experiments.measured import measured
from experiments.monitor import Monitor
from experiments.spec import Suite
from experiments.sweep import Run, expand
from tests.dashboards.app.browsing import Site, chromium


class Cost(NamedTuple):
    """What a run did, and what it took."""

    throughput_rps: float
    cpu_s: float


def carry_out(run: Run, *watchers: Monitor | Exporter) -> Cost:
    """Carry out a run and return what it did, from when its clients began."""
    config = run.config
    for watcher in watchers:
        watcher.started(run)
    with Cluster(config.load_config()) as cluster:
        began_s = time.process_time()
        cluster.run(config.load_s, listeners=[watcher.tell for watcher in watchers])
        own_s = time.process_time() - began_s
        found = measured(cluster.measurements())
    assert found.safety == "ok", found.safety
    throughput_rps = float(summarise.measure(config, **found.tables)["throughput_rps"])
    later = found.counters[found.counters["time_s"] > 0.05]  # The first counts what came before.
    return Cost(throughput_rps, own_s + float(later["cpu_s"].sum()))


@contextmanager
def somebody_looks(root: Path) -> Iterator[None]:
    """Serve a dashboard, and have a browser open its live page."""
    with chromium() as browser, closing(Site(browser, root)) as site:
        site.open("/live")
        yield


def main() -> None:
    """Measure pairs, and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4000)
    parser.add_argument("--protocol", default="spaxos")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured window")
    parser.add_argument("--rate", type=float, default=0.0, help="requests/s, open-loop")
    parser.add_argument("--look", action="store_true", help="with a dashboard and a browser")
    options = parser.parse_args()
    suite = Suite(
        name="monitor",
        base={
            "protocol": options.protocol,
            "clients": options.clients,
            "arrival_rate_rps": options.rate,
            "warmup_s": 1.0,
            "duration_s": options.seconds,
        },
    )
    (run,) = expand(suite)
    ratios = []
    with tempfile.TemporaryDirectory() as folder, LiveBackend():
        for pair in range(options.pairs):
            costs = {}
            for is_watched in (True, False) if pair % 2 else (False, True):
                costs[is_watched] = _cost(run, suite, Path(folder), is_watched, options.look)
            watched, unwatched = costs[True], costs[False]
            ratios.append(np.array(watched) / np.array(unwatched))
            print(
                f"{pair + 1:3}: watched {watched.throughput_rps:10,.0f} req/s {watched.cpu_s:5.2f} "
                f"CPU s, unwatched {unwatched.throughput_rps:10,.0f} req/s "
                f"{unwatched.cpu_s:5.2f} CPU s",
                flush=True,
            )
    for name, found in zip(("throughput", "CPU time"), np.array(ratios).T, strict=True):
        low, high = summarise.interval(found)
        print(
            f"{name}: median ratio {np.median(found):.3f}, mean {np.mean(found):.3f}, 95% "
            f"confidence interval {low:.3f} to {high:.3f}"
        )


def _cost(run: Run, suite: Suite, folder: Path, is_watched: bool, is_looked_at: bool) -> Cost:
    if not is_watched:
        return carry_out(run)
    with Monitor(folder, suite, [run]) as monitor:
        watchers = monitor, Exporter(suite)
        if not is_looked_at:
            return carry_out(run, *watchers)
        with somebody_looks(folder):
            return carry_out(run, *watchers)


if __name__ == "__main__":
    main()
