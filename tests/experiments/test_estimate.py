from experiments.estimate import OVERHEAD_S, Countdown, duration, expected_s
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
