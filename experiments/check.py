"""`paxoscope check`: runs seeds of the simulator, many at once, and shows what they found.

A seed that fails is told with the command that replays it. Replaying makes the schedule smaller
first: faults are left out one by one, and requests halved, as long as it still fails.
"""

import itertools
import os
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

CASES_PER_TASK = 20
FAILURES_MAX = 20
TASKS_AHEAD = 4
"""Tasks kept waiting per core, so that no core ever does."""


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
    """Run all cases on Ray, show progress and what was found; return the exit code."""
    console = Console()
    number = len(protocols) * len(replicas) * len(seeds)
    began_s = time.monotonic()
    total = Found(0, Counter(), [])
    with _progress(console, "seeds") as progress:
        task = progress.add_task("seeds", total=number, failed=0)
        try:
            bundles = _bundles(cases(protocols, replicas, seeds, mix))
            for found in _each_on_ray(explore, bundles, address):
                total = _sum(total, found)
                progress.update(task, completed=total.cases, failed=len(total.failures))
                if len(total.failures) >= FAILURES_MAX:
                    break
        except KeyboardInterrupt:
            progress.stop()
            _show(console, total, time.monotonic() - began_s)
            raise
    _show(console, total, time.monotonic() - began_s)
    return EXIT_FAILED if total.failures else 0


def hunt_mutants(address: str | None) -> int:
    """Switch on one deliberate bug after the other; return the exit code: 1 if one survives."""
    console = Console()
    table = Table("mutant", "what is wrong", "caught by", "seeds", "first case", box=None)
    survivors = 0
    names = [mutant.name for mutant in MUTANTS]
    with _progress(console, "mutants") as progress:
        task = progress.add_task("mutants", total=len(names), failed=0)
        for name, caught in _each_on_ray(_hunt, names, address):
            mutant = _MUTANTS[name]
            survivors += caught is None
            progress.update(task, advance=1, failed=survivors)
            if caught is None:
                table.add_row(name, mutant.what, "[red]nothing[/red]", "", "")
            else:
                case = f"{caught.case.protocol} n = {caught.case.replicas} {caught.case.mix}"
                case += f" seed {caught.case.seed}"
                table.add_row(name, mutant.what, caught.caught_by, str(caught.seeds), case)
    console.print(table)
    console.print(f"{len(names) - survivors} of {len(names)} mutants caught")
    return EXIT_FAILED if survivors else 0


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


def _show(console: Console, total: Found, seconds: float) -> None:
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
        console.print("no failure", style="green")


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
    import ray  # noqa: PLC0415 - slow to import.

    from experiments.live import LOCAL_CPUS, LiveBackend  # noqa: PLC0415 - imports Ray.

    rest = iter(wanted)
    with LiveBackend(address):
        # A local Ray has more logical CPUs than cores: a task takes the share of a core.
        cores = len(os.sched_getaffinity(0))
        cpus = 1 if address else LOCAL_CPUS // cores
        task = ray.remote(num_cpus=cpus)(work)
        ahead = TASKS_AHEAD * int(ray.cluster_resources()["CPU"] // cpus)
        running: list[Any] = [task.remote(each) for each in itertools.islice(rest, ahead)]
        try:
            while running:
                (ended,), running = ray.wait(running)
                running += [task.remote(each) for each in itertools.islice(rest, 1)]
                yield ray.get(ended)
        finally:
            for each in running:
                ray.cancel(each, force=True)


def _bundles(wanted: Iterable[Case]) -> Iterator[list[Case]]:
    rest = iter(wanted)
    while bundle := list(itertools.islice(rest, CASES_PER_TASK)):
        yield bundle
