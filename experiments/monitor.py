"""Lets a sweep be watched: keeps in a file how it goes on and what its actors measure.

A thread writes the file twice a second, also where nothing happens: that is the sweep's sign of
life. A file that cannot be written costs the watchers their view, never the sweep a result.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import msgspec

from actors.core.histogram import Counts, percentile_s
from actors.core.ids import Address
from actors.news import Lately, News
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

FRESH_S = 1.0
"""Time for which what was heard of an actor stands for it: not all answer each time."""

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
        self._heard: dict[Address, Lately] = {}
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
        self._heard.clear()
        self._change(run=_current(self._suite, run))

    def finished(self, run: Run, row: Row) -> None:
        """Hear that `run` ended."""
        self._countdown.finished(run, row["wall_s"])
        failed = self._told.failed + (not is_sound(row))
        self._change(ended=self._told.ended + 1, failed=failed, run=None)

    def tell(self, news: News) -> None:
        """Hear what the actors of the current run have measured."""
        self._heard = _fresh(self._heard | news.actors)
        if any(address.role == "fleet" for address in news.actors):
            self._moments.append(_moment(self._heard, news.latencies))
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


def _fresh(heard: dict[Address, Lately]) -> dict[Address, Lately]:
    """Return what was heard a moment ago: who was not heard of since may be gone."""
    latest_s = max((lately.until_s for lately in heard.values()), default=0.0)
    return {
        address: lately for address, lately in heard.items() if latest_s - lately.until_s <= FRESH_S
    }


def _moment(heard: Mapping[Address, Lately], latencies: Counts) -> Moment:
    """Return the moment that all who were heard of tell of, at least one fleet."""
    fleets = [lately for address, lately in heard.items() if address.role == "fleet"]
    return Moment(
        time_s=max(fleet.until_s for fleet in fleets),
        throughput_rps=sum(fleet.rate("completed") for fleet in fleets),
        latency_ms_p50=_percentile_ms(latencies, 50),
        latency_ms_p99=_percentile_ms(latencies, 99),
        hosts=tuple(_hosts(heard)),
    )


def _percentile_ms(latencies: Counts, q: float) -> float | None:
    return 1000 * percentile_s(latencies, q) if latencies.any() else None


def _hosts(heard: Mapping[Address, Lately]) -> Iterator[HostUsage]:
    hosts = sorted((each for each in heard if each.role != "fleet"), key=_number)
    for host, addresses in groupby(hosts, _number):
        nodes = [heard[address] for address in addresses]
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
