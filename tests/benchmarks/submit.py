"""How long a suite takes from `paxoscope submit` to its results at home: run by hand.

    python -m tests.benchmarks.submit [SUITE] [--nodes 3]

Starts a Ray cluster of so many nodes on this machine, submits the suite, follows it, and prints
what the command says, and beside what is wanted: how long all took, and how much of each run was
not its own time, which is to start and stop its actors and to collect what they measured. To write
that is not in the time of a run: it is told by itself, as what lies between two runs. The nodes
have a core each at most where the machine has one for each.
"""

import argparse
import math
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from experiments import results
from tests.experiments.ray_head import BIN, Head, environment, further_node, head

TOTAL_WANTED_S = 90
"""From `submit demo` to its results, on three nodes."""

OVERHEAD_WANTED_S = 8
"""Of any run, to start, stop and collect."""


def main() -> None:
    """Start the cluster, submit, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="demo")
    parser.add_argument("--nodes", type=int, default=3)
    arguments = parser.parse_args()
    with head() as first, ExitStack() as others, tempfile.TemporaryDirectory() as out:
        for _ in range(arguments.nodes - 1):
            others.enter_context(further_node(first))
        began_s = time.monotonic()
        _submit(first, arguments.suite, Path(out))
        took_s = time.monotonic() - began_s
        print(f"from submit to results: {took_s:.1f} s; at most {TOTAL_WANTED_S} wanted of demo")
        _tell_overhead(Path(out))


def _submit(first: Head, suite: str, out: Path) -> None:
    where = ("--address", first.address, "--out", str(out), "--kept-in", str(first.folder))
    command = [str(BIN / "paxoscope"), "submit", suite, *where, "--follow"]
    subprocess.run(command, env=environment(), check=False)  # It says why.


def _tell_overhead(folder: Path) -> None:
    runs = results.runs(folder)
    model_s = runs["warmup_s"] + runs["duration_s"] + runs["cooldown_s"]
    overhead_s = runs["wall_s"] - model_s * runs["dilation"]
    print(
        f"{len(runs)} runs; overhead of one: median {overhead_s.median():.1f} s, "
        f"most {overhead_s.max():.1f} s; at most {OVERHEAD_WANTED_S} wanted"
    )
    print(f"between two runs: {_between_s(runs):.1f} s on average")


def _between_s(runs: pd.DataFrame) -> float:
    """Return the time from the end of a run to the beginning of the next; nan if there is none."""
    began = pd.to_datetime(runs["started_at"])
    in_order = runs.loc[began.sort_values().index]
    from_first_to_last_s = (began.max() - began.min()).total_seconds()
    others = len(runs) - 1
    return (from_first_to_last_s - in_order["wall_s"][:others].sum()) / (others or math.nan)


if __name__ == "__main__":
    main()
