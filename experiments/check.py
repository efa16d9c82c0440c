"""`paxoscope check`: runs seeds of the simulator, many at once, and shows what they found.

A seed that fails is told with the command that replays it. Replaying makes the schedule smaller
first: faults are left out one by one, and requests halved, as long as it still fails.
"""

import itertools
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.core.registry import REPLICATED
from actors.sim.mix import MIXES, Case, Outcome, run
from actors.sim.mutants import MUTANTS, Catch, hunt
from experiments.errors import EXIT_FAILED, InputError
from experiments.workers import each

CASES_PER_TASK = 20
FAILURES_MAX = 20

TRIES = 3
"""How often a task is begun that is lost, by a node that leaves or a process that is killed."""


class Failure(NamedTuple):
    """A case that failed, and how."""

    case: Case
    problems: list[str]


class Found(NamedTuple):
    """What a bundle of cases has found."""

    cases: int
    coverage: Counter[str]
    failures: list[Failure]


def cases(
    protocols: Sequence[str], replicas: Sequence[int], seeds: range, mix: str
) -> Iterator[Case]:
    """Yield the cases to run; protocols and sizes take turns."""
    for seed in seeds:
        for protocol, number in itertools.product(protocols, replicas):
            yield Case(seed, protocol, number, mix)


def explore(bundle: Sequence[Case]) -> Found:
    """Run some cases."""
    coverage: Counter[str] = Counter()
    failures = []
    for case in bundle:
        outcome = run(case)
        coverage.update(outcome.coverage)
        if outcome.problems:
            failures.append(Failure(case, outcome.problems))
    return Found(len(bundle), coverage, failures)


def smallest(case: Case) -> Case:
    """Return a case that fails like `case` with as few faults and requests as were found."""
    outcome = run(case)
    for fault in range(len(outcome.faults)):
        fewer = case._replace(without=case.without | {fault})
        if _fails_alike(run(fewer), outcome):
            case = fewer
    while case.requests > 1:
        shorter = case._replace(requests=case.requests // 2)
        if not _fails_alike(run(shorter), outcome):
            break
        case = shorter
    return case


def _fails_alike(one: Outcome, other: Outcome) -> bool:
    """Say whether a checker objects to both: another failure would be another case."""
    return bool(_objectors(one) & _objectors(other))


def _objectors(outcome: Outcome) -> set[str]:
    return {problem.partition(":")[0] for problem in outcome.problems}


def parse_seeds(text: str) -> range:
    """Read `A..B` (both included) or a single seed; raises InputError."""
    first, dots, last = text.partition("..")
    try:
        seeds = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds or seeds[0] < 0:
        raise InputError(f"--seeds {text}: must be A..B with 0 <= A <= B, such as 1..1000")
    return seeds


def parse_without(text: str) -> frozenset[int]:
    """Read the numbers of faults to leave out, with commas between; raises InputError."""
    try:
        return frozenset(int(number) for number in text.split(",") if number)
    except ValueError as error:
        raise InputError(f"--without {text}: must be numbers of faults, such as 0,3") from error


def check_names(protocols: Iterable[str], replicas: Iterable[int], mix: str) -> None:
    """Raise InputError for what there is not."""
    for protocol in protocols:
        if protocol not in REPLICATED:
            raise InputError(f"--protocol {protocol}: must be one of {', '.join(REPLICATED)}")
    for number in replicas:
        if not 3 <= number <= 15 or number % 2 == 0:
            raise InputError(f"--replicas {number}: must be odd, from 3 to 15")
    if mix not in MIXES:
        raise InputError(f"--faults {mix}: must be one of {', '.join(MIXES)}")


def sweep(
    protocols: Sequence[str], replicas: Sequence[int], seeds: range, mix: str, address: str | None
) -> int:
    """Run all cases on Ray, show progress and what was found; return the exit code.

    Raises RunFailed where Ray is not there, Lost where it loses some of them again and again.
    """
    console = Console()
    number = len(protocols) * len(replicas) * len(seeds)
    began_s = time.monotonic()
    total = Found(0, Counter(), [])
    try:
        with _progress(console, "seeds") as progress:
            task = progress.add_task("seeds", total=number, failed=0)
            bundles = _bundles(cases(protocols, replicas, seeds, mix))
            for found in _each_on_ray(explore, bundles, address):
                total = _sum(total, found)
                progress.update(task, completed=total.cases, failed=len(total.failures))
                if len(total.failures) >= FAILURES_MAX:
                    break
    finally:  # What ends this early does not undo what was found.
        if total.cases:
            _show(console, total, time.monotonic() - began_s, number)
    return EXIT_FAILED if total.failures else 0


def hunt_mutants(address: str | None) -> int:
    """Switch on one deliberate bug after the other; return the exit code: 1 if one survives.

    Raises RunFailed as `sweep` does.
    """
    console = Console()
    table = Table("mutant", "what is wrong", "caught by", "seeds", "first case", box=None)
    survivors = 0
    names = [mutant.name for mutant in MUTANTS]
    try:
        with _progress(console, "mutants") as progress:
            task = progress.add_task("mutants", total=len(names), failed=0)
            for name, caught in _each_on_ray(_hunt, names, address):
                survivors += caught is None
                progress.update(task, advance=1, failed=survivors)
                table.add_row(name, _MUTANTS[name].what, *_caught(caught))
    finally:
        if tried := table.row_count:
            console.print(table)
            rest = "" if tried == len(names) else f"; {len(names) - tried} not tried"
            console.print(f"{tried - survivors} of {tried} mutants caught{rest}")
    return EXIT_FAILED if survivors else 0


def _caught(caught: Catch | None) -> tuple[str, str, str]:
    """Return by what a mutant was caught, in how many seeds, and in which case first."""
    if caught is None:
        return "[red]nothing[/red]", "", ""
    case = f"{caught.case.protocol} n = {caught.case.replicas} {caught.case.mix}"
    return caught.caught_by, str(caught.seeds), f"{case} seed {caught.case.seed}"


_MUTANTS = {mutant.name: mutant for mutant in MUTANTS}


def _hunt(name: str) -> tuple[str, Catch | None]:
    return name, hunt(_MUTANTS[name])


def replay(case: Case, *, trace: bool) -> int:
    """Run one case and say what came of it, with `trace` event by event, as small as it gets.

    Raises InputError for faults left out that there are not.
    """
    console = Console(highlight=False, soft_wrap=True)
    outcome = run(case)
    if unknown := sorted(case.without - set(range(len(outcome.faults)))):
        last = f"faults 0 to {len(outcome.faults) - 1}" if outcome.faults else "no faults"
        raise InputError(f"--without {unknown[0]}: this case has {last}")
    if outcome.problems and trace:
        case = smallest(case)
        console.print(f"smallest that fails: {command(case)}")
    if trace:
        outcome = run(case, lambda event: console.print(str(event), markup=False))
    console.print(f"{_named(case)}: {len(outcome.faults) - len(case.without)} faults")
    for fault, words in enumerate(outcome.faults):
        if fault not in case.without:
            console.print(f"  {fault:3} {words}")
    _show_outcome(console, outcome)
    return EXIT_FAILED if outcome.problems else 0


def command(case: Case) -> str:
    """Return the command that replays a case."""
    parts = ["paxoscope", "check", "--protocol", case.protocol, "--replicas", str(case.replicas)]
    parts += ["--faults", case.mix, "--seed", str(case.seed)]
    if case.requests != Case(0, "").requests:
        parts += ["--requests", str(case.requests)]
    if case.without:
        parts += ["--without", ",".join(map(str, sorted(case.without)))]
    return shlex.join([*parts, "--trace"])


def _show_outcome(console: Console, outcome: Outcome) -> None:
    console.print(", ".join(f"{name} {count}" for name, count in outcome.coverage.items()))
    for problem in outcome.problems:
        console.print(problem, style="red", markup=False)
    if not outcome.problems:
        console.print("ok: no checker objects", style="green")


def _show(console: Console, total: Found, seconds: float, number: int) -> None:
    """Show what was found in so many seconds, of a number of cases."""
    rate = total.cases / seconds if seconds else 0.0
    console.print(f"{total.cases:,} seeds in {seconds:.1f} s: {rate:.0f} seeds/s")
    covered = ", ".join(f"{name} {count:,}" for name, count in sorted(total.coverage.items()))
    console.print(f"covered: {covered}")
    for failure in total.failures:
        console.print(f"{_named(failure.case)}: {failure.problems[0]}", style="red", markup=False)
        console.print(f"  replay: {command(failure.case)}", soft_wrap=True, markup=False)
    if len(total.failures) >= FAILURES_MAX:
        console.print(f"stopped after {FAILURES_MAX} failures")
    elif not total.failures:
        only = "" if total.cases == number else f" in {total.cases:,} of {number:,}"
        console.print(f"no failure{only}", style="green")


def _named(case: Case) -> str:
    return f"{case.protocol} n = {case.replicas} faults {case.mix} seed {case.seed}"


def _progress(console: Console, what: str) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"))
    return Progress(TextColumn(what), *columns, TimeRemainingColumn(), console=console)


def _sum(one: Found, other: Found) -> Found:
    coverage = Counter(one.coverage)
    coverage.update(other.coverage)
    return Found(one.cases + other.cases, coverage, one.failures + other.failures)


def _each_on_ray(
    work: Callable[[Any], Any], wanted: Iterable[Any], address: str | None
) -> Iterator[Any]:
    """Yield what `work` makes of each, in the order in which they end."""
    from experiments.ray_tasks import RayTasks  # noqa: PLC0415 - Ray is slow to import.

    with RayTasks(address) as tasks:
        for _, future in each(tasks, work, wanted, tries=TRIES):
            yield tasks.result(future)


def _bundles(wanted: Iterable[Case]) -> Iterator[list[Case]]:
    rest = iter(wanted)
    while bundle := list(itertools.islice(rest, CASES_PER_TASK)):
        yield bundle
