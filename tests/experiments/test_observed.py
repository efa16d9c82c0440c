"""What Ray's own tools show of a run: its Prometheus endpoint, its lists and its logs."""

import json
import re
import subprocess
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from actors.core import histogram
from experiments import results
from experiments.exporter import BOUNDS, METRICS
from tests.actors.on_ray import PATIENCE_S
from tests.experiments import ray_head
from tests.experiments.ray_head import BIN, Head
from tests.experiments.test_live import Command, Ended

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]

SUITE = """
[base]
warmup_s = 0.5
duration_s = 2.0
cooldown_s = 0.0
clients = 8
protocol = "spaxos"
"""

Series = dict[str, list[tuple[dict[str, str], float]]]


class Observed:
    """A run that has ended on a cluster, and what is seen of it there."""

    def __init__(self, head: Head, folder: Path) -> None:
        self._head = head
        suite = folder / "observed.toml"
        suite.write_text(SUITE)
        self.folder = folder / "out"
        where = f"--address={head.gcs}", f"--out={self.folder}", "--no-report"
        command = Command(
            "run", str(suite), *where, folder=ROOT, environment=ray_head.environment()
        )
        self.ended: Ended = command.ended()
        assert self.ended.code == 0, self.ended
        self.run_id: str = results.runs(self.folder)["run_id"].item()

    def series(self) -> Series:
        """Return the metrics of the run by name; waits for Ray, which exports now and then."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := self._exported()):
            assert time.monotonic() < deadline_s, "nothing is exported"
            time.sleep(0.5)
        return found

    def _exported(self) -> Series:
        with urllib.request.urlopen(self._head.metrics, timeout=PATIENCE_S) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        found: Series = defaultdict(list)
        for line in lines:
            if line.startswith("ray_paxoscope_") and f'run_id="{self.run_id}"' in line:
                name, labels, value = re.fullmatch(r"ray_(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]
                found[name].append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
        return found

    def ray(self, *arguments: str) -> str:
        """Return what a command of Ray's prints."""
        done = subprocess.run(
            [str(BIN / "ray"), *arguments],
            env=ray_head.environment() | {"RAY_ADDRESS": self._head.gcs},
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def actor(self, name: str) -> dict[str, Any]:
        """Return what Ray's list of actors says of one of the run."""
        only = "--filter", f"repr_name={name} of {self.run_id}"
        (found,) = json.loads(self.ray("list", "actors", *only, "--format=json"))
        return cast(dict[str, Any], found)


@pytest.fixture(scope="module")
def observed(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return Observed(head, tmp_path_factory.mktemp("observed"))


def test_the_endpoint_of_ray_says_what_the_results_say(observed: Observed) -> None:
    series = observed.series()
    assert series.keys() == METRICS.keys()
    for found in series.values():
        for labels, _ in found:
            assert (labels["suite"], labels["protocol"]) == ("observed", "spaxos")

    # What was reported is the beginning of what is in the tables.
    latency = results.latency(observed.folder)
    counts = histogram.merge(latency["bucket"].to_numpy(), latency["count"].to_numpy())
    ends_s = histogram.bucket_end_s(np.arange(histogram.BUCKETS))
    within = {labels["le"]: value for labels, value in series["paxoscope_latency_seconds_bucket"]}
    assert within.keys() == set(BOUNDS)
    for bound, count in within.items():
        assert count <= counts[ends_s <= float(bound) * 1.001].sum(), bound
    ((_, answered),) = series["paxoscope_latency_seconds_count"]
    assert 0 < answered == within["+Inf"] <= counts.sum()
    ((_, sum_s),) = series["paxoscope_latency_seconds_sum"]
    slowest_s = ends_s[np.flatnonzero(counts)[-1]]
    assert 0 < sum_s <= answered * slowest_s

    counters = results.counters(observed.folder)
    replicas = counters[counters["role"] == "replica"]
    views = {labels["host"]: value for labels, value in series["paxoscope_view"]}
    assert views.keys() == {"0", "1", "2"}
    for host, view in views.items():
        assert view in set(replicas[replicas["host"] == int(host)]["view"])
    for name in ("paxoscope_throughput_rps", "paxoscope_cpu_cores"):
        assert all(value > 0 for _, value in series[name]), name
    assert len(series["paxoscope_network_bytes_per_second"]) == 6


def test_ray_lists_actors_by_their_names_and_shows_what_they_log(observed: Observed) -> None:
    actor = observed.actor("replica-1")
    log = observed.ray("logs", "actor", "--id", actor["actor_id"], "--err")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert (line["run_id"], line["actor"]) == (observed.run_id, "replica-1")
        assert line.keys() >= {"asctime", "timestamp_ns", "levelname", "message"}
        assert line["actor_id"] == actor["actor_id"]
    messages = [line["message"] for line in lines]
    assert "replica-1 starts" in messages
    assert "replica-1 is connected to replica-2" in messages


def test_the_terminal_of_who_runs_shows_no_logs(observed: Observed) -> None:
    assert observed.ended.err == ""
    assert "is connected" not in observed.ended.out
