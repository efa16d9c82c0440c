"""A sweep's progress is in a file that readers may find half-written, foreign or gone."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from experiments import progress
from experiments.progress import PROGRESS_FILE, Happening, Progress, ProgressFile
from tests.experiments.going_on import RUN, moment

PROGRESS = Progress(
    suite="demo",
    runs=4,
    ended=1,
    failed=0,
    told_at_s=110.0,
    remaining_s=30.0,
    run=msgspec.structs.replace(
        RUN, moments=(moment(1.5),), events=(Happening(2.0, "kill", "host-0", ""),)
    ),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    progress.write(tmp_path, PROGRESS)
    assert progress.read(tmp_path) == PROGRESS
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]


def test_of_a_sweep_that_has_ended_nothing_is_read(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path, "this sweep")
    file.remove()
    file.write(PROGRESS)
    file.remove()
    file.remove()
    assert progress.read(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_of_two_who_write_each_removes_only_what_it_has_written(tmp_path: Path) -> None:
    one, other = ProgressFile(tmp_path, "this job"), ProgressFile(tmp_path, "this job")
    one.write(PROGRESS)
    later = msgspec.structs.replace(PROGRESS, told_at_s=111.0)
    other.write(later)
    one.remove()
    assert progress.read(tmp_path) == later
    other.remove()
    assert not list(tmp_path.iterdir())


def test_two_may_write_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amid what one writes comes the other."""
    replace = Path.replace

    def after_another(fresh: Path, path: Path) -> Path:
        monkeypatch.undo()
        progress.write(tmp_path, PROGRESS)
        return replace(fresh, path)

    monkeypatch.setattr(Path, "replace", after_another)
    later = msgspec.structs.replace(PROGRESS, told_at_s=111.0)
    progress.write(tmp_path, later)
    assert progress.read(tmp_path) == later
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]


def test_what_cannot_be_written_leaves_nothing_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = ProgressFile(tmp_path, "this sweep")
    with monkeypatch.context() as full:
        full.setattr(Path, "replace", refuse)
        file.write(PROGRESS)
        file.write(PROGRESS)
    assert not list(tmp_path.iterdir())
    assert caplog.text.count("this sweep cannot be watched: [Errno 28] No space left") == 1
    file.write(PROGRESS)
    assert progress.read(tmp_path) == PROGRESS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"suite": "x"}', b"\xff\xfe", b"null"])
def test_what_makes_no_sense_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROGRESS_FILE).write_bytes(content)
    assert progress.read(tmp_path) is None


def test_a_pipe_is_not_waited_for_and_a_link_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PROGRESS_FILE)
    assert progress.read(tmp_path) is None
    (tmp_path / PROGRESS_FILE).unlink()
    (tmp_path / "other").mkdir()
    progress.write(tmp_path / "other", PROGRESS)
    (tmp_path / PROGRESS_FILE).symlink_to(tmp_path / "other" / PROGRESS_FILE)
    assert progress.read(tmp_path) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"replicas": 10**6},
        {"replicas": 0},
        {"moments": [moment(1.0)] * 1001},
        {"moments": [moment(1.0, hosts=tuple(range(1001)))]},
        {"moments": [moment(float("nan"))]},
        {"moments": [moment(1e300)]},
        {"events": [Happening(1.0, "kill", "host-0", "")] * 1001},
    ],
)
def test_a_run_that_could_not_be_drawn_is_not_read(tmp_path: Path, changed: dict[str, Any]) -> None:
    run = msgspec.structs.replace(RUN, **changed)
    progress.write(tmp_path, msgspec.structs.replace(PROGRESS, run=run))
    assert progress.read(tmp_path) is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_not_read(tmp_path: Path, number: str) -> None:
    progress.write(tmp_path, PROGRESS)
    path = tmp_path / PROGRESS_FILE
    path.write_text(path.read_text().replace('"remaining_s":30.0', f'"remaining_s":{number}'))
    assert number in path.read_text()
    assert progress.read(tmp_path) is None
