"""A backend that needs no cluster: what it measures follows from the configuration alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import pandas as pd

from experiments.results import (
    COUNTERS_COLUMNS,
    EVENTS_COLUMNS,
    LATENCY_COLUMNS,
    TIMELINE_COLUMNS,
)
from experiments.runner import Ended, Measured, UnderWay, one_by_one
from experiments.spec import BIN_S, RunConfig
from experiments.sweep import Run

REQUESTS_PER_CLIENT_AND_BIN = 7


def measured(config: RunConfig, outcome: str = "ok", safety: str = "ok") -> Measured:
    """Make the tables of a steady run: one fleet, one latency bucket, host 0 leads.

    Where it is to have faults, one begins with the window and does no harm.
    """
    bins = range(round(config.load_s / BIN_S))
    completed = config.clients * REQUESTS_PER_CLIENT_AND_BIN
    timeline = [
        (0, each, (each + 1) * BIN_S, completed, 0, config.clients, 0, 2.0 * completed)
        for each in bins
    ]
    latency = [(0, each, 500, completed) for each in bins]
    counters = [
        (
            *(f"replica-{host}", "replica", host, each, (each + 1) * BIN_S),
            *(0.05, int(host == 0), 100e6 + each * 1e6),
        )
        for each in bins
        for host in range(config.replicas)
    ]
    events = [(config.warmup_s, "kill", "host-1", "")] if config.faults else []
    return Measured(
        outcome,
        safety,
        pd.DataFrame(timeline, columns=list(TIMELINE_COLUMNS)),
        pd.DataFrame(latency, columns=list(LATENCY_COLUMNS)),
        pd.DataFrame(columns=list(LATENCY_COLUMNS)),
        pd.DataFrame(counters, columns=[*COUNTERS_COLUMNS, "cpu_s", "leads", "rss_bytes"]),
        pd.DataFrame(events, columns=list(EVENTS_COLUMNS)),
    )


class FakeBackend:
    """Carries out every run at once, as `behave` says."""

    def __init__(self, behave: Callable[[RunConfig], Measured] = measured) -> None:
        self._behave = behave
        self.ran: list[RunConfig] = []
        self.is_open = False

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def carry_out(self, runs: Sequence[Run], begin: Callable[[Run], UnderWay]) -> Iterator[Ended]:
        return one_by_one(self.run, runs, begin)

    def run(self, config: RunConfig, _run_id: str = "", /) -> Measured:
        assert self.is_open
        self.ran.append(config)
        return self._behave(config)
