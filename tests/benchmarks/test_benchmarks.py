"""The benchmarks run by hand can still be run: all are imported, the cheap ones carried out."""

import asyncio
import importlib
import math
import pkgutil
import re

import pandas as pd
import pytest

from tests import benchmarks
from tests.benchmarks import scaling, simulator, submit, transport, virtual_time
from tests.benchmarks.virtual_time import Case

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if not module.name.startswith("test_")
)


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_called_and_says_how(name: str) -> None:
    module = importlib.import_module(f"tests.benchmarks.{name}")
    assert callable(module.main)
    assert f"python -m tests.benchmarks.{name}" in str(module.__doc__)


@pytest.mark.parametrize("part", ["news", "clients"])
def test_what_the_driver_pays_is_told(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    scaling.PARTS[part]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert all(re.search(r"\d\.\d", line) for line in lines)


def test_what_a_sweep_pays_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "POINTS", (20,))
    scaling.PARTS["results"]()
    assert "of that the disk: 12 times" in capsys.readouterr().out


def test_only_what_happens_between_the_first_bin_and_the_end_of_the_load_counts() -> None:
    """Twice the load is twice the requests, though the system is built and drained only once."""
    short, long = (virtual_time.measured(Case("jpaxos", 3, 6, load_s)) for load_s in (0.2, 0.3))
    assert (short.window_s, long.window_s) == pytest.approx((0.1, 0.2))
    assert min(short.requests, short.messages, short.cpu_s, short.memory_bytes) > 0
    assert long.requests == pytest.approx(2 * short.requests, rel=0.02)
    assert long.messages == pytest.approx(2 * short.messages, rel=0.02)


def test_a_case_is_told_beside_what_its_hosts_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    virtual_time.tell([Case("jpaxos", 3, 30, 0.2)])
    assert re.search(r"jpaxos, n = +3, .* of +70,380 requests/s, CPU", capsys.readouterr().out)


def test_frames_over_loopback_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(transport.measure(1000, 100))
    assert "frames/s" in capsys.readouterr().out


def test_seeds_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    simulator.measure("jpaxos", 3, "all", requests=5, seconds=1e-3)
    assert " 0 of " in capsys.readouterr().out


def test_what_lies_between_live_runs_is_not_in_their_own_time() -> None:
    began = [f"2026-01-02T03:04:{second}+00:00" for second in ("10", "05", "20")]
    runs = pd.DataFrame({"started_at": began, "wall_s": [9.0, 4.0, 3.0]})
    assert submit._between_s(runs) == pytest.approx((1 + 1) / 2)
    assert math.isnan(submit._between_s(runs[:1]))
