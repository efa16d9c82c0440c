"""Why a run was no faster: which resource of which host was used up, or that none was."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from dashboards import theme
from experiments.linter import BOUND_SHARE, kept_up
from experiments.summarise import in_window, usage_by_host


class Resource(NamedTuple):
    """What a host has only so much of."""

    name: str
    setting: str
    """The setting that says how much; 0 where it is not limited."""


RESOURCES: Mapping[str, Resource] = {
    "cpu_cores": Resource("CPU", "modelled_cores"),
    "network_mbit_s_out": Resource("network out", "egress_mbit_s"),
    "network_mbit_s_in": Resource("network in", "ingress_mbit_s"),
}
"""By the column of `experiments.summarise.usage_by_host` that says how much is used."""

_CPU_MODEL = (
    "cpu_us_per_client_request",
    "cpu_us_per_executed_request",
    "cpu_us_per_message",
    "cpu_ns_per_byte",
)


class Explanation(NamedTuple):
    """What bounded a run, in words."""

    headline: str
    sentences: list[str]


class _Fullest(NamedTuple):
    """The resource of which a host has used the largest share."""

    words: str
    share: float


def capacities(run: Mapping[Any, Any]) -> dict[str, float]:
    """Return how much a host of this run has of each of `RESOURCES`; inf where nothing limits it.

    `run` is a row of the table of runs.
    """
    found = {measure: run[each.setting] or math.inf for measure, each in RESOURCES.items()}
    if not any(run[key] for key in _CPU_MODEL):
        found["cpu_cores"] = math.inf  # Cores are of the model, and it has no CPU.
    return found


def explain(run: Mapping[Any, Any], counters: pd.DataFrame) -> Explanation:
    """Say what bounded a sound run, a row of the table of runs; `counters` are of that run."""
    used = usage_by_host(counters, run["warmup_s"], run["duration_s"])
    has = capacities(run)
    if all(map(math.isinf, has.values())):
        return Explanation("No limits are modelled", list(_on_this_machine(run, counters, used)))
    fullest = _fullest(used, has)
    reached = run["throughput_rps"] / run["limit_rps"]
    at_computed = reached >= BOUND_SHARE
    if at_computed or fullest.share >= BOUND_SHARE:
        by = run["limit_by"] if at_computed else fullest.words
        return Explanation(f"At its limit: {by}", [_computed(run, reached), *_shares(used, has)])
    return Explanation(
        f"Not at its limit: {_share(reached)} of what these hosts can do",
        [_computed(run, reached), *_shares(used, has), _what_else(run)],
    )


def _fullest(used: pd.DataFrame, has: Mapping[str, float]) -> _Fullest:
    shares = [
        _Fullest(f"{RESOURCES[measure].name} of {_named(host)}", host[measure] / has[measure])
        for host in used.to_dict("records")
        for measure in _limited(has)
    ]
    return max(shares, key=lambda each: each.share, default=_Fullest("", 0.0))


def _limited(has: Mapping[str, float]) -> list[str]:
    return [measure for measure, most in has.items() if math.isfinite(most)]


def _named(host: Mapping[Any, Any]) -> str:
    return f"host {host['host']}{', which leads' if host['leads'] else ''}"


def _computed(run: Mapping[Any, Any], reached: float) -> str:
    return (
        f"Hosts with these limits can do {theme.si(run['limit_rps'], 'requests/s')} at most, by "
        f"what a request takes of them; then {run['limit_by']} is used up. This run did "
        f"{_share(reached)} of that."
    )


def _share(part: float) -> str:
    return f"{part:.0%}" if part >= 0.01 else "less than 1%"


def _shares(used: pd.DataFrame, has: Mapping[str, float]) -> Iterator[str]:
    """Say how full the leader's host is, and the others: who does the work."""
    leader, others = used[used["leads"]], used[~used["leads"]]
    said = [
        f"{RESOURCES[measure].name} {_percent(leader, measure, has[measure])} "
        f"({_percent(others, measure, has[measure])})"
        for measure in _limited(has)
    ]
    if len(leader) and len(others):
        yield f"In use at the leader's host (at another, on average): {', '.join(said)}."


def _percent(hosts: pd.DataFrame, measure: str, most: float) -> str:
    return f"{hosts[measure].mean() / most:.0%}"


def _what_else(run: Mapping[Any, Any]) -> str:
    if not run["arrival_rate_rps"]:
        return (
            "The clients bound it: each waits for its reply before it asks again. More of them "
            "may bring more, and so may larger batches or a wider window."
        )
    offered = theme.si(run["arrival_rate_rps"], "requests/s")
    if kept_up(pd.DataFrame([run])).all():
        return f"The load bounds it: {offered} were offered, and answered."
    return f"More was offered, {offered}; batches, the window or latency keep it from more."


def _on_this_machine(
    run: Mapping[Any, Any], counters: pd.DataFrame, used: pd.DataFrame
) -> Iterator[str]:
    """Say how busy the machine was that all hosts and clients shared, or the nodes they were on."""
    if run["backend"] == "sim":
        yield "Hosts take no time for anything: what is left is the network's."
        return
    window = in_window(counters, run["warmup_s"], run["duration_s"])
    cores = float(window["cpu_s"].sum()) / run["duration_s"]
    busy = f"All hosts and clients together kept {theme.significant(cores)}"
    if run["nodes"] > 1:  # What cores the others have is not recorded.
        yield f"{busy} cores busy; the hosts lived on {run['nodes']:.0f} nodes."
    else:
        there = f"of this machine's {run['cores']:.0f} cores"
        yield f"{busy} {there} busy: what is measured is the machine."
    leader, others = used[used["leads"]], used[~used["leads"]]
    if len(leader) and len(others):
        yield (
            f"The leader's host took {theme.significant(leader['cpu_cores'].mean())} cores, "
            f"each other host {theme.significant(others['cpu_cores'].mean())} on average."
        )
