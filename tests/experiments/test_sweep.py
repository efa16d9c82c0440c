import subprocess
import sys

from experiments.spec import Suite
from experiments.sweep import expand

SUITE = Suite(
    name="s",
    repeats=3,
    base={"seed": 10},
    axes={"protocol": ["jpaxos", "spaxos"], "clients": [1, 2, 3]},
)


def test_every_point_is_there_as_often_as_it_is_repeated() -> None:
    runs = expand(SUITE)
    found = sorted((run.config.protocol, run.config.clients, run.repeat) for run in runs)
    assert found == [
        (protocol, clients, repeat)
        for protocol in ("jpaxos", "spaxos")
        for clients in (1, 2, 3)
        for repeat in range(3)
    ]


def test_runs_are_shuffled_the_same_way_each_time() -> None:
    runs = expand(SUITE)
    assert runs == expand(SUITE)
    order = [(run.config.protocol, run.config.clients, run.repeat) for run in runs]
    assert order != sorted(order)


def test_another_seed_shuffles_differently() -> None:
    other = Suite(name="s", repeats=3, base={"seed": 11}, axes=SUITE.axes)
    order = [(run.config.protocol, run.config.clients, run.repeat) for run in expand(SUITE)]
    assert order != [(run.config.protocol, run.config.clients, run.repeat) for run in expand(other)]


def test_protocols_share_their_seeds_repeat_by_repeat() -> None:
    assert {(run.repeat, run.config.seed) for run in expand(SUITE)} == {(0, 10), (1, 11), (2, 12)}


def test_the_last_seed_is_followed_by_the_first() -> None:
    suite = Suite(name="s", repeats=2, base={"seed": (1 << 63) - 1})
    assert {run.config.seed for run in expand(suite)} == {(1 << 63) - 1, 0}


def test_a_setting_that_came_later_renames_no_run_that_leaves_it_alone() -> None:
    """Results that are there stay those of their suite."""
    plain, *changed = [
        Suite(name="s", base={"clients": 5} | setting)
        for setting in ({}, {"transport": "ray"}, {"fleets_on": "zone=b"})
    ]
    assert [run.run_id for run in expand(plain)] == ["98f8b6530369"]
    assert len({expand(suite)[0].run_id for suite in (plain, *changed)}) == 3


def test_no_two_runs_share_an_id() -> None:
    suites = [SUITE, Suite(name="t", repeats=3, base=SUITE.base, axes=SUITE.axes)]
    suites.append(Suite(name="s", repeats=3, base={"seed": 10, "window": 3}, axes=SUITE.axes))
    ids = [run.run_id for suite in suites for run in expand(suite)]
    assert len(set(ids)) == len(ids) == 3 * 18


def test_adding_a_value_to_an_axis_keeps_the_ids_of_the_other_runs() -> None:
    wider = Suite(name="s", repeats=3, base=SUITE.base, axes=SUITE.axes | {"clients": [1, 2, 3, 4]})
    assert {run.run_id for run in expand(SUITE)} < {run.run_id for run in expand(wider)}


def test_ids_are_the_same_in_another_process() -> None:
    program = (
        "from experiments.spec import Suite; from experiments.sweep import expand;"
        "print(expand(Suite(name='s', base={'seed': 10}))[0].run_id)"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == expand(Suite(name="s", base={"seed": 10}))[0].run_id
