"""Faults happen in time or one after the other, and what is left out changes nothing else."""

import random
from collections.abc import Callable

import pytest

from actors.core.config import LoadConfig
from actors.core.registry import REPLICATED
from actors.sim.mix import MIXES, Case, run
from actors.sim.schedule import FAULTS_S, WAIT_MAX_S, Drawing, Fault, Schedule
from actors.sim.system import System
from actors.sim.world import World

SEEDS = 20
PLOTS = ("plots", "plots-epoch", "plots-full")


class Happened:
    """What has happened in a world, and when."""

    def __init__(self) -> None:
        self.world = World(1)
        self.at: list[tuple[str, float]] = []

    def fault(
        self,
        at_s: float,
        name: str,
        when: Callable[[], bool] | None = None,
        *,
        follows: bool = True,
    ) -> Fault:
        def act() -> None:
            self.at.append((name, self.world.now))

        return Fault(at_s, name, act, when or (lambda: True), follows)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.at]


def test_faults_happen_at_their_times() -> None:
    seen = Happened()
    faults = [seen.fault(0.2, "late", follows=False), seen.fault(0.1, "early", follows=False)]
    Schedule(seen.world, faults).begin()
    seen.world.run(1.0)
    assert seen.at == [("early", 0.1), ("late", 0.2)]


def test_in_a_plot_a_fault_waits_for_the_one_before_it_and_for_its_state() -> None:
    seen = Happened()
    faults = [
        seen.fault(0.5, "first", follows=False),
        seen.fault(0.15, "second", lambda: seen.world.now >= 0.7),
        seen.fault(0.1, "third"),
    ]
    schedule = Schedule(seen.world, faults)
    schedule.begin()
    seen.world.run(0.75)
    assert seen.names == ["first", "second"]
    assert schedule.has_plots_left
    seen.world.run(0.25)
    assert seen.at == [
        ("first", 0.5),
        ("second", pytest.approx(0.7, abs=0.001)),
        ("third", pytest.approx(0.8, abs=0.001)),
    ]
    assert not schedule.has_plots_left
    assert schedule.plots_ended == 1


def test_it_does_not_wait_for_ever_for_a_state() -> None:
    seen = Happened()
    faults = [seen.fault(0.1, "a", follows=False), seen.fault(0.1, "b", lambda: False)]
    Schedule(seen.world, faults).begin()
    seen.world.run(1.0)
    assert seen.at == [("a", 0.1), ("b", pytest.approx(0.2 + WAIT_MAX_S, abs=0.001))]


def test_what_is_left_out_of_a_plot_does_not_hold_up_the_rest() -> None:
    seen = Happened()
    plot = [seen.fault(0.1, "a", follows=False), seen.fault(0.1, "b"), seen.fault(0.1, "c")]
    Schedule(seen.world, plot).begin(without={1})
    seen.world.run(1.0)
    assert seen.names == ["a", "c"]


def test_nothing_happens_after_the_end() -> None:
    seen = Happened()
    schedule = Schedule(
        seen.world,
        [
            seen.fault(0.1, "a", follows=False),
            seen.fault(0.05, "b", lambda: seen.world.now > 0.3),
            seen.fault(0.4, "c", follows=False),
        ],
    )
    schedule.begin()
    seen.world.run(0.2)
    schedule.end()
    seen.world.run(1.0)
    assert seen.names == ["a"]


def _drawn(mix: str, seed: int, protocol: str, replicas: int) -> list[Fault]:
    crash_model = next((model for model in ("epoch", "full") if mix.endswith(model)), "crash_stop")
    config = LoadConfig(protocol=protocol, replicas=replicas, clients=3, crash_model=crash_model)  # type: ignore[arg-type] # mypy takes it for any str.
    rng = random.Random(seed)
    return list(Drawing(System(config), mix, rng).faults)


@pytest.mark.parametrize("replicas", [3, 5, 7])
@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix not in ("all", "none")])
def test_every_mix_has_faults_and_plots_where_it_says_so(mix: str, replicas: int) -> None:
    drawn = [_drawn(mix, seed, "spaxos", replicas) for seed in range(SEEDS)]
    assert all(drawn)
    follow = [any(fault.follows for fault in faults) for faults in drawn]
    assert all(follow) if mix in PLOTS else not any(follow)
    begin = [fault.at_s for faults in drawn for fault in faults if not fault.follows]
    assert all(0 <= at_s <= 2 * FAULTS_S for at_s in begin)
    assert not any(faults[0].follows for faults in drawn)


def test_nothing_goes_wrong_where_nothing_is_to() -> None:
    assert _drawn("none", 1, "jpaxos", 3) == []


@pytest.mark.parametrize("mix", PLOTS)
@pytest.mark.parametrize("protocol", REPLICATED)
def test_plots_come_to_their_end(protocol: str, mix: str) -> None:
    """Otherwise a step waits for what never comes about."""
    ended = [run(Case(seed, protocol, 5, mix)).coverage["plots ended"] for seed in range(SEEDS)]
    assert sum(ended) >= SEEDS / 2


@pytest.mark.parametrize("mix", ["views", "plots", "plots-epoch"])
def test_the_draw_does_not_depend_on_what_is_left_out(mix: str) -> None:
    for seed in range(SEEDS):
        case = Case(seed, "jpaxos", 3, mix)
        whole = run(case).faults
        assert run(case._replace(without=frozenset(range(0, len(whole), 2)))).faults == whole
