"""A small result set, made by a closed-loop queueing formula instead of by running anything."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from actors.core import histogram
from experiments import summarise
from experiments.results import EVENTS_COLUMNS, LATENCY_COLUMNS
from experiments.spec import RunConfig

BIN_S = 0.1
BINS = 12

# Peak (requests/s), unloaded latency (ms), CPU per request on the leader's and on other hosts (us).
SYSTEMS = {
    "jpaxos": (1_200_000.0, 0.6, 1.1, 0.25),
    "spaxos": (800_000.0, 1.1, 0.8, 0.7),
    "multipaxos": (1_000_000.0, 0.7, 1.3, 0.3),
}
_IN_FLIGHT = ("in_flight", "in_flight_first_third", "in_flight_last_third")
_NETWORK = [
    f"network_mbit_s_{way}_{whose}_host{'s' if whose == 'other' else ''}"
    for way in ("out", "in")
    for whose in ("leader", "other")
]


class Story(NamedTuple):
    """What happens in a run with faults, in seconds since the window began."""

    events: list[tuple[float, str, str, str]]
    outages: list[tuple[float, float]]
    """When no request is answered: from, to."""


STORIES = {
    "2 kill host leader": Story(
        [(2.0, "kill", "host-0", ""), (2.6, "view", "replica-1", "view 1")], [(2.05, 2.7)]
    ),
    "1 every 2 suspect replica follower": Story(
        [
            *((1.0, "suspect", "replica-1", ""), (1.02, "view", "replica-1", "view 1")),
            *((3.0, "suspect", "replica-2", ""), (3.02, "view", "replica-2", "view 2")),
            *((5.0, "suspect", "replica-0", ""), (5.02, "view", "replica-0", "view 3")),
            *((7.0, "suspect", "replica-1", ""), (7.02, "view", "replica-1", "view 4")),
        ],
        [(1.05, 1.3), (3.05, 3.2), (5.05, 5.6), (7.05, 7.2)],
    ),
    "2 cut host leader; +3 heal": Story(
        [
            *((2.0, "cut", "host-0", ""), (2.6, "view", "replica-1", "view 1")),
            (5.0, "heal", "", ""),
        ],
        [(2.05, 2.9)],
    ),
    # Those of suites that are shipped, where most happens.
    "3 cut host leader; +3 heal": Story(
        [
            *((3.0, "cut", "host-0", ""), (3.6, "view", "replica-1", "view 1")),
            (6.0, "heal", "", ""),
        ],
        [(3.05, 3.9)],
    ),
    "2 every 5 suspect replica follower": Story(
        [
            *((2.0, "suspect", "replica-1", ""), (2.02, "view", "replica-1", "view 1")),
            *((7.0, "suspect", "replica-2", ""), (7.02, "view", "replica-2", "view 2")),
        ],
        [(2.05, 2.3), (7.05, 7.2)],
    ),
    "2 kill host 0; +1 restart it; +1 kill host 1; +1 restart it; +1 kill host 2": Story(
        [
            *((2.0, "kill", "host-0", ""), (2.6, "view", "replica-1", "view 1")),
            *((3.3, "restart", "host-0", ""), (3.4, "recovered", "host-0", "")),
            *((4.3, "kill", "host-1", ""), (4.9, "view", "replica-2", "view 2")),
            *((5.6, "restart", "host-1", ""), (5.7, "recovered", "host-1", "")),
            *((6.7, "kill", "host-2", ""), (7.3, "view", "replica-0", "view 3")),
        ],
        [(2.05, 2.7), (4.35, 5.1), (6.75, 7.5)],
    ),
    "1 kill host 0; +1 restart it; +1 kill host 1; +1 restart it": Story(
        [
            *((1.0, "kill", "host-0", ""), (1.6, "view", "replica-1", "view 1")),
            *((2.3, "restart", "host-0", ""), (2.4, "recovered", "host-0", "")),
            *((3.3, "kill", "host-1", ""), (3.9, "view", "replica-2", "view 2")),
            *((4.6, "restart", "host-1", ""), (4.7, "recovered", "host-1", "")),
        ],
        [(1.05, 1.7), (3.35, 4.1)],
    ),
}


class Disturbed(NamedTuple):
    """The tables of runs with faults."""

    runs: pd.DataFrame
    timeline: pd.DataFrame
    latency: pd.DataFrame
    events: pd.DataFrame


def disturbed(
    *faults: str,
    protocols: tuple[str, ...] = ("jpaxos", "spaxos"),
    repeats: int = 1,
    duration_s: float = 9.0,
) -> Disturbed:
    """Return runs under 1,000 clients, each with the story of its faults, or with none for ""."""
    parts = []
    for number, words in enumerate(faults):
        runs = runs_of(protocols, clients=(1_000,), repeats=repeats)
        runs = runs.assign(
            faults=words, duration_s=duration_s, run_id=runs["run_id"] + f"-{number}"
        )
        parts += [_disturbed(run) for run in runs.to_dict("records")]
    return Disturbed(*(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)))


def _disturbed(run: dict[Any, Any]) -> Disturbed:
    story = STORIES.get(run["faults"], Story([], []))
    random = np.random.default_rng(run["seed"])
    bins = np.arange(round((run["warmup_s"] + run["duration_s"]) / BIN_S))
    start_s = bins * BIN_S - run["warmup_s"]
    share = np.ones(len(bins))
    waited_ms = np.zeros(len(bins))
    for begin_s, end_s in story.outages:
        lost_s = np.minimum(start_s + BIN_S, end_s) - np.maximum(start_s, begin_s)
        share -= np.clip(lost_s, 0, None) / BIN_S
        after_s = start_s - end_s
        share *= np.where(after_s > -BIN_S, 1 - 0.5 * np.exp(-5 * np.clip(after_s, 0, None)), 1)
        waited_ms += np.where((after_s > -BIN_S) & (after_s <= 0), 1e3 * (end_s - begin_s), 0)
    noise = random.normal(1, 0.03, len(bins))
    completed = np.round(run["throughput_rps"] * BIN_S * np.clip(share, 0, 1) * noise).astype(int)
    timeline = pd.DataFrame(
        {
            "fleet": 0,
            "bin": bins,
            "time_s": (bins + 1) * BIN_S,
            "completed": completed,
            "retried": 0,
            "outstanding": 1_000,
            "waiting": 0,
            "latency_ms_sum": completed * run["latency_ms_mean"],
        }
    )
    parts = []
    for ms, part in ((run["latency_ms_p50"], 0.97), (run["latency_ms_p99"], 0.03)):
        buckets = histogram.buckets_of((ms * noise + waited_ms * (part < 0.5)) * 1e-3)
        counts = np.ceil(completed * part).astype(int)
        parts.append(pd.DataFrame({"fleet": 0, "bin": bins, "bucket": buckets, "count": counts}))
    latency = pd.concat(parts, ignore_index=True)
    events = pd.DataFrame(story.events, columns=list(EVENTS_COLUMNS))
    events["time_s"] += run["warmup_s"]
    config = msgspec.convert({key: run[key] for key in RunConfig.__struct_fields__}, RunConfig)
    service = pd.DataFrame(columns=list(LATENCY_COLUMNS))
    numbers = summarise.measure(
        config,
        timeline=timeline,
        latency=latency,
        service=service,
        counters=counters_of(pd.DataFrame([run])),
        events=events,
    )
    run |= {key: numbers[key] for key in ("unavailability_s", "recovery_s", "throughput_rps")}
    run["retried"] = 1_000.0 * len(story.outages)
    tables = (timeline, latency[latency["count"] > 0], events)
    return Disturbed(pd.DataFrame([run]), *(each.assign(run_id=run["run_id"]) for each in tables))


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
    settings = RunConfig.__struct_fields__
    results = [key for key in runs if key.startswith(("throughput", "latency_ms", "cpu_us"))]
    measured = [key for key in results if key not in settings]
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
    peak, unloaded_ms, leader_us, other_us = SYSTEMS[protocol]
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
        "service_ms_p50": np.nan,
        "service_ms_p99": np.nan,
        **dict.fromkeys(_IN_FLIGHT, float(clients)),
        "lag_ms": 0.0,
        "limit_rps": np.nan,
        "limit_by": "",
        "cpu_cores_busiest_fleet": min(0.5, throughput * other_us * 1e-6),
        "cpu_cores_leader_host": throughput * leader_us * 1e-6,
        "cpu_cores_other_hosts": throughput * other_us * 1e-6,
        **dict.fromkeys(_NETWORK, throughput * 240e-6),
        "completed": float(int(throughput)),
        "retried": 0.0,
        "dropped": 0.0,
        "unavailability_s": 0.0,
        "recovery_s": np.nan,
        "cpu_us_per_request": leader_us * 1.7 * noise,
        "run_id": f"{protocol}-{replicas}-{clients}-{repeat}",
        "nodes": replicas,
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
        "network_messages_in.Accept": run["throughput_rps"] * BIN_S,
        "network_messages_out.Propose": run["throughput_rps"] * BIN_S,
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
