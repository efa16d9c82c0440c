"""Nasty mixes: a whole system and its faults, all of it drawn from a seed, and what must hold.

During the faults messages are lost, repeated and reordered, hosts are cut off, crash, return, pause
and are suspected without cause. Afterwards the network is sound and everybody who may come back is
back; then every client must get on, everything must settle, and every checker must be content.

The draw is independent of what is left out (`Case.without`), so that a failing case can be made
smaller fault by fault.
"""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.core.config import CrashModel, LoadConfig
from actors.core.ids import ReplicaId
from actors.core.registry import PROTOCOLS
from actors.sim import checkers
from actors.sim.network import Network
from actors.sim.system import System
from actors.sim.trace import Log

PATIENCE_S = 60.0
STEP_S = 0.02
SOUND_DELAY_S = 0.001
REQUESTS = 50
FAULTS_S = 0.2

MIXES = {
    "all": "all of the following, at random",
    "none": "nothing goes wrong",
    "network": "loss, repetition, reordering, cuts both ways and one way, slow links",
    "views": "false suspicions and cuts, close together: views change all the time",
    "crash": "hosts crash for good, as many as may",
    "epoch": "hosts crash and return without their votes (crash_model epoch)",
    "full": "hosts crash and return with their journals, all at once too (crash_model full)",
    "slow": "pauses, slow hosts, clocks that go wrong",
}
"""What may go wrong, by name."""


class Case(NamedTuple):
    """One schedule: equal cases run equally, event by event."""

    seed: int
    protocol: str
    replicas: int = 3
    mix: str = "all"
    requests: int = REQUESTS
    without: frozenset[int] = frozenset()
    """Numbers of drawn faults that are left out."""


class Outcome(NamedTuple):
    """What came of a case."""

    problems: list[str]
    """What broke, a line each; empty where all is well."""
    faults: list[str]
    """The faults of the schedule, by number."""
    coverage: Counter[str]


class Fault(NamedTuple):
    """A fault to come."""

    at_s: float
    words: str
    act: Callable[[], None]


def run(case: Case, log: Log | None = None) -> Outcome:
    """Run a case to its end and judge it."""
    return _Run(case, log).outcome()


class _Run:
    def __init__(self, case: Case, log: Log | None) -> None:
        self._case = case
        # Protocol and size take part: seed 7 of jpaxos and of spaxos are different schedules.
        self._rng = random.Random(f"{case.seed} {case.protocol} {case.replicas} {case.mix}")  # noqa: S311 - reproducible by design.
        mixes = [name for name in MIXES if name not in ("all", "none")]
        self._mix = self._rng.choice(mixes) if case.mix == "all" else case.mix
        self._config = _config(case, self._mix, self._rng)
        network = _network(self._mix, self._rng)
        self._loss = network.loss, network.duplication, network.reordering
        encoded = case.seed % 16 == 0
        self._system = System(self._config, network, log, recorded=True, encoded=encoded)
        self._world = self._system.world
        self._hosts = range(case.replicas)
        self._faults = list(self._draw_faults())
        for number, fault in enumerate(self._faults):
            if number not in case.without:
                self._world.at(fault.at_s, fault.act)
        self._views = self._fetched = self._installed = self._repeated = 0

    # --- Running ---

    def outcome(self) -> Outcome:
        try:
            problems = list(self._problems())
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = f"{where.name} at {where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
            problems = [f"error: {type(error).__name__}: {error} (in {line})"]
        return Outcome(problems, [fault.words for fault in self._faults], self._coverage())

    def _problems(self) -> Iterator[str]:
        self._world.run(FAULTS_S)
        while self._system.completed < self._case.requests / 2 and self._world.now < 2 * FAULTS_S:
            self._world.run(STEP_S)
        self._heal()
        if not self._everybody_gets_on():
            yield "liveness: a client gets nowhere though all is well again"
        if not self._everybody_is_back():
            yield f"liveness: somebody does not come back: {self._unsettled()}"
        if not self._system.settle(PATIENCE_S):
            yield f"liveness: it does not settle: {self._unsettled()}"
        settled = [h for h, r in self._system.replicas.items() if not r.is_recovering]
        history = self._system.recorder.history(settled)
        yield from map(str, checkers.check_all(history))
        if (verdict := self._system.verdict()) != "ok":
            yield f"verdict: {verdict}"

    def _heal(self) -> None:
        self._world.network.heal()
        self._world.network.delay_max_s = SOUND_DELAY_S
        self._world.note("heal")
        for host in self._hosts:
            self._system.resume(host)
            self._system.slow_down(host, 0.0)
            if self._config.crash_model != "crash_stop":
                self._system.restart(host)

    def _everybody_gets_on(self) -> bool:
        """Wait until each client has had one more reply, and all together their number."""
        goals, end = self._acknowledged() + 1, self._world.now + PATIENCE_S
        while self._world.now < end:
            done = self._acknowledged()
            if (done >= goals).all() and done.sum() >= self._case.requests:
                return True
            self._world.run(STEP_S)
        return False

    def _everybody_is_back(self) -> bool:
        end = self._world.now + PATIENCE_S
        while any(r.is_recovering for r in self._system.replicas.values()):
            if self._world.now >= end:
                return False
            self._world.run(STEP_S)
        return True

    def _acknowledged(self) -> NDArray[np.int64]:
        counts = [clients.acknowledged() for clients in self._system.clients]
        return np.concatenate(counts).astype(np.int64)

    def _unsettled(self) -> str:
        waiting = sum(clients.outstanding for clients in self._system.clients)
        executed = {h: r.executor.batches for h, r in self._system.replicas.items()}
        recovering = [h for h, r in self._system.replicas.items() if r.is_recovering]
        return f"{waiting} requests wait, batches executed {executed}, recovering {recovering}"

    def _coverage(self) -> Counter[str]:
        found: Counter[str] = Counter(requests=self._system.completed)
        for replica in self._system.replicas.values():
            counts = replica.counts()
            found["snapshots installed"] += int(counts["snapshots_installed"])
            found["payloads fetched"] += int(counts.get("payloads_fetched", 0))
            found["ids ordered again"] += int(counts.get("ids_repeated", 0))
        views = [replica.ordering.view for replica in self._system.replicas.values()]
        found["views changed"] = max(views, default=0)
        found["restarts"] = self._restarts
        found["requests retried"] = int(
            sum(clients.counts()["retried"] for clients in self._system.clients)
        )
        return found

    # --- Drawing faults ---

    _restarts = 0

    def _draw_faults(self) -> Iterator[Fault]:
        draws: dict[str, Callable[[], Iterator[Fault]]] = {
            "none": lambda: iter(()),
            "network": lambda: self._some(2, 6, (self._cut, self._cut, self._slow, self._suspect)),
            "views": lambda: self._some(4, 12, (self._suspect, self._suspect, self._cut)),
            "crash": self._crashes,
            "epoch": self._returns,
            "full": self._returns,
            "slow": lambda: self._some(2, 6, (self._pause, self._busy, self._clock, self._suspect)),
        }
        yield from draws[self._mix]()

    def _some(
        self, least: int, most: int, kinds: tuple[Callable[[], Iterator[Fault]], ...]
    ) -> Iterator[Fault]:
        for _ in range(self._rng.randint(least, most)):
            yield from self._rng.choice(kinds)()

    def _time(self) -> float:
        return self._rng.uniform(0.0, FAULTS_S)

    def _host(self) -> ReplicaId:
        return self._rng.choice(self._hosts)

    def _cut(self) -> Iterator[Fault]:
        """Divide the hosts in two, or cut one link, for a while; clients reach all."""
        at_s, host, one_way = self._time(), self._host(), self._rng.random() < 0.4
        other = self._rng.choice([None, *(h for h in self._hosts if h != host)])
        words = f"cut host {host} from {'all' if other is None else f'host {other}'}"
        words += " one-way" if one_way else ""
        yield Fault(at_s, words, lambda: self._system.cut(host, other, one_way=one_way))
        until_s = at_s + self._rng.uniform(0.01, FAULTS_S / 2)
        yield Fault(until_s, "heal all cuts", self._system.reconnect)

    def _slow(self) -> Iterator[Fault]:
        host, by_s = self._host(), self._rng.choice((0.005, 0.03, 0.1))
        words = f"slow host {host} by {by_s * 1e3:g} ms"
        yield Fault(self._time(), words, lambda: self._system.slow(host, None, by_s))

    def _suspect(self) -> Iterator[Fault]:
        host = self._host()
        yield Fault(self._time(), f"suspect replica {host}", lambda: self._system.suspect(host))

    def _crashes(self) -> Iterator[Fault]:
        """Crash up to f hosts for good, amid suspicions."""
        number = self._rng.randint(1, self._case.replicas - self._config.majority)
        for host in self._rng.sample(self._hosts, number):
            yield Fault(self._time(), f"crash host {host}", lambda h=host: self._system.crash(h))  # type: ignore[misc] # mypy infers no type for a lambda with a default.
        yield from self._some(0, 4, (self._suspect, self._cut))

    def _returns(self) -> Iterator[Fault]:
        """Crash hosts that come back; under `full` perhaps all of them at once."""
        if self._mix == "full" and self._rng.random() < 0.4:
            at_s = self._time()
            yield Fault(at_s, "crash all hosts", self._system.crash_all)
            for host in self._hosts:
                yield self._restart(host, at_s)
        for _ in range(self._rng.randint(1, 4)):
            at_s, host = self._time(), self._host()
            part = self._rng.choice(self._system.nodes_of(host))
            who = host if self._rng.random() < 0.7 else part
            yield Fault(at_s, f"crash {_named(who)}", lambda w=who: self._crash(w))  # type: ignore[misc] # mypy infers no type for a lambda with a default.
            yield self._restart(host, at_s)
        yield from self._some(0, 5, (self._suspect, self._suspect, self._cut))

    def _crash(self, who: object) -> None:
        """Crash it, unless more hosts would be down or returning than the model stands."""
        down = [host for host in self._hosts if not self._system.is_back(host)]
        if self._mix == "full" or len(down) < self._case.replicas - self._config.majority:
            self._system.crash(who)  # type: ignore[arg-type] # A host or an address, as drawn.

    def _restart(self, host: ReplicaId, after_s: float) -> Fault:
        at_s = after_s + self._rng.uniform(0.0, FAULTS_S / 2)

        def act() -> None:
            if not self._system.is_back(host):
                self._restarts += 1
                self._system.restart(host)

        return Fault(at_s, f"restart host {host}", act)

    def _pause(self) -> Iterator[Fault]:
        at_s, host = self._time(), self._host()
        yield Fault(at_s, f"pause host {host}", lambda: self._system.pause(host))
        until_s = at_s + self._rng.uniform(0.005, FAULTS_S / 2)
        yield Fault(until_s, f"resume host {host}", lambda: self._system.resume(host))

    def _busy(self) -> Iterator[Fault]:
        host, event_s = self._host(), self._rng.choice((0.0002, 0.001))
        words = f"host {host} takes {event_s * 1e3:g} ms for each event"
        yield Fault(self._time(), words, lambda: self._system.slow_down(host, event_s))

    def _clock(self) -> Iterator[Fault]:
        host, rate = self._host(), self._rng.choice((0.8, 0.95, 1.05, 1.25))
        ahead_s = self._rng.choice((0.0, 0.0, 1.0))
        words = f"clock of host {host} goes at {rate:g}, {ahead_s:g} s ahead"
        yield Fault(self._time(), words, lambda: self._system.set_clock(host, rate, ahead_s))


def _named(who: object) -> str:
    return f"host {who}" if isinstance(who, int) else str(who)


_CRASH_MODELS: dict[str, CrashModel] = {"epoch": "epoch", "full": "full"}


def _config(case: Case, mix: str, rng: random.Random) -> LoadConfig:
    """Draw a configuration: suspicions come about easily, batches and windows are small."""
    suspect_timeout_ms = rng.choice((30, 60, 120))
    return LoadConfig(
        seed=case.seed,
        protocol=case.protocol,
        replicas=case.replicas,
        crash_model=_CRASH_MODELS.get(mix, "crash_stop"),
        accept_to=rng.choice(("all", "leader")),
        service=rng.choice(("kv", "kv", "null")),
        kv_keys=3,
        clients=rng.choice((3, 5, 8)),
        fleets=rng.choice((1, 2)),
        requests_per_frame_max=rng.choice((0, 0, 1)),
        client_timeout_ms=rng.choice((40, 80, 200)),
        pending_requests_max=rng.choice((1, 4, 65536)),
        window=rng.choice((1, 2, 5)),
        batch_bytes_max=rng.choice((20, 90, 65507)),
        batch_delay_ms=rng.choice((0, 0, 2)),
        dissemination_batch_bytes_max=rng.choice((50, 200, 65507)),
        dissemination_batch_delay_ms=rng.choice((0, 0, 2)),
        dissemination_window=rng.choice((1, 2, 8)),
        execution_backlog_max=rng.choice((1, 4, 128)),
        ack_delay_ms=rng.choice((0, 0, 5)),
        heartbeat_interval_ms=suspect_timeout_ms / 2,
        suspect_timeout_ms=suspect_timeout_ms,
        retransmit_timeout_ms=rng.choice((20, 50)),
        catch_up_delay_ms=rng.choice((5, 20, 50)),
        fetch_delay_ms=rng.choice((5, 20, 50)),
        kept_bytes_max=rng.choice((1, 2000, 1 << 20)),
        journal_bytes_max=rng.choice((500, 5000, 1 << 20)),
    )


def _network(mix: str, rng: random.Random) -> Network:
    """Draw a network: with the long delays messages overtake each other all the time."""
    is_bad = mix == "network" or (mix != "none" and rng.random() < 0.3)
    return Network(
        delay_max_s=rng.choice((0.002, 0.005, 0.010)),
        delay_shape=rng.choice(("uniform", "exponential", "long_tailed")),
        loss=rng.choice((0.02, 0.1)) if is_bad else 0.0,
        duplication=rng.choice((0.0, 0.1)) if is_bad else 0.0,
        reordering=rng.choice((0.0, 0.1)) if is_bad else 0.0,
        in_order=rng.choice((0.0, 0.5, 1.0)),
        former_lives=rng.choice((0.0, 0.3)),
        joint_steps=rng.choice((0.0, 0.3)),
    )


def protocols() -> list[str]:
    """Return the protocols there are to check."""
    return list(PROTOCOLS)
