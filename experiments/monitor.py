"""Lets a sweep be watched: keeps in a file how it goes on and what its actors measure.

A thread writes the file twice a second, also where nothing happens: that is the sweep's sign of
life. A file that cannot be written costs the watchers their view, never the sweep a result.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import msgspec

from actors.core.histogram import Counts, percentile_s
from actors.core.ids import Address
from actors.news import News
from experiments import progress
from experiments.estimate import Countdown
from experiments.progress import CurrentRun, Happening, HostUsage, Moment, Progress
from experiments.results import Row
from experiments.runner import is_sound
from experiments.spec import Suite
from experiments.sweep import Run, name_of

PERIOD_S = 0.4
"""Time between two writes."""

MOMENTS_MAX = 300
"""Moments of a run that are kept, the latest ones: two minutes, or more."""

_log = logging.getLogger(__name__)


class Monitor:
    """Keeps the progress of `runs` of a suite in the folder of their results, while entered."""

    def __init__(self, folder: Path, suite: Suite, runs: Sequence[Run]) -> None:
        self._folder = folder
        self._suite = suite
        self._countdown = Countdown(runs)
        self._lock = Lock()
        self._told = Progress(
            suite=suite.name,
            runs=len(runs),
            ended=0,
            failed=0,
            began_at_s=time.time(),
            told_at_s=time.time(),
            remaining_s=self._countdown.remaining_s(),
        )
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
        self._moments.clear()
        self._change(run=_current(self._suite, run))

    def finished(self, run: Run, row: Row) -> None:
        """Hear that `run` ended."""
        self._countdown.finished(run, row["wall_s"])
        failed = self._told.failed + (not is_sound(row))
        self._change(ended=self._told.ended + 1, failed=failed, run=None)

    def tell(self, news: News) -> None:
        """Hear what the actors of the current run have measured."""
        self._moments.extend(_moments(news))
        run = self._told.run
        assert run is not None, "there is no run to tell of"
        events = tuple(Happening(*row) for row in news.events)
        self._change(run=msgspec.structs.replace(run, moments=tuple(self._moments), events=events))

    # --- What it keeps ---

    def _change(self, **facts: object) -> None:
        with self._lock:
            self._told = msgspec.structs.replace(self._told, **facts)

    def _keep_writing(self) -> None:
        try:
            while not self._over.wait(PERIOD_S):
                remaining_s = self._countdown.remaining_s()
                self._change(told_at_s=time.time(), remaining_s=remaining_s)
                progress.write(self._folder, self._told)
        except OSError as error:
            _log.warning("this sweep cannot be watched: %s", error)
        finally:
            _remove(self._folder)


def _remove(folder: Path) -> None:
    try:
        progress.remove(folder)
    except OSError as error:
        _log.warning("%s stays behind: %s", progress.PROGRESS_FILE, error)


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


def _moments(news: News) -> Iterator[Moment]:
    """Yield the moment that news tell of; none where no fleet was heard of."""
    fleets = [lately for address, lately in news.actors.items() if address.role == "fleet"]
    if fleets:
        yield Moment(
            time_s=max(fleet.until_s for fleet in fleets),
            throughput_rps=sum(fleet.rate("completed") for fleet in fleets),
            latency_ms_p50=_percentile_ms(news.latencies, 50),
            latency_ms_p99=_percentile_ms(news.latencies, 99),
            hosts=tuple(_hosts(news)),
        )


def _percentile_ms(latencies: Counts, q: float) -> float | None:
    return 1000 * percentile_s(latencies, q) if latencies.any() else None


def _hosts(news: News) -> Iterator[HostUsage]:
    hosts = sorted((each for each in news.actors if each.role != "fleet"), key=_number)
    for host, addresses in groupby(hosts, _number):
        nodes = [news.actors[address] for address in addresses]
        # Where CPU is modelled, the machine's own says nothing about the hosts.
        modelled_cores = sum(node.rate("modelled_cpu_s") for node in nodes)
        yield HostUsage(
            host=host,
            cpu_cores=modelled_cores or sum(node.rate("cpu_s") for node in nodes),
            network_mbit_s_out=8e-6 * sum(node.rate("network_bytes_out") for node in nodes),
            network_mbit_s_in=8e-6 * sum(node.rate("network_bytes_in") for node in nodes),
        )


def _number(address: Address) -> int:
    return address.number
