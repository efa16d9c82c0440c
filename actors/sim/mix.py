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
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.core.config import CrashModel, LoadConfig
from actors.core.registry import REPLICATED
from actors.sim import checkers
from actors.sim.network import Network
from actors.sim.schedule import FAULTS_S, Drawing, Schedule
from actors.sim.system import System
from actors.sim.trace import Log

BOUND_S = 10.0
"""Once all is well everything must get on within so much virtual time: the longest seen is 2 s."""
PROGRESS = 2
"""Replies that each client must get then."""
STEP_S = 0.02
SOUND_DELAY_S = 0.001
REQUESTS = 50

MIXES = {
    "all": "all of the following, at random",
    "none": "nothing goes wrong",
    "network": "loss, repetition, reordering, cuts both ways and one way, slow links",
    "views": "false suspicions and cuts, close together: views change all the time",
    "crash": "hosts crash for good, as many as may",
    "epoch": "hosts crash and return without their votes (crash_model epoch)",
    "full": "hosts crash and return with their journals, all at once too (crash_model full)",
    "slow": "pauses, slow hosts, clocks that go wrong",
    "plots": "faults that wait for a state and build on each other: views cut short, hosts crash",
    "plots-epoch": "the same with hosts that return without their votes (crash_model epoch)",
    "plots-full": "the same with hosts that return with their journals (crash_model full)",
}
"""What may go wrong, by name."""

_PLOTS = ("plots", "plots-epoch", "plots-full")
_DRAWN = ("network", "views", "crash", "epoch", "full", "slow", "plots")
"""What `all` draws from: plots came last, so seeds that failed before draw what they drew."""


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


def run(case: Case, log: Log | None = None) -> Outcome:
    """Run a case to its end and judge it."""
    return _Run(case, log).outcome()


class _Run:
    def __init__(self, case: Case, log: Log | None) -> None:
        self._case = case
        # Protocol and size take part: seed 7 of jpaxos and of spaxos are different schedules.
        self._rng = random.Random(f"{case.seed} {case.protocol} {case.replicas} {case.mix}")  # noqa: S311 - reproducible by design.
        self._mix = self._rng.choice(_DRAWN) if case.mix == "all" else case.mix
        if case.mix == "all" and self._mix == "plots":
            self._mix = self._rng.choice(_PLOTS)
        self._config = _config(case, self._mix, self._rng)
        network = _network(self._mix, self._rng)
        encoded = case.seed % 16 == 0
        self._system = System(self._config, network, log, recorded=True, encoded=encoded)
        self._world = self._system.world
        self._hosts = range(case.replicas)
        self._drawing = Drawing(self._system, self._mix, self._rng)
        self._schedule = Schedule(self._world, self._drawing.faults)
        self._schedule.begin(case.without)

    # --- Running ---

    def outcome(self) -> Outcome:
        try:
            problems = list(self._problems())
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = f"{where.name} at {where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
            problems = [f"error: {type(error).__name__}: {error} (in {line})"]
        return Outcome(problems, [fault.words for fault in self._schedule.faults], self._coverage())

    def _problems(self) -> Iterator[str]:
        self._world.run(FAULTS_S)
        while self._is_under_way() and self._world.now < 2 * FAULTS_S:
            self._world.run(STEP_S)
        self._heal()
        healed_at_s = self._world.now
        self._wait_for_progress()
        if not self._everybody_is_back():
            yield f"liveness: somebody does not come back: {self._unsettled()}"
        if not self._system.settle(BOUND_S):
            yield f"liveness: it does not settle: {self._unsettled()}"
        settled = [h for h, r in self._system.replicas.items() if not r.is_recovering]
        history = self._system.recorder.history(settled)
        clients = range(self._config.clients)
        yield from map(str, checkers.liveness(history, clients, healed_at_s, BOUND_S, PROGRESS))
        yield from map(str, checkers.check_all(history))
        if (verdict := self._system.verdict()) != "ok":
            yield f"verdict: {verdict}"

    def _is_under_way(self) -> bool:
        half = self._case.requests / 2
        return self._schedule.has_plots_left or self._system.completed < half

    def _heal(self) -> None:
        self._schedule.end()
        self._world.network.heal()
        self._world.network.delay_max_s = SOUND_DELAY_S
        self._world.note("heal")
        for host in self._hosts:
            self._system.resume(host)
            self._system.slow_down(host, 0.0)
            if self._system.may_return(host):
                self._system.restart(host)

    def _wait_for_progress(self) -> None:
        """Wait until each client has had its replies, and all together their number."""
        goals, end = self._acknowledged() + PROGRESS, self._world.now + BOUND_S
        while self._world.now < end:
            done = self._acknowledged()
            if (done >= goals).all() and done.sum() >= self._case.requests:
                return
            self._world.run(STEP_S)

    def _everybody_is_back(self) -> bool:
        end = self._world.now + BOUND_S
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
        unstable = {str(a): batches for a, batches in self._system.unstable_batches().items()}
        return (
            f"{waiting} requests wait, batches executed {executed}, "
            f"recovering {recovering}, unstable {unstable}"
        )

    def _coverage(self) -> Counter[str]:
        found: Counter[str] = Counter(requests=self._system.completed)
        for replica in self._system.replicas.values():
            counts = replica.counts()
            found["snapshots installed"] += int(counts["snapshots_installed"])
            found["payloads asked for"] += int(counts.get("payloads_fetched", 0))
            found["views begun"] += int(counts["views_begun"])
            found["ids ordered again"] += int(counts.get("ids_repeated", 0))
        found["restarts"] = self._drawing.restarts
        found["plots ended"] = self._schedule.plots_ended
        found["requests retried"] = int(
            sum(clients.counts()["retried"] for clients in self._system.clients)
        )
        return found


_CRASH_MODELS: dict[str, CrashModel] = {
    "epoch": "epoch",
    "full": "full",
}


def _config(case: Case, mix: str, rng: random.Random) -> LoadConfig:
    """Draw a configuration: suspicions come about easily, batches and windows are small."""
    suspect_timeout_ms = rng.choice((30, 60, 120))
    return LoadConfig(
        seed=case.seed,
        protocol=case.protocol,
        replicas=case.replicas,
        crash_model=_CRASH_MODELS.get(mix.removeprefix("plots-"), "crash_stop"),
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
    return REPLICATED
