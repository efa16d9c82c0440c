"""What `paxoscope compare` prints: two result folders side by side, in 80 columns, worst first."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments import results
from experiments.compare import (
    BAD,
    JUDGED,
    REPEATS_MIN,
    UNMATCHED,
    VERDICTS,
    changes,
    compare,
    shown,
    what_keeps_apart,
)
from experiments.console import care_table
from experiments.errors import EXIT_FAILED, InputError
from experiments.linter import lint, lint_between

_WIDTH = 80
_MEASURES = {
    "throughput_rps": "throughput req/s",
    "latency_ms_p50": "latency p50 ms",
    "latency_ms_p99": "latency p99 ms",
    "cpu_us_per_request": "CPU µs/request",
}
_STYLES = {"lost": "bold red", "worse": "bold red", "unclear": "yellow", "better": "green"}
_MEANINGS = {
    "lost": "has sound runs in A and none in B",
    "unclear": "beyond the threshold, but its repeats scatter too much to tell: run more of them",
    "not measured": "without a sound run in A, or without a reply",
}
_Point = Mapping[Hashable, Any]
"""A row of `experiments.compare.compare`."""


def run(folder_a: Path, folder_b: Path, threshold_percent: float) -> int:
    """Compare two result folders and print it; return 1 where B is worse, else 0.

    Raises InputError where a folder cannot be read, or nothing in them can be compared.
    """
    if not (math.isfinite(threshold_percent) and threshold_percent >= 0):
        raise InputError(f"--threshold {threshold_percent}: must be a number from 0")
    runs_a, runs_b = results.runs(folder_a), results.runs(folder_b)
    points = compare(runs_a, runs_b, threshold_percent / 100)
    if reason := what_keeps_apart(points, runs_a, runs_b):
        raise InputError(f"A and B have no point in common{reason}")
    console = Console(width=_WIDTH)
    for part in (
        _sides({"A": (folder_a, runs_a), "B": (folder_b, runs_b)}),
        _changes_table(changes(runs_a, runs_b)),
        *_points(points.to_dict("records")),
        *_cautions({"A": runs_a, "B": runs_b}),
        _totals(points, threshold_percent),
    ):
        console.print(part)
    return EXIT_FAILED if points["verdict"].isin(BAD).any() else 0


def _sides(sides: Mapping[str, tuple[Path, pd.DataFrame]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, (folder, runs) in sides.items():
        suites = ", ".join(map(shown, runs["suite"].unique()))
        about = f"{shown(folder)}: suite {suites}, {len(runs):,} runs"
        table.add_row(Text(name, "bold"), Text(about, overflow="fold"))
    return table


def _changes_table(changed: pd.DataFrame) -> RenderableType:
    if changed.empty:
        return Text("\nSettings, code, versions and machine are the same.")
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in (13, 20, None, None):
        table.add_column(width=width, overflow="fold")
    table.add_row("", *(Text(head, "bold") for head in ("what changed", "A", "B")))
    kinds = changed["kind"].where(~changed["kind"].duplicated(), "")
    for kind, row in zip(kinds, changed.to_dict("records"), strict=True):
        table.add_row(kind, *(Text(row[key]) for key in ("what", "a", "b")))
    return Padding(table, (1, 0, 0, 0))


def _points(points: Sequence[_Point]) -> list[RenderableType]:
    """Return a head, a block each point that both have, and a line each of the others."""
    head = [Text(each) for each in ("", "A", "B", "change", "95% interval", "")]
    blocks = [_block(point) for point in points if point["verdict"] not in UNMATCHED]
    others = [point for point in points if point["verdict"] in UNMATCHED]
    lines = [Text(f"{point['verdict']}: {point['point']}", overflow="fold") for point in others]
    return [_grid([head]), *blocks, *([Text("")] if lines else []), *lines]


def _block(point: _Point) -> RenderableType:
    verdict = point["verdict"]
    name = Text.assemble((f"{verdict}: ", _STYLES.get(verdict, "")), (point["point"], "bold"))
    block = Table.grid()
    block.add_row(name)
    if point["failures_b"]:
        block.add_row(Text(f"  not sound in B: {point['failures_b']}", "red"))
    block.add_row(_grid([_measure_row(point, measure) for measure in _MEASURES]))
    return block


def _measure_row(point: _Point, measure: str) -> Sequence[Text]:
    verdict = point[f"{measure}_verdict"] if measure in JUDGED else ""
    marked = verdict if verdict in _STYLES else ""
    decimals = 0 if measure == "throughput_rps" else None
    return [
        Text(f"  {_MEASURES[measure]}"),
        *(Text(_number(point[f"{measure}_{side}"], decimals)) for side in ("a", "b")),
        Text(_percent(point[f"{measure}_change"])),
        Text(_interval(point, measure)),
        Text(marked, _STYLES.get(marked, "")),
    ]


def _grid(rows: Sequence[Sequence[Text]]) -> Table:
    """Lay rows out in columns that are the same for each point, 80 characters in all."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=18)
    for width in (11, 11, 8, 20):
        grid.add_column(width=width, justify="right", no_wrap=True)
    grid.add_column(width=7)
    for row in rows:
        grid.add_row(*row)
    return grid


def _interval(point: _Point, measure: str) -> str:
    low, high = (point[f"{measure}_change_{end}"] for end in ("low", "high"))
    repeats = [point[f"repeats_{side}"] for side in ("a", "b")]
    if min(repeats) < REPEATS_MIN:
        return f"none, repeats {repeats[0]}, {repeats[1]}"
    return "none" if math.isnan(low) else f"{_percent(low)} to {_percent(high)}"


def _cautions(sides: Mapping[str, pd.DataFrame]) -> Iterator[RenderableType]:
    """Yield what the linter says of each side, and of both together."""
    folders = [runs.assign(folder=name) for name, runs in sides.items()]
    found = {name: lint(runs) for name, runs in sides.items()}
    found["A and B"] = lint_between(pd.concat(folders, ignore_index=True))
    for name, said in found.items():
        if len(said):
            yield Padding(care_table(f"Read with care in {name}", said), (1, 0, 0, 0))


def _totals(points: pd.DataFrame, threshold_percent: float) -> RenderableType:
    counts = points["verdict"].value_counts()
    found = [f"{counts[each]} {each}" for each in VERDICTS if each in counts]
    total = f"\n{len(points)} points: {', '.join(found)} (threshold {threshold_percent:g}%)."
    meanings = [f"{each}: {said}." for each, said in _MEANINGS.items() if each in counts]
    is_bad = any(each in counts for each in BAD)
    return Text.assemble((total, "bold red" if is_bad else "bold"), *(f"\n{m}" for m in meanings))


def _number(value: float, decimals: int | None) -> str:
    """Write a measured value with these decimals, or with three digits that count."""
    if math.isnan(value):
        return "-"
    if decimals is None:
        decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{decimals}f}"


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return "-" if math.isnan(share) else "from 0"
    return f"{share:+,.1%}" if abs(share) < 1 else f"{share:+,.0%}"
