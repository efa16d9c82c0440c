"""What a second core brings a sweep in virtual time: run by hand, on a machine that has two free.

    python -m tests.benchmarks.parallel [--pairs 3] [--runs 12] [--cores 2] [--ray]

Sweeps the same runs with one core and with several, side by side: in an order that changes from
pair to pair, each from an empty folder to the last row written. Prints the time of each, then the
median ratio. With `--ray` the runs are Ray tasks of a local Ray, which is there before; otherwise
processes, whose start counts. All numbers of the two sweeps must be the same.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from experiments import results
from experiments.connection import Connection
from experiments.ray_tasks import RayTasks
from experiments.results import ResultsWriter
from experiments.runner import run_all
from experiments.simulated import SimulatedBackend
from experiments.spec import Suite, load_suite
from experiments.sweep import expand
from tests.dashboards.silent import Silent

OF_THE_MACHINE = ["started_at", "wall_s", "commit"]


def suite_of(runs: int) -> Suite:
    """Return a suite of so many runs, or one more, of a second or two each."""
    settings = ("backend=sim", "clients=4000", "duration_s=3", "replicas=5")
    chosen = ("protocol=['jpaxos', 'spaxos']", f"repeats={(runs + 1) // 2}")
    overrides = [f"{each}" for each in (*settings, *chosen, "profile=srds12")]
    return load_suite("throughput", overrides)


def swept_s(suite: Suite, folder: Path, cores: int, on_ray: bool) -> float:
    """Sweep a suite into a new folder; return how long that took."""
    backend = SimulatedBackend(RayTasks(None) if on_ray else None, at_once=cores)
    began_s = time.perf_counter()
    with ResultsWriter(folder, suite) as kept, backend:
        run_all(suite, expand(suite), backend=backend, results=kept, observer=Silent())
    return time.perf_counter() - began_s


def main() -> None:
    """Sweep pairs, and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--ray", action="store_true", help="as Ray tasks")
    options = parser.parse_args()
    suite = suite_of(options.runs)
    ratios = []
    with tempfile.TemporaryDirectory() as name, Connection() if options.ray else nullcontext():
        if options.ray:  # Ray's workers start with the first tasks.
            swept_s(suite_of(2 * options.cores), Path(name) / "warm", options.cores, True)
        for pair in range(options.pairs):
            took_s, found = {}, []
            for cores in (1, options.cores) if pair % 2 else (options.cores, 1):
                folder = Path(name) / f"{pair}-{cores}"
                took_s[cores] = swept_s(suite, folder, cores, options.ray)
                runs = results.runs(folder).set_index("run_id").sort_index()
                assert set(runs["outcome"]) == {"ok"}
                found.append(runs.drop(columns=OF_THE_MACHINE))
            assert found[0].equals(found[1]), "several at once measure something else"
            ratios.append(took_s[1] / took_s[options.cores])
            print(
                f"{pair + 1:3}: {len(runs)} runs, 1 core {took_s[1]:6.1f} s, "
                f"{options.cores} cores {took_s[options.cores]:6.1f} s, "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f} with {options.cores} cores")


if __name__ == "__main__":
    main()
