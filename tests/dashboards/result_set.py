"""A small result set, made by a closed-loop queueing formula instead of by running anything."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from experiments.spec import RunConfig

BIN_S = 0.1
BINS = 12

# Peak (requests/s), unloaded latency (ms), CPU per request on the leader's and on other hosts (us).
SYSTEMS = {
    "jpaxos": (1_200_000.0, 0.6, 1.1, 0.25),
    "spaxos": (800_000.0, 1.1, 0.8, 0.7),
    "multipaxos": (1_000_000.0, 0.7, 1.3, 0.3),
}


def runs_of(
    protocols: tuple[str, ...] = ("jpaxos", "spaxos"),
    replicas: tuple[int, ...] = (3,),
    clients: tuple[int, ...] = (1, 10, 100, 1_000, 4_000, 16_000),
    repeats: int = 3,
) -> pd.DataFrame:
    """Return the table of runs: every combination, each finished and safe."""
    random = np.random.default_rng(1)
    rows = [
        _run(protocol, n, count, repeat, float(random.normal(1, 0.03)))
        for protocol in protocols
        for n in replicas
        for count in clients
        for repeat in range(repeats)
    ]
    return pd.DataFrame(rows)


def failed(runs: pd.DataFrame, row: int, **verdict: str) -> pd.DataFrame:
    """Return the runs with another verdict in one row, and no results there."""
    changed = runs.copy()
    measured = [key for key in runs if key.startswith(("throughput", "latency_ms", "cpu_us"))]
    changed.loc[row, measured] = np.nan
    for column, text in verdict.items():
        changed.loc[row, column] = text
    return changed


def counters_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what each actor of each finished run counted, in bins of 100 ms."""
    rows: list[dict[str, Any]] = []
    for run in runs[runs["outcome"] == "ok"].to_dict("records"):
        for host in range(run["replicas"]):
            rows += _counters(run, host, "replica")
            if run["protocol"] == "spaxos":
                rows += _counters(run, host, "coordinator")
        rows += _counters(run, -1, "fleet")
    return pd.DataFrame(rows)


def _run(protocol: str, replicas: int, clients: int, repeat: int, noise: float) -> dict[str, Any]:
    peak, unloaded_ms, leader_us, _ = SYSTEMS[protocol]
    peak *= noise * 3 / replicas
    throughput = 1 / ((unloaded_ms / 1e3 / clients) ** 2 + peak**-2) ** 0.5
    mean_ms = clients / throughput * 1e3
    config = RunConfig(
        protocol=protocol,
        replicas=replicas,
        clients=clients,
        seed=1 + repeat,
        warmup_s=2.0,
        duration_s=1.0,
    )
    results = {
        "suite": "synthetic",
        "repeat": repeat,
        "outcome": "ok",
        "safety": "ok",
        "throughput_rps": throughput,
        "latency_ms_mean": mean_ms,
        "latency_ms_p50": 0.9 * mean_ms,
        "latency_ms_p95": 1.6 * mean_ms,
        "latency_ms_p99": 2.4 * mean_ms,
        "latency_ms_p999": 5.0 * mean_ms,
        "completed": float(int(throughput)),
        "retried": 0.0,
        "cpu_us_per_request": leader_us * 1.7 * noise,
        "run_id": f"{protocol}-{replicas}-{clients}-{repeat}",
        "started_at": f"2026-03-0{1 + repeat}T10:00:00+00:00",
        "wall_s": 6.5,
        "cpu_model": "Synthetic CPU @ 2.00 GHz",
        "cores": 2,
        "memory_bytes": 8_000_000_000,
        "os": "Linux-6.1",
        "commit": "0123456789abcdef",
        "python_version": "3.11.9",
        "ray_version": "2.60.0",
    }
    return results | msgspec.structs.asdict(config)


def _counters(run: dict[str, Any], host: int, role: str) -> list[dict[str, Any]]:
    _, _, leader_us, other_us = SYSTEMS[run["protocol"]]
    share = {"replica": 0.6 if run["protocol"] == "spaxos" else 1.0, "coordinator": 0.4}
    cost_us = (leader_us if host == 0 else other_us) * share.get(role, 0.5)
    cpu_s = min(1.0, run["throughput_rps"] * cost_us * 1e-6) * BIN_S
    bytes_in = run["throughput_rps"] * 30 * share.get(role, 1.0) * BIN_S
    row = {
        "run_id": run["run_id"],
        "actor": f"{role}-{max(host, 0)}",
        "role": role,
        "host": host,
        "cpu_s": cpu_s,
        "rss_bytes": 200e6,
        "leads": float(role == "replica" and host == 0),
        "network_bytes_in": bytes_in,
        "network_bytes_out": bytes_in * (2.5 if host == 0 else 1.0),
        "local_bytes_in": 0.0,
        "local_bytes_out": 0.0,
    }
    first = round(run["warmup_s"] / BIN_S)
    return [
        row | {"bin": bin_number, "time_s": (bin_number + 1) * BIN_S}
        for bin_number in range(first, first + BINS)
    ]
