"""The live backend: runs on Ray, with real actors on a running cluster or on one started here."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Self

from actors.cluster import Cluster
from actors.errors import ClusterError
from actors.faults import Timeline, parse
from actors.keepers import Keepers
from actors.labels import Selector, parse_for_hosts
from actors.news import Listener
from actors.null_actor import NullCalls
from actors.place import Placement
from experiments import summarise
from experiments.connection import Connection
from experiments.errors import RunFailed
from experiments.measured import measured
from experiments.runner import Ended, Measured, UnderWay, one_by_one
from experiments.spec import RunConfig
from experiments.sweep import Run

LAG_MS_MAX = 1.0
"""How late hosts with limits may be on average: timers alone come up to 1 ms late."""


class LiveBackend:
    """Carries out runs on Ray: at `address`, or on a local Ray of its own.

    `listeners` hear what is measured while a run goes on.
    """

    def __init__(self, address: str | None = None, listeners: Collection[Listener] = ()) -> None:
        self._connection = Connection(address)
        self._listeners = listeners
        self._keepers = Keepers()

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._keepers.dismiss()
        finally:
            self._connection.__exit__()

    def carry_out(self, runs: Sequence[Run], begin: Callable[[Run], UnderWay]) -> Iterator[Ended]:
        """Carry out runs one at a time: each has the machines to itself."""
        return one_by_one(self.run, runs, begin)

    def run(self, config: RunConfig, run_id: str = "", /) -> Measured:
        """Start a cluster, load it, collect, stop it; raises RunFailed. Logs say `run_id`."""
        try:
            with self._actors(config, run_id) as cluster:
                cluster.run(config.load_s, _faults(config), config.warmup_s, self._listeners)
                return _judged(config, measured(cluster.measurements()))
        except ClusterError as error:
            raise RunFailed(str(error)) from error

    def _actors(self, config: RunConfig, run_id: str) -> Cluster | NullCalls:
        placement = _placement(config)
        if config.backend == "null_actor":
            return NullCalls(config.load_config(), placement)
        return Cluster(config.load_config(), placement, run_id, self._keepers)


def _judged(config: RunConfig, found: Measured) -> Measured:
    """Return what was measured, as invalid where the machine could not keep up with the model."""
    lags_ms = summarise.lags_ms(config, found.counters)
    if not config.is_limited or not lags_ms:
        return found
    slowest = max(lags_ms, key=lags_ms.__getitem__)
    if lags_ms[slowest] <= LAG_MS_MAX:
        return found
    reason = f"{slowest} was {lags_ms[slowest]:.1f} ms late on average, {LAG_MS_MAX:g} ms allowed"
    return found._replace(outcome=f"the machine cannot keep up with the model: {reason}")


def _placement(config: RunConfig) -> Placement:
    hosts_on, fleets_on = parse_for_hosts(config.hosts_on), Selector.parse(config.fleets_on)
    return Placement(config.placement, hosts_on, fleets_on)


def _faults(config: RunConfig) -> Timeline:
    return Timeline(parse(config.faults), window_s=config.duration_s, replicas=config.replicas)
