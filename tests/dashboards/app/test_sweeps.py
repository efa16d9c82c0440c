"""One sweep of those below a root is followed: that which is looked at, else that heard last."""

import time
from pathlib import Path

import pytest

from dashboards.app import sweeps
from dashboards.app.library import Library
from dashboards.app.sweeps import Ears
from experiments import progress
from experiments.progress import PROGRESS_FILE, SILENT_S, Progress


class Clock:
    """Stands for the clock of the dashboard."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sweeps, "time", clock)
    return clock


@pytest.fixture
def ears(tmp_path: Path, clock: Clock) -> Ears:
    assert clock.now_s
    return Ears(Library(tmp_path))


def tell(folder: Path, told_at_s: float | None = None) -> None:
    told = Progress(
        suite=folder.name,
        runs=4,
        ended=1,
        failed=0,
        told_at_s=told_at_s or time.time(),
        remaining_s=9.0,
    )
    progress.write(folder, told)


def test_where_no_sweep_goes_on_none_is_followed(ears: Ears) -> None:
    assert ears.follow(["gone", ""]) == ("", None, 0.0, ())


def test_one_that_is_looked_at_is_followed_and_all_others_are_named(
    ears: Ears, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        tell(tmp_path / name)
    for name in ("one", "other"):
        followed = ears.follow([name])
        assert followed.name == name
        assert followed.told is not None
        assert followed.told.suite == name
        assert followed.going_on == ["one", "other"]


def test_one_that_was_stopped_by_force_gives_way_to_one_that_goes_on(
    ears: Ears, tmp_path: Path, clock: Clock
) -> None:
    tell(tmp_path / "one")
    assert ears.follow(["one"]).name == "one"
    clock.now_s += SILENT_S + 1
    alone = ears.follow(["one"])
    assert (alone.name, alone.silent_s, alone.going_on) == ("one", SILENT_S + 1, ["one"])
    tell(tmp_path / "other")
    clock.now_s += sweeps.SEARCH_S
    assert ears.follow(["one"])[::3] == ("other", ["other"])


@pytest.mark.parametrize("latest", ["one", "other"])
def test_at_the_first_look_the_one_that_told_last_is_followed(
    ears: Ears, tmp_path: Path, latest: str
) -> None:
    for name in ("one", "other"):
        tell(tmp_path / name, told_at_s=1e9 + (name == latest))
    assert ears.follow([""]).name == latest


def test_folders_are_not_searched_each_time(ears: Ears, tmp_path: Path, clock: Clock) -> None:
    tell(tmp_path / "one")
    assert ears.follow([""]).going_on == ["one"]
    tell(tmp_path / "other")
    assert ears.follow([""]).going_on == ["one"]
    clock.now_s += sweeps.SEARCH_S
    assert ears.follow([""]).going_on == ["one", "other"]
    (tmp_path / "other" / PROGRESS_FILE).unlink()
    assert ears.follow([""]).going_on == ["one"]
