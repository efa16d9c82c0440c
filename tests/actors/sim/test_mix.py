"""Whole systems under faults, seed by seed: every checker is content, and everybody gets on."""

from collections import Counter

import pytest

from actors.core.registry import REPLICATED
from actors.sim.mix import MIXES, Case, run
from actors.sim.trace import Event

SEEDS = 60
COVERED = (
    *("views begun", "plots ended", "restarts"),
    *("snapshots installed", "payloads asked for"),
)


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix != "all"])
@pytest.mark.parametrize("protocol", REPLICATED)
def test_three_replicas_keep_their_promises(protocol: str, mix: str) -> None:
    for seed in range(SEEDS):
        case = Case(seed, protocol, 3, mix)
        assert run(case).problems == [], case


@pytest.mark.parametrize("replicas", [5, 7])
@pytest.mark.parametrize("protocol", REPLICATED)
def test_more_replicas_keep_their_promises(protocol: str, replicas: int) -> None:
    for seed in range(SEEDS // 2):
        case = Case(seed, protocol, replicas, "all")
        assert run(case).problems == [], case


def test_a_leader_that_was_passed_over_opens_no_instance() -> None:
    """It had taken a snapshot of what a later leader had decided, and not heard of that leader."""
    assert run(Case(181, "spaxos", 3, "all")).problems == []


def test_a_leader_that_takes_a_snapshot_answers_what_it_has_passed_over() -> None:
    assert run(Case(1, "jpaxos", 3, "full")).problems == []


@pytest.mark.parametrize(
    "seed",
    [
        *(1002379, 1008502, 1015494, 1020977, 1022223, 1028877),
        *(1034689, 1042186, 1044480, 1058353, 1058920, 1059052),
    ],
)
def test_what_a_crash_undoes_before_it_is_stored_was_never_decided(seed: int) -> None:
    """The record had it as decided already, and a later decision looked like a second one."""
    assert run(Case(seed, "jpaxos", 3, "all")).problems == []


def test_two_leaders_that_heard_nobody_find_each_other() -> None:
    """The third was down; both kept silent, since neither heard from a majority, for ever."""
    assert run(Case(5027103, "jpaxos", 3, "all")).problems == []


def test_equal_cases_run_equally() -> None:
    def events() -> list[Event]:
        seen: list[Event] = []
        run(Case(5, "spaxos", 3, "full"), seen.append)
        return seen

    assert events() == events()


def test_what_is_left_out_of_a_schedule_does_not_happen() -> None:
    case = Case(3, "spaxos", 3, "epoch")
    faults = run(case).faults
    assert any(words.startswith("crash") for words in faults)
    seen: list[Event] = []
    run(case._replace(without=frozenset(range(len(faults)))), seen.append)
    assert not any(event.verb in ("crash", "cut", "suspect") for event in seen)


def test_faults_happen() -> None:
    """Otherwise all of the above would say nothing."""
    found = sum((run(Case(seed, "spaxos", 3, "all")).coverage for seed in range(40)), start=_none())
    for what in COVERED:
        assert found[what] > 0, what


def test_plots_have_ids_ordered_again() -> None:
    runs = (run(Case(seed, "spaxos", 3, "plots")) for seed in range(SEEDS))
    assert sum(outcome.coverage["ids ordered again"] for outcome in runs) > 0


def _none() -> Counter[str]:
    return Counter()
