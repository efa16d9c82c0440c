"""Tells by its log what a sweep's progress file says: a job on the head of a cluster.

Runs there alone (`experiments.errand`), whatever is installed: Python's own library will do.
A line is a JSON object: `progress` is what the file says but for the moments and events that were
told before, and `kept` says how many of each of those, the last ones, come before what it has.

The program ends when the file has gone, as it does when the sweep ends; when the file says nothing
new; at SIGTERM, which says that nobody listens any more; and when its log, which whoever listens
may have left behind, has become large. It then empties the log: it would stay on the head's disk.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PERIOD_S = 0.5

PATIENCE_S = 60.0
"""How long the file may not be there yet, or say nothing new."""

LOG_BYTES_MAX = 32 << 20
"""Many times what the file may hold: that much may be told at once, at first."""

GROWING = ("moments", "events")
"""Of what a run has more and more."""

MOST_PER_LINE = 20
"""Enough for what happens in a period; a line of more, at first, would be a long one."""

State = dict[str, Any]
"""What the file says, see `experiments.progress`."""


def main(file: Path) -> None:
    """Print what is new in `file` until there is no more to tell, or nobody who listens."""
    log, told = sys.stdout.fileno(), None
    try:
        for now in states(file):
            for line in lines(told, now):
                print(line, flush=True)
            told = now
            if os.fstat(log).st_size > LOG_BYTES_MAX:
                break
    finally:
        os.ftruncate(log, 0)


def states(file: Path) -> Iterator[State]:
    """Yield what a file says, each time that this has changed."""
    latest, heard_s = b"", time.monotonic()
    while time.monotonic() - heard_s < PATIENCE_S:
        if signal.sigtimedwait({signal.SIGTERM}, PERIOD_S):
            return
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            if latest:
                return
            continue  # The sweep has not begun.
        if content != latest:
            latest, heard_s = content, time.monotonic()
            yield json.loads(content)


def lines(told: State | None, now: State) -> Iterator[str]:
    """Yield what to tell of `now` to those who know what was `told`."""
    before, after = _of_the_run(now, told), _of_the_run(now, now)
    kept = {name: _overlap(before[name], after[name]) for name in GROWING}
    new = {name: after[name][kept[name] :] for name in GROWING}
    while True:
        part = {name: new[name][:MOST_PER_LINE] for name in GROWING}
        run = now["run"] and now["run"] | part
        yield json.dumps({"kept": kept, "progress": now | {"run": run}}, separators=(",", ":"))
        kept = {name: kept[name] + len(part[name]) for name in GROWING}
        new = {name: new[name][MOST_PER_LINE:] for name in GROWING}
        if not any(new.values()):
            return


def _of_the_run(now: State, told: State | None) -> dict[str, list[Any]]:
    """Return what was told of the growing parts of the run that goes on now, if it does."""
    run = told and told["run"]
    if run and now["run"] and run["run_id"] == now["run"]["run_id"]:
        return {name: run[name] for name in GROWING}
    return {name: [] for name in GROWING}


def _overlap(before: list[Any], after: list[Any]) -> int:
    """Return how many of the last of one list the other begins with."""
    most = min(len(before), len(after))
    lengths = range(most, 0, -1)
    return next((each for each in lengths if before[len(before) - each :] == after[:each]), 0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # It is waited for.
    main(Path(sys.argv[1]).expanduser())
