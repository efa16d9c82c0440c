"""Clusters that start and stop leave nothing behind, at the third time as at the hundredth."""

import subprocess
import sys

import pytest

from tests.benchmarks.starts import SETTLED_AFTER

pytestmark = pytest.mark.ray


def test_three_more_starts_and_stops_leave_nothing_behind() -> None:
    """No process, port, open file, actor, placement group or file of a keeper.

    On a Ray of its own: what others have running would be counted, too.
    """
    command = [sys.executable, "-m", "tests.benchmarks.starts", f"--count={SETTLED_AFTER + 3}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{SETTLED_AFTER + 3} starts and stops" in ended.stdout
