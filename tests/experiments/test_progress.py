"""A sweep's progress is in a file that readers may find half-written, foreign or gone."""

from pathlib import Path

import msgspec
import pytest

from experiments import progress
from experiments.progress import PROGRESS_FILE, Happening, Progress
from tests.experiments.going_on import RUN, moment

PROGRESS = Progress(
    suite="demo",
    runs=4,
    ended=1,
    failed=0,
    began_at_s=100.0,
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
    progress.write(tmp_path, PROGRESS)
    progress.remove(tmp_path)
    progress.remove(tmp_path)
    assert progress.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"suite": "x"}', b"\xff\xfe", b"null"])
def test_what_makes_no_sense_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROGRESS_FILE).write_bytes(content)
    assert progress.read(tmp_path) is None
