"""A mutant has its bug within its context and nowhere else, and the hunt finds it."""

import itertools

import pytest

from actors.core.log import Entry
from actors.sim.mix import run
from actors.sim.mutants import MUTANTS, Mutant, Swap, cases, hunt

QUICK = ("quorum-short", "dedup-dropped", "unstable-proposed")
SEEDS_MAX = 300


def _named(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def test_names_tell_mutants_apart() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_bug_is_there_within_the_context_alone(mutant: Mutant) -> None:
    before = [vars(swap.owner)[swap.method] for swap in mutant.swaps]
    with mutant.patched():
        within = [vars(swap.owner)[swap.method] for swap in mutant.swaps]
    after = [vars(swap.owner)[swap.method] for swap in mutant.swaps]
    assert within == [swap.other for swap in mutant.swaps]
    assert after == before
    assert not set(before) & set(within)


def test_the_bug_goes_when_a_run_breaks_off() -> None:
    before = vars(Entry)["is_chosen"]
    with pytest.raises(ZeroDivisionError), _named("quorum-short").patched():
        raise ZeroDivisionError
    assert vars(Entry)["is_chosen"] is before


def test_the_assertions_of_the_core_are_off_within_the_context_alone() -> None:
    """A value decided twice is left to the checkers."""
    entry = Entry()
    entry.accept(2, b"a")
    with _named("quorum-short").patched():
        entry.accept(1, b"b")
    entry.accept(2, b"a")
    with pytest.raises(AssertionError):
        entry.accept(1, b"b")


def test_a_method_that_is_not_there_is_no_mutant() -> None:
    swap = Swap(Entry, "is_chosen_no_more", Entry.is_chosen)
    with pytest.raises(AssertionError, match="no is_chosen_no_more"), swap.made():
        pass


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_mutant_is_caught_and_its_cases_are_fine_without_it(name: str) -> None:
    mutant = _named(name)
    catch = hunt(mutant, SEEDS_MAX)
    assert catch is not None
    assert catch.case == next(itertools.islice(cases(mutant), catch.seeds - 1, None))
    for case in itertools.islice(cases(mutant), catch.seeds):
        assert run(case).problems == []


def test_a_hunt_gives_up_after_so_many_seeds() -> None:
    harmless = Mutant(
        "none", "nothing is wrong", (Swap(Entry, "is_chosen", _is_chosen),), ("none",)
    )
    assert hunt(harmless, seeds_max=2) is None


def _is_chosen(entry: Entry, majority: int) -> bool:
    return entry.votes.view == entry.accepted_view and len(entry.votes) >= majority


def test_a_hunt_is_the_same_each_time() -> None:
    mutant = _named("accept-in-lower-view")
    assert hunt(mutant, SEEDS_MAX) == hunt(mutant, SEEDS_MAX) is not None
