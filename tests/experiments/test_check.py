"""`paxoscope check`: what it is asked for, what it shows, how a failure is made smaller."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from typer.testing import CliRunner

from actors.sim.mix import Case, Outcome
from experiments import check
from experiments.errors import InputError, Lost


def test_cases_take_turns() -> None:
    found = list(check.cases(["jpaxos", "spaxos"], [3, 5], range(1, 3), "views"))
    assert [(case.seed, case.protocol, case.replicas) for case in found[:5]] == [
        (1, "jpaxos", 3),
        (1, "jpaxos", 5),
        (1, "spaxos", 3),
        (1, "spaxos", 5),
        (2, "jpaxos", 3),
    ]
    assert {case.mix for case in found} == {"views"}


@pytest.mark.parametrize("text", ["", "x", "3..1", "-1..4", "1..", "1..2..3"])
def test_seeds_that_make_no_sense_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(InputError, match=r"must be A\.\.B"):
        check.parse_seeds(text)


def test_what_replicates_nothing_is_not_checked() -> None:
    known = r"must be one of jpaxos, spaxos, multipaxos$"
    with pytest.raises(InputError, match=f"^--protocol unreplicated: {known}"):
        check.check_names(["jpaxos", "unreplicated"], [3], "all")


def test_seeds_include_both_ends() -> None:
    assert list(check.parse_seeds("3..5")) == [3, 4, 5]
    assert list(check.parse_seeds("7")) == [7]


def test_the_command_of_a_case_names_all_that_makes_it() -> None:
    case = Case(7, "spaxos", 5, "full", 12, frozenset({3, 1}))
    assert check.command(case) == (
        "paxoscope check --protocol spaxos --replicas 5 --faults full --seed 7 "
        "--requests 12 --without 1,3 --trace"
    )


def test_a_failing_case_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only fault 2 of 4 matters, and at least 10 requests."""

    def broken(case: Case) -> Outcome:
        fails = 2 not in case.without and case.requests >= 10
        return Outcome(["agreement: broken"] * fails, ["a", "b", "c", "d"], Counter())

    monkeypatch.setattr(check, "run", broken)
    smallest = check.smallest(Case(1, "jpaxos", 3, "all", 50))
    assert smallest.without == {0, 1, 3}
    assert smallest.requests == 12


def test_a_case_is_not_made_smaller_into_another_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(case: Case) -> Outcome:
        objector = "liveness" if case.without else "agreement"
        return Outcome([f"{objector}: broken"], ["a", "b"], Counter())

    monkeypatch.setattr(check, "run", broken)
    assert check.smallest(Case(1, "jpaxos", 3, "all", 1)).without == frozenset()


def test_what_is_found_is_told_with_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = check.Failure(Case(9, "spaxos", 3, "all"), ["integrity: executed twice"])
    monkeypatch.setattr(
        check, "_each_on_ray", lambda *_: iter([check.Found(20, Counter(restarts=3), [failure])])
    )
    assert check.sweep(["spaxos"], [3], range(20), "all", None) == 1
    shown = capsys.readouterr().out
    assert "integrity: executed twice" in shown
    assert "restarts 3" in shown
    assert "paxoscope check --protocol spaxos --replicas 3 --faults all --seed 9 --trace" in (
        shown.replace("\n", " ").replace("  ", " ")
    )


class Losing:
    """A Ray on which every task after the first is lost, however often it is begun."""

    def __init__(self, _address: str | None) -> None:
        self.begun: list[Any] = []

    count = 1

    def __enter__(self) -> "Losing":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, work: Callable[[Any], Any], given: Any) -> "Future[Any]":
        self.begun.append(given)
        future: Future[Any] = Future()
        if given is self.begun[0]:
            future.set_result(work(given))
        else:
            future.set_exception(Lost(f"lost {self.begun.count(given)} times"))
        return future

    def is_lost(self, ended: "Future[Any]") -> bool:
        return ended.exception() is not None

    def result(self, ended: "Future[Any]") -> Any:
        return ended.result()


def test_what_was_found_is_shown_where_a_task_is_lost_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from experiments import ray_tasks
    from experiments.cli import app

    monkeypatch.setattr(ray_tasks, "RayTasks", Losing)
    result = CliRunner().invoke(app, ["check", "--protocol", "jpaxos", "--seeds", "1..60"])
    assert result.exit_code == 1
    assert result.stderr == f"paxoscope: broken off: lost {check.TRIES} times\n"
    assert "20 seeds in " in result.stdout
    assert "no failure in 20 of 60" in result.stdout


def test_the_mutants_that_were_caught_are_shown_where_a_task_is_lost_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from experiments import ray_tasks
    from experiments.cli import app

    monkeypatch.setattr(ray_tasks, "RayTasks", Losing)
    monkeypatch.setattr(check, "_hunt", lambda name: (name, None))
    result = CliRunner().invoke(app, ["check", "--mutants"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert check.MUTANTS[0].name in result.stdout
    untried = len(check.MUTANTS) - 1
    assert f"0 of 1 mutants caught; {untried} not tried" in result.stdout


def test_a_seed_is_replayed_with_its_faults() -> None:
    from experiments.cli import app

    result = CliRunner().invoke(
        app, ["check", "--protocol", "spaxos", "--faults", "views", "--seed", "4"]
    )
    assert result.exit_code == 0, result.output
    assert "suspect replica" in result.output
    assert "ok: no checker objects" in result.output


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--mutants --seed 3", "--seed means nothing beside --mutants"),
        ("--mutants --replicas 5", "--replicas means nothing beside --mutants"),
        ("--protocol jpaxos --seed 3 --seeds 1..3", "--seeds means nothing beside --seed"),
        ("--trace", "--trace goes with --seed"),
        (
            "--protocol jpaxos --faults none --seed 3 --without 99",
            "--without 99: this case has no faults",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(options: str, line: str) -> None:
    from experiments.cli import app

    result = CliRunner().invoke(app, ["check", *options.split()])
    assert (result.exit_code, result.stderr.strip()) == (2, f"paxoscope: {line}")


def test_a_mutant_that_survives_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = check.MUTANTS[0].name
    monkeypatch.setattr(check, "MUTANTS", check.MUTANTS[:1])
    monkeypatch.setattr(check, "_each_on_ray", lambda *_: iter([(name, None)]))
    assert check.hunt_mutants(None) == 1
    shown = capsys.readouterr().out
    assert "nothing" in shown
    assert shown.endswith("\n0 of 1 mutants caught\n")
