from collections.abc import Sequence

import pandas as pd
import pytest

from dashboards import faults
from dashboards.faults import Event, happened, shown
from experiments.results import EVENTS_COLUMNS
from tests.dashboards.result_set import disturbed, failed

KILL, SUSPECT = "2 kill host leader", "1 every 2 suspect replica follower"


def told(*rows: tuple[float, str, str, str], duration_s: float = 9.0) -> Sequence[Event]:
    """Return what happened in a run with these rows, in seconds since its window began."""
    (run,) = shown(disturbed(KILL, protocols=("jpaxos",), duration_s=duration_s).runs)
    events = pd.DataFrame(list(rows), columns=list(EVENTS_COLUMNS))
    events["time_s"] += run.row["warmup_s"]
    return happened(run, events.assign(run_id=run.row["run_id"]))


def texts(*rows: tuple[float, str, str, str]) -> list[str]:
    return [event.text for event in told(*rows)]


# --- Which runs -----------------------------------------------------------------------------------


def test_only_sound_runs_with_faults_are_shown() -> None:
    runs = disturbed("", KILL, repeats=2).runs
    faulty = runs.index[runs["faults"] == KILL]
    runs = failed(failed(runs, faulty[0], outcome="no leader"), faulty[1], safety="lost")
    assert [run.row["run_id"] for run in shown(runs)] == runs["run_id"][faulty[2:]].to_list()


def test_runs_are_named_by_what_sets_them_apart() -> None:
    names = [run.name for run in shown(disturbed(KILL, repeats=2).runs)]
    assert names == [
        *("JPaxos, repeat 0", "JPaxos, repeat 1"),
        *("S-Paxos, repeat 0", "S-Paxos, repeat 1"),
    ]
    runs = disturbed(KILL, protocols=("jpaxos",), repeats=2).runs.assign(clients=[10, 1_000])
    runs["repeat"] = 0
    assert [run.name for run in shown(runs)] == ["JPaxos, 10 clients", "JPaxos, 1,000 clients"]


def test_of_too_many_runs_the_worst_repeats_of_each_point_are_shown() -> None:
    """JPaxos has the shorter gaps throughout, and is shown nonetheless."""
    runs = disturbed(KILL, repeats=10).runs
    runs["unavailability_s"] = runs["repeat"] + 100 * (runs["protocol"] == "spaxos")
    places = [(run.row["protocol"], run.row["repeat"]) for run in shown(runs)]
    assert places == [
        (protocol, repeat) for protocol in ("jpaxos", "spaxos") for repeat in range(4, 10)
    ]
    assert len(places) == faults.SHOWN_MAX


# --- What happened --------------------------------------------------------------------------------


def test_events_are_counted_from_the_window_and_only_those_in_it_are_told() -> None:
    rows = [(-0.1, "view", "replica-1", ""), (0.0, "cut", "host-2", ""), (9.0, "heal", "", "")]
    assert [(event.time_s, event.is_fault) for event in told(*rows)] == [(0.0, True)]


def test_events_of_other_runs_are_left_out() -> None:
    tables = disturbed(KILL, SUSPECT, protocols=("jpaxos",))
    counts = [len(happened(run, tables.events)) for run in shown(tables.runs)]
    assert sorted(counts) == [2, 8]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (("kill", "coordinator-1", ""), "coordinator 1 killed"),
        (("restart", "host-1", ""), "host 1 restarted"),
        (("cut", "host-1", "from host 2 one-way"), "host 1 cut off from host 2 one-way"),
        (("slow", "host-1", "by 20ms"), "host 1 slowed down by 20ms"),
        (("heal", "", ""), "network healed"),
        (("view", "replica-1", ""), "replica 1 leads"),
        (("recovered", "host-1", ""), "host 1 takes part again"),
        (("melt", "host-1", "{}<b>"), "host 1 melt {}&lt;b&gt;"),
    ],
)
def test_an_event_is_told_in_words(row: tuple[str, str, str], text: str) -> None:
    assert texts((1.0, *row)) == [text]


def test_who_leads_when_it_is_hit_is_called_the_leader() -> None:
    """Replica 0 leads at first, and whom the last view names after that."""
    assert texts(
        (1.0, "kill", "host-1", ""),
        (2.0, "pause", "replica-0", ""),
        (2.5, "view", "replica-1", "view 1"),
        (3.0, "kill", "coordinator-1", ""),
        (3.5, "pause", "host-1", ""),
        (4.0, "kill", "node-1", ""),
    ) == [
        "host 1 killed",
        "replica 0 (leader) paused",
        "replica 1 leads view 1",
        "coordinator 1 killed",
        "host 1 (leader) paused",
        "node 1 (leader) killed",
    ]


def test_a_fault_lasts_until_it_is_mended_or_the_window_ends() -> None:
    events = told(
        (1.0, "kill", "host-0", ""),
        (1.5, "suspect", "replica-1", ""),
        (2.0, "cut", "host-1", ""),
        (3.0, "recovered", "host-2", ""),
        (3.5, "restart", "host-0", ""),
        (4.0, "recovered", "host-0", ""),
        (5.0, "heal", "", ""),
        (6.0, "pause", "fleet-0", ""),
        (7.0, "kill", "host-0", ""),
        (9.5, "resume", "fleet-0", ""),
    )
    assert [(event.time_s, event.mended_s) for event in events if event.is_fault] == [
        *((1.0, 4.0), (1.5, 1.5), (2.0, 5.0)),
        *((6.0, 9.0), (7.0, 9.0)),
    ]
