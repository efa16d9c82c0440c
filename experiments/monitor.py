"""Lets a sweep be watched: keeps in a file how it goes on and what its actors measure.

A thread writes the file twice a second, also where nothing happens: that is the sweep's sign of
life. A file that cannot be written costs the watchers their view, never the sweep a result.
"""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import msgspec

from actors.core.histogram import Counts, percentile_s
from actors.news import News
from experiments.estimate import Countdown
from experiments.heard import Heard, HostNow
from experiments.progress import (
    EVENTS_MAX,
    CurrentRun,
    Happening,
    HostUsage,
    Moment,
    Progress,
    ProgressFile,
)
from experiments.results import Row
from experiments.runner import is_sound
from experiments.spec import Suite
from experiments.sweep import Run, name_of

PERIOD_S = 0.4
"""Time between two writes."""

MOMENTS_MAX = 300
"""Moments of a run that are kept, the latest ones: two minutes, or more."""

HOST_MOMENTS_MAX = 20_000
"""Moments of all hosts that are kept: with many hosts the file would grow beyond what is read."""


class Monitor:
    """Keeps the progress of `runs` of a suite in the folder of their results, while entered."""

    def __init__(self, folder: Path, suite: Suite, runs: Sequence[Run]) -> None:
        self._file = ProgressFile(folder, "this sweep")
        self._suite = suite
        self._countdown = Countdown(runs)
        self._lock = Lock()
        self._told = Progress(
            suite=suite.name,
            runs=len(runs),
            ended=0,
            failed=0,
            told_at_s=time.time(),
            remaining_s=self._countdown.remaining_s(),
        )
        self._under_way: dict[str, Run] = {}  # By run_id, in the order in which they began.
        self._heard: Heard  # Of that run which is told of.
        self._moments: deque[Moment] = deque(maxlen=MOMENTS_MAX)
        self._over = Event()
        self._writer = Thread(target=self._keep_writing, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._writer.join()

    # --- What it hears ---

    def started(self, run: Run) -> None:
        """Hear that `run` begins."""
        self._countdown.started(run)
        self._under_way[run.run_id] = run
        self._change(**self._current())

    def finished(self, run: Run, row: Row) -> None:
        """Hear that `run` ended."""
        self._countdown.finished(run, row["wall_s"])
        del self._under_way[run.run_id]
        failed = self._told.failed + (not is_sound(row))
        self._change(ended=self._told.ended + 1, failed=failed, **self._current())

    def _current(self) -> dict[str, object]:
        """Return what is told of the runs under way."""
        if not self._under_way:
            return {"run": None, "beside": 0}
        first, shown = next(iter(self._under_way.values())), self._told.run
        if shown is None or shown.run_id != first.run_id:
            kept = min(MOMENTS_MAX, HOST_MOMENTS_MAX // first.config.replicas)
            self._moments = deque(maxlen=kept)
            self._heard = Heard(models_cpu=first.config.models_cpu)
            shown = _current(self._suite, first)
        return {"run": shown, "beside": len(self._under_way) - 1}

    def tell(self, news: News) -> None:
        """Hear what the actors of the current run have measured: there is no other beside it."""
        self._heard.hear(news.actors)
        # Who was heard of late may be forgotten already.
        if self._heard.fleets() and any(address.role == "fleet" for address in news.actors):
            self._moments.append(_moment(self._heard, news.latencies))
        run = self._told.run
        assert run is not None, "there is no run to tell of"
        events = tuple(Happening(*row) for row in news.events[-EVENTS_MAX:])
        self._change(run=msgspec.structs.replace(run, moments=tuple(self._moments), events=events))

    # --- What it keeps ---

    def _change(self, **facts: object) -> None:
        with self._lock:
            self._told = msgspec.structs.replace(self._told, **facts)

    def _keep_writing(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._change(told_at_s=time.time(), remaining_s=self._countdown.remaining_s())
            self._file.write(self._told)
        self._file.remove()


def _current(suite: Suite, run: Run) -> CurrentRun:
    config = run.config
    return CurrentRun(
        run_id=run.run_id,
        name=name_of(suite, run),
        protocol=config.protocol,
        replicas=config.replicas,
        is_live=config.backend == "live",
        warmup_s=config.warmup_s,
        duration_s=config.duration_s,
        load_s=config.load_s,
    )


# --- From news to a moment ----------------------------------------------------------------------


def _moment(heard: Heard, latencies: Counts) -> Moment:
    """Return the moment that all who were heard of tell of, at least one fleet."""
    return Moment(
        time_s=max(fleet.until_s for fleet in heard.fleets()),
        throughput_rps=heard.throughput_rps(),
        latency_ms_p50=_percentile_ms(latencies, 50),
        latency_ms_p99=_percentile_ms(latencies, 99),
        hosts=tuple(map(_usage, heard.hosts())),
    )


def _percentile_ms(latencies: Counts, q: float) -> float | None:
    return 1000 * percentile_s(latencies, q) if latencies.any() else None


def _usage(host: HostNow) -> HostUsage:
    return HostUsage(
        host=host.host,
        cpu_cores=host.cpu_cores,
        network_mbit_s_out=8e-6 * host.network_bytes_s_out,
        network_mbit_s_in=8e-6 * host.network_bytes_s_in,
    )
