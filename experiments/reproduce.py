"""`paxoscope reproduce`: runs the evaluation, judges the claims, writes the report.

Each suite has its own folder of results, so that whatever is finished is kept and a second call
goes on where the first was broken off.
"""

import json
import shlex
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments import messages, results, summarise
from experiments.claims import CLAIMS, Points, Score, scorecard
from experiments.commands import carry_out
from experiments.errors import EXIT_FAILED, InputError
from experiments.estimate import duration, expected_s
from experiments.evaluation import (
    COMMANDS,
    FIGURES,
    KIND,
    MESSAGES,
    SCORECARD,
    Figure,
    Part,
    suites_of,
)
from experiments.results import ResultsWriter, replace_file
from experiments.runner import is_sound, missing
from experiments.spec import Suite, load_suite
from experiments.sweep import Run, expand

REASONS_FIT = 120
"""Columns of a terminal that has room for the reasons, too."""


class Planned(NamedTuple):
    """A suite of the evaluation, and what of it is still to be run."""

    suite: Suite
    folder: Path
    missing: list[Run]


def run(
    figure_ids: Sequence[str],
    claim_ids: Sequence[str],
    *,
    out: Path | None,
    quick: bool,
    backend: str | None,
    address: str | None,
) -> int:
    """Run what is missing for the figures and claims named, and report; return the exit code.

    Where neither are named: for all. Raises InputError for what there is not, RunFailed where
    nothing can be run.
    """
    console = Console()
    wanted = _figures(figure_ids, claim_ids)
    if backend == "sim":
        wanted = _without_faults(wanted, console)
    folder = out or Path("results") / ("reproduction-quick" if quick else "reproduction")
    _claim(folder, {"quick": quick, "backend": backend})
    parts = suites_of(wanted)
    plans = [_plan(part, folder, quick=quick, backend=backend) for part in parts]
    left = [run for plan in plans for run in plan.missing]
    console.print(f"{len(wanted)} figures, {len(left)} runs, about {duration(expected_s(left))}")
    for plan in plans:
        _run(plan, address, console)
    scores = scorecard(read_points([plan.folder for plan in plans]))
    _write_all(folder, scores, wanted)
    console.print(_scorecard_table(scores, has_room=console.width >= REASONS_FIT))
    _write_report(folder, wanted)
    return 0 if all(map(_is_sound, plans)) else EXIT_FAILED


def read_points(folders: Sequence[Path]) -> Points:
    """Return the points of each suite, by its name; raises ResultsError."""
    return {folder.name: summarise.summary(results.runs(folder)) for folder in folders}


def _figures(figure_ids: Sequence[str], claim_ids: Sequence[str]) -> list[str]:
    """Return the figures that are named, and those that show what the claims are judged by."""
    suites = {claim.claim_id: set(claim.suites) for claim in CLAIMS}
    _require_known("figure", figure_ids, FIGURES)
    _require_known("claim", claim_ids, suites)
    judged = [
        figure_id
        for figure_id, figure in FIGURES.items()
        if any(_shows(figure, suites[claim]) for claim in claim_ids)
    ]
    return list(dict.fromkeys([*figure_ids, *judged])) or list(FIGURES)


def _shows(figure: Figure, suites: set[str]) -> bool:
    """Say whether a figure is of these suites alone or, where there are none, of none, too."""
    return set(figure.suites) <= suites and bool(figure.suites) == bool(suites)


def _require_known(what: str, named: Iterable[str], known: Collection[str]) -> None:
    for each in named:
        if each not in known:
            raise InputError(f"--{what} {each}: no such {what}; there are {', '.join(known)}")


def _without_faults(figure_ids: Sequence[str], console: Console) -> list[str]:
    """Leave out what needs faults, which the simulated backend does not carry out; say so."""
    live = [each for each in figure_ids if any(map(_has_faults, suites_of([each])))]
    if len(live) == len(figure_ids):
        raise InputError(f"--backend sim: {', '.join(live)}: faults happen on Ray only")
    if live:
        console.print(f"left out: {', '.join(live)}: faults happen on Ray only")
    return [each for each in figure_ids if each not in live]


def _has_faults(part: Part) -> bool:
    return any(run.config.faults for run in expand(load_suite(part.suite)))


def _claim(folder: Path, kind: dict[str, object]) -> None:
    """Take a folder for reproductions of this kind: quick and full runs are not to be mixed."""
    path = folder / KIND
    try:
        there = json.loads(path.read_bytes()) if path.is_file() else kind
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(there).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if there != kind:
        raise InputError(f"{folder}: holds a reproduction of another kind, {there}; choose --out")


def _plan(part: Part, folder: Path, *, quick: bool, backend: str | None) -> Planned:
    overrides = [*(part.quick if quick else ()), *([f"backend={backend}"] if backend else ())]
    suite = load_suite(part.suite, overrides)
    where = folder / part.suite
    with ResultsWriter(where, suite) as kept:
        return Planned(suite, where, missing(suite, kept))


def _run(plan: Planned, address: str | None, console: Console) -> None:
    if not plan.missing:
        return
    console.print(f"[bold]{plan.suite.name}[/]: {plan.suite.description}")
    with ResultsWriter(plan.folder, plan.suite) as kept:
        try:
            carry_out(plan.suite, plan.missing, kept, console, address=address)
        except KeyboardInterrupt as end:
            raise type(end)(f"what has finished is kept; go on with: {_command()}") from end


def _command() -> str:
    """Return the command that is being carried out."""
    return shlex.join(["paxoscope", *sys.argv[1:]])


def _is_sound(plan: Planned) -> bool:
    with ResultsWriter(plan.folder, plan.suite) as kept:
        rows = kept.rows()
    return all(is_sound(rows.get(run.run_id)) for run in expand(plan.suite))


# --- What comes out -----------------------------------------------------------------------------


def _write_all(folder: Path, scores: Sequence[Score], figure_ids: Sequence[str]) -> None:
    """Write what stands beside the suites' folders, and the report is made of."""
    rows = [score._asdict() for score in scores]
    path = folder / COMMANDS
    try:
        before = path.read_text(errors="replace").splitlines() if path.is_file() else []
        commands = dict.fromkeys([*before, _command()])
        replace_file(folder / SCORECARD, f"{json.dumps(rows, indent=1)}\n".encode())
        replace_file(folder / COMMANDS, "".join(f"{each}\n" for each in commands).encode())
        if "messages" in figure_ids:
            messages.write(folder / MESSAGES)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error


def _scorecard_table(scores: Sequence[Score], *, has_room: bool) -> Table:
    caption = None if has_room else "The reasons stand in the report."
    table = Table(title="Scorecard", title_justify="left", box=box.SIMPLE_HEAD, caption=caption)
    for column in ("claim", "paper", "ours", "verdict", *(["reason"] if has_room else [])):
        table.add_column(column, overflow="fold")
    styles = {
        "reproduced": "green",
        "trend": "yellow",
        "not reproduced": "red",
        "not measured": "dim",
    }
    for score in scores:
        verdict = f"[{styles[score.verdict]}]{score.verdict}[/]"
        reason = [score.reason] if has_room else []
        table.add_row(score.claim, score.paper, score.ours, verdict, *reason)
    return table


def _write_report(folder: Path, figure_ids: Sequence[str]) -> None:
    # Plotly is slow to import, and not needed until here.
    from dashboards import reproduction  # noqa: PLC0415

    print(f"report: {reproduction.write(folder, figure_ids)}")
