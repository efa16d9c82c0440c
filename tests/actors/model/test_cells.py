"""Cells, also between real processes."""

import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from actors.core.config import Limits
from actors.model.budget import Budget, cells_needed
from actors.model.cells import PrivateCells, SharedCells

LIMITS = Limits(cpu_us_per_message=1.0)
RESERVATIONS = 10_000
PATIENCE_S = 60.0
"""How long a test waits for what must happen; reaching it is a failure."""

processes = multiprocessing.get_context("spawn")


def reserve(path: Path, together: Barrier, ends: "multiprocessing.Queue[list[float]]") -> None:
    """Take a second of CPU as often as said, as fast as possible."""
    budget = Budget(LIMITS, SharedCells(path, cells_needed(LIMITS)))
    together.wait(PATIENCE_S)
    ends.put([budget.work(0.0, 1.0) for _ in range(RESERVATIONS)])


def die_inside(path: Path) -> None:
    with SharedCells(path, 1) as cells:
        cells.values[0] = 7.0
        os._exit(1)


@pytest.mark.parametrize("shared", [False, True])
def test_cells_begin_at_zero(tmp_path: Path, shared: bool) -> None:
    with SharedCells(tmp_path / "cells", 3) if shared else PrivateCells(3) as cells:
        assert list(cells.values) == [0.0, 0.0, 0.0]


def test_everybody_who_names_a_file_has_the_same_cells(tmp_path: Path) -> None:
    one, other = (SharedCells(tmp_path / "cells", 2) for _ in range(2))
    with one:
        one.values[1] = 2.5
    with other:
        assert list(other.values) == [0.0, 2.5]


def test_who_comes_back_finds_what_it_left(tmp_path: Path) -> None:
    """An actor that is restarted must not find a host that is free again."""
    with SharedCells(tmp_path / "cells", 1) as cells:
        cells.values[0] = 9.0
    del cells
    with SharedCells(tmp_path / "cells", 1) as cells:
        assert cells.values[0] == 9.0


def test_two_processes_together_have_one_budget(tmp_path: Path) -> None:
    """No second of the core is given to both, and none to nobody."""
    together, ends = processes.Barrier(2), processes.Queue()
    arguments = (tmp_path / "cells", together, ends)
    pair = [processes.Process(target=reserve, args=arguments) for _ in range(2)]
    for process in pair:
        process.start()
    reserved = [end for _ in pair for end in ends.get(timeout=PATIENCE_S)]
    for process in pair:
        process.join(PATIENCE_S)
    assert sorted(reserved) == [float(end) for end in range(1, 2 * RESERVATIONS + 1)]


def test_a_process_that_dies_inside_keeps_nobody_out(tmp_path: Path) -> None:
    process = processes.Process(target=die_inside, args=(tmp_path / "cells",))
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == 1
    with SharedCells(tmp_path / "cells", 1) as cells:
        assert cells.values[0] == 7.0
