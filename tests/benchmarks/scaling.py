"""What one more of everything costs: the figures of docs/scaling.md, measured by hand.

    python -m tests.benchmarks.scaling [actors collecting news clients results simulator ...]

Measures what is named, or all of it, and prints a line a figure. `actors` and `collecting` start a
local Ray; `collecting` loads it for a minute. What is called CPU is the processor time of this
process, which says the same on a machine that does something else, too.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from ray._private import state

from actors.cluster import Cluster
from actors.core.client import Clients
from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.core.registry import PROTOCOLS
from actors.interrupts import run as run_interruptibly
from actors.news import PERIOD_S, News, Report, decode, encode
from actors.newsroom import _latencies
from actors.services import registry as services
from experiments import environment, results, summarise
from experiments.connection import Connection
from experiments.console import points_table
from experiments.estimate import Countdown
from experiments.measured import measured
from experiments.monitor import Monitor
from experiments.results import ResultsWriter
from experiments.runner import Ended, Measured, _row
from experiments.spec import RunConfig, Suite, load_suite
from experiments.sweep import expand
from tests.benchmarks import virtual_time
from tests.experiments import fake

POINTS = (100, 1000, 10_000)
RECORDED = "a run's numbers, tables and row"


@contextmanager
def told(what: str, per: float = 1, unit: str = "ms", scale: float = 1e3) -> Iterator[None]:
    """Print how long something takes, of wall and of CPU, by `per`."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    yield
    wall = (time.perf_counter() - began_s) / per * scale
    cpu = (time.process_time() - cpu_s) / per * scale
    print(f"{what:58} {wall:10.3f} {unit}, CPU {cpu:10.3f} {unit}", flush=True)


def fact(what: str, value: float, unit: str) -> None:
    """Print a figure."""
    print(f"{what:58} {value:10,.1f} {unit}", flush=True)


@contextmanager
def fsyncs_told(per: int) -> Iterator[None]:
    """Print how often, by `per`, this process waits for the disk, and how long."""
    fsync, waits_s = os.fsync, []

    def timed(descriptor: int) -> None:
        began_s = time.perf_counter()
        fsync(descriptor)
        waits_s.append(time.perf_counter() - began_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", timed)
        yield
    fact(f"of that the disk: {len(waits_s) / per:.0f} times", sum(waits_s) / per * 1e3, "ms, wall")


# --- On Ray -------------------------------------------------------------------------------------


def actors() -> None:
    """Measure an actor: its start, connections and stop, a call, its memory."""
    with Connection():
        for replicas in (1, 3, 5, 9):
            config = LoadConfig(protocol="spaxos", replicas=replicas, fleets=2, clients=1000)
            count = 2 * replicas + 2
            cluster, began_s = Cluster(config), time.perf_counter()
            with cluster:
                fact(f"start of {count} actors, connected", time.perf_counter() - began_s, "s")
                crew = cluster._crew
                with told(f"a call of each of {count} actors, at once", 20):
                    for _ in range(20):
                        run_interruptibly(
                            crew.guard(crew.ask(crew.of("replica", "fleet"), "process", 30.0))
                        )
                table = state.actors()
                mine = [
                    psutil.Process(table[each._actor_id.hex()]["Pid"])
                    for each in crew._actors.values()
                ]
                full = [process.memory_full_info() for process in mine]
                fact("memory of an actor, resident", np.mean([m.rss for m in full]) / 1e6, "MB")
                fact("memory of an actor, its own", np.mean([m.uss for m in full]) / 1e6, "MB")
                sockets = sum(len(process.net_connections("tcp")) for process in mine)
                fact("TCP connections and listeners of all, Ray's among them", sockets, "")
                began_s = time.perf_counter()
            fact(f"stop of {count} actors", time.perf_counter() - began_s, "s")


def collecting() -> None:
    """Collect what 20 actors have after 60 s of bins of 100 ms, as a run does."""
    config = RunConfig(
        protocol="spaxos",
        replicas=9,
        fleets=2,
        clients=1000,
        arrival_rate_rps=1000.0,
        warmup_s=5.0,
        duration_s=54.5,
        cooldown_s=0.5,
    )
    with Connection(), Cluster(config.load_config()) as cluster:
        cluster.run(config.load_s)
        crew = cluster._crew
        began_s = time.perf_counter()
        found = cluster.measurements()
        collected_s = time.perf_counter() - began_s
        tables = measured(found)
        in_all_s = time.perf_counter() - began_s
        actors_there = len(crew.of("replica", "coordinator", "fleet"))
    rows = sum(len(table.rows) for _, table in found.meters)
    size = sum(table.rows.nbytes for _, table in found.meters)
    fact(f"collecting from {actors_there} actors, {rows:,} samples", collected_s, "s")
    fact("the same, with the tables made", in_all_s, "s")
    fact("meters, as they come", size / 1e6, "MB")
    for name, table in tables.tables.items():
        fact(f"rows of {name}", len(table), "")
    _written(config, tables)


def _written(config: RunConfig, tables: Measured) -> None:
    suite = Suite(name="s")
    with tempfile.TemporaryDirectory() as name, ResultsWriter(Path(name), suite) as kept:
        with told("numbers of that run"):
            row = _row(suite, Ended(expand(suite)[0]._replace(config=config), tables, "", 1.0))
        with told("tables of that run, written"):
            kept.record(row | environment.describe(), tables.tables)
        size = sum(path.stat().st_size for path in Path(name).glob("*/*.parquet"))
        fact("the same, on disk", size / 1e3, "kB")


# --- The driver ---------------------------------------------------------------------------------


def news() -> None:
    """Measure what the reports of the actors of 101 hosts cost the driver."""
    names = [f"network_messages_{way}.Type{n}" for way in ("in", "out") for n in range(20)]
    names += [f"network_bytes_{way}.Type{n}" for way in ("in", "out") for n in range(20)]
    growth = dict.fromkeys(("cpu_s", "completed", "network_bytes_out", *names), 12345.0)
    body = encode(Report(1.0, 1.4, growth, dict.fromkeys(range(400, 600), 17), {}))
    fact("a report", len(body) / 1e3, "kB")
    hosts = [Address(role, n) for role in ("replica", "coordinator") for n in range(101)]
    with told("a report, read", 1000, "us", 1e6):
        for _ in range(1000):
            report = decode(body)
    heard = dict.fromkeys([*hosts, Address("fleet", 0)], report)
    suite = Suite(name="s")
    runs = expand(suite)
    with tempfile.TemporaryDirectory() as name, Monitor(Path(name), suite, runs) as monitor:
        monitor.started(runs[0])
        with told("news of 203 actors", 50):
            for _ in range(50):
                monitor.tell(News(heard, _latencies(heard.values()), []))
    fact("reports of 203 actors a second", len(heard) / PERIOD_S, "")


def clients() -> None:
    """Measure the memory of a client: at its fleet, a replica and a coordinator."""
    kind, protocol = services.find("null"), PROTOCOLS["spaxos"]
    assert protocol.coordinator is not None
    for count in (100_000, 1_000_000):
        config = LoadConfig(protocol="spaxos", clients=count)
        parts = {
            "its fleet": Clients(0, config, kind.workload(config), "coordinator"),
            "a replica": protocol.replica(0, config, kind.service(), ()),
            "a coordinator": protocol.coordinator(0, config, ()),
        }
        for name, part in parts.items():
            fact(f"a client of {count:,} at {name}, at most", _arrays_bytes(part) / count, "B")
        evidence = 2 * np.dtype(np.uint32).itemsize
        fact(f"evidence of {count:,} clients, of each replica", evidence * count / 1e6, "MB")


def _arrays_bytes(thing: object, seen: set[int] | None = None) -> int:
    """Return the size of all arrays that belong to something of ours."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, list | tuple | dict):
        parts = thing.values() if isinstance(thing, dict) else thing
    elif type(thing).__module__.startswith("actors."):
        parts = getattr(thing, "__dict__", {}).values()
    else:
        return 0
    return sum(_arrays_bytes(part, seen) for part in parts)


def results_of_many() -> None:
    """Measure what a sweep of many points costs beside its runs."""
    for points in POINTS:
        axis = str(list(range(1, points // 10 + 1)))
        overrides = [f"clients={axis}", "repeats=10", "protocol=jpaxos"]
        with told(f"a suite of {points:,} runs, read and checked"):
            suite = load_suite("throughput", overrides)
        with told(f"{points:,} runs, named and shuffled"):
            runs = expand(suite)
        with told("the time that is left, corrected, a run", points, "us", 1e6):
            countdown = Countdown(runs)
            for run in runs:
                countdown.started(run)
                countdown.finished(run, 1.0)
        tables = fake.measured(RunConfig(duration_s=5.0))
        first = _row(suite, Ended(runs[0], tables, "", 1.0)) | environment.describe()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with ResultsWriter(folder, suite) as kept:
                rows = [first | {"run_id": run.run_id} for run in runs]
                kept._write_runs(kept._with_rows(pd.DataFrame(rows)))
                with told(f"a row after {points:,}, written", 5):
                    for number in range(5):
                        row = pd.DataFrame([first | {"run_id": f"more{number}"}])
                        kept._write_runs(kept._with_rows(row))
                with told(f"all rows of {points:,} runs, as `--resume` wants them"):
                    rows_there = kept.rows()
                with told("the table at the end of a sweep"):
                    points_table(suite, rows_there)
            with told(f"the table of {points:,} runs, read"):
                table = results.runs(folder)
            with told("points and their medians"):
                summarise.summary(table)
            size = results.runs_path(folder).stat().st_size
            fact(f"the table of {points:,} runs, on disk", size / 1e3, "kB")
            if points <= 1000:
                _read_tables(folder, suite, tables, points)


def _read_tables(folder: Path, suite: Suite, tables: Measured, points: int) -> None:
    runs = expand(suite)
    provenance = environment.describe()
    with ResultsWriter(folder, suite) as kept, fsyncs_told(20), told(RECORDED, 20):
        for run in runs[:20]:
            row = _row(suite, Ended(run, tables, "", 1.0)) | provenance
            kept.record(row, tables.tables)
    for name in results.TABLES:
        for run in runs[1:]:
            source = folder / name / f"{runs[0].run_id}.parquet"
            shutil.copyfile(source, folder / name / f"{run.run_id}.parquet")
    with told(f"all counters of {points:,} runs, read", points, "ms a run"):
        results.counters(folder, [run.run_id for run in runs])


PARTS: Mapping[str, Callable[[], None]] = {
    "actors": actors,
    "collecting": collecting,
    "news": news,
    "clients": clients,
    "results": results_of_many,
    "simulator": virtual_time.tell,
}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure")
    for name in parser.parse_args().parts or PARTS:
        print(f"--- {name}")
        PARTS[name]()


if __name__ == "__main__":
    main()
