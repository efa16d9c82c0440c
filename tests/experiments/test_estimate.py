import msgspec

from experiments.estimate import OVERHEAD_S, SIMULATED_S, Countdown, duration, expected_s
from experiments.spec import RunConfig
from experiments.sweep import Run

CONFIG = RunConfig(warmup_s=1.0, duration_s=8.0, cooldown_s=1.0)
RUNS = [Run(f"{repeat}", CONFIG, repeat) for repeat in range(3)]


class Clock:
    """A clock that stands still unless moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_an_estimate_begins_with_the_usual_overhead() -> None:
    assert expected_s(RUNS) == 3 * (10 + OVERHEAD_S)
    assert Countdown(RUNS, Clock()).remaining_s() == 3 * (10 + OVERHEAD_S)


def test_an_estimate_learns_the_overhead() -> None:
    clock = Clock()
    countdown = Countdown(RUNS, clock)
    clock.now_s += 12
    countdown.finished(RUNS[0], wall_s=12)
    assert countdown.remaining_s() == 2 * 12
    clock.now_s += 16
    countdown.finished(RUNS[1], wall_s=16)
    assert countdown.remaining_s() == 14


def test_an_estimate_counts_down_during_a_run_and_stops_at_zero() -> None:
    clock = Clock()
    countdown = Countdown(RUNS[:1], clock)
    clock.now_s += 5
    assert countdown.remaining_s() == 5 + OVERHEAD_S
    clock.now_s += 100
    assert countdown.remaining_s() == 0


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 75, 3900, 86_400)] == [
        "0 s",
        "59 s",
        "1 min 15 s",
        "1 h 05 min",
        "24 h 00 min",
    ]


def simulated(count: int) -> list[Run]:
    config = msgspec.structs.replace(CONFIG, backend="sim", network_delay_ms=1.0)
    return [Run(f"sim-{repeat}", config, repeat) for repeat in range(count)]


def test_runs_in_virtual_time_are_as_many_at_once_as_they_were() -> None:
    clock, runs = Clock(), simulated(10)
    countdown = Countdown(runs, clock)
    for run in runs[:4]:
        countdown.started(run)
    for run in runs[:2]:
        countdown.finished(run, wall_s=6)
    assert countdown.remaining_s() == 8 * 6 / 4


def test_beside_runs_in_virtual_time_live_ones_take_the_time_that_they_take() -> None:
    clock, runs = Clock(), simulated(4)
    countdown = Countdown([*runs, *RUNS], clock)
    for run in runs[:2]:
        countdown.started(run)
    countdown.finished(runs[0], wall_s=2)
    assert countdown.remaining_s() == 3 * 2 / 2 + expected_s(RUNS)


def test_runs_in_virtual_time_are_expected_to_share_the_cores() -> None:
    runs = simulated(10)
    assert expected_s(runs, 5) == 2 * SIMULATED_S
    assert expected_s(runs, 64) == SIMULATED_S
    assert expected_s([], 64) == 0


def test_as_soon_as_many_are_under_way_they_count_as_many() -> None:
    runs = simulated(10)
    countdown = Countdown(runs, Clock())
    assert countdown.remaining_s() == 10 * SIMULATED_S
    for run in runs[:5]:
        countdown.started(run)
    assert countdown.remaining_s() == 2 * SIMULATED_S
