"""What a system cannot do of what fault words tell of."""

from typing import get_args

import pytest

from actors import fault_checks
from actors.core.config import CrashModel
from actors.faults import parse

WINDOW_S = 10.0


def problems(
    words: str,
    replicas: int = 3,
    has_coordinators: bool = True,
    crash_model: CrashModel = "full",
    window_s: float = WINDOW_S,
) -> list[str]:
    return list(
        fault_checks.check(
            parse(words),
            replicas=replicas,
            fleets=2,
            has_coordinators=has_coordinators,
            crash_model=crash_model,
            window_s=window_s,
        )
    )


IMPOSSIBLE = {
    "2 kill host 3": "host 3 must be from 0 to 2",
    "2 pause replica 3": "replica 3 must be from 0 to 2",
    "2 kill coordinator 3": "coordinator 3 must be from 0 to 2",
    "2 kill fleet 2": "fleet 2 must be from 0 to 1",
    "2 cut host 0 from host 3": "host 3 must be from 0 to 2",
    "2 slow host 0 to host 3 by 1ms": "host 3 must be from 0 to 2",
    "10 heal": "must come before the window ends, duration_s = 10",
    "2 restart host 1": "host 1 is not killed before",
    "2 resume host 1": "host 1 is not paused before",
}


@pytest.mark.parametrize(("words", "reason"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_what_cannot_be_done_is_told(words: str, reason: str) -> None:
    assert problems(words) == [f"event 1 ({words}): {reason}"]


@pytest.mark.parametrize(
    "words",
    [
        "1 kill host 1; 2 restart host 1",
        "1 kill host leader; 2 restart host 1",
        "1 kill host 1; +1 restart replica 1",
        "1 kill replica 1; +1 restart host 1",
        "3 restart host 1; 1 kill host 1",
        "1 kill host 1; +1 heal; +1 restart it",
        "1 every 2 pause fleet 1; +1 resume it",
        "1 kill host leader; 2 restart it",
        "1 kill host leader; 1 cut host 0 from it",
        "1 every 1 pause host leader; 1.5 every 1 resume it",
    ],
)
def test_what_may_make_sense_is_allowed(words: str) -> None:
    assert problems(words) == []


@pytest.mark.parametrize(
    ("words", "whom"),
    [
        ("1 kill host 0; +1 restart host 1", "host 1"),
        ("1 pause host 1; +1 restart it", "host 1"),
        ("1 kill coordinator 1; +1 restart replica 1", "replica 1"),
        ("2 restart host 1; +1 kill host 1", "host 1"),
    ],
)
def test_what_was_never_killed_cannot_restart(words: str, whom: str) -> None:
    [problem] = problems(words)
    assert problem.endswith(f": {whom} is not killed before")


@pytest.mark.parametrize(
    "words", ["5 kill host leader; 2 kill it", "1 heal; +1 kill host 1; 5 kill it"]
)
def test_it_must_be_known_when_it_is_hit(words: str) -> None:
    """An event with a time of its own does not wait until the target is named."""
    [problem] = problems(words)
    assert problem.endswith(", which says whom it means; give a time with +")


def test_what_follows_counts_from_what_it_follows() -> None:
    assert problems("4 heal; +3 heal; +2.9 heal") == []
    assert problems("4 heal; +3 heal; +3 heal") == [
        "event 3 (+3 heal): must come before the window ends, duration_s = 10"
    ]


def test_a_protocol_without_coordinators_has_none_to_hit() -> None:
    assert problems("2 kill coordinator leader", has_coordinators=False) == [
        "event 1 (2 kill coordinator leader): this protocol has no coordinator"
    ]


def test_a_single_replica_has_no_follower() -> None:
    assert problems("2 suspect replica follower; 3 kill host 1", replicas=1) == [
        "event 1 (2 suspect replica follower): a single replica has no follower",
        "event 2 (3 kill host 1): host 1 must be 0",
    ]


@pytest.mark.parametrize("crash_model", get_args(CrashModel))
@pytest.mark.parametrize("part", ["host", "replica", "coordinator"])
def test_who_stored_nothing_must_not_return(crash_model: CrashModel, part: str) -> None:
    words = f"1 kill {part} 1; +1 restart it"
    refused = [
        'event 2 (+1 restart it): needs crash_model = "epoch" or "full"; under "crash_stop" '
        "nothing is stored, and a replica that forgot its votes must not return"
    ]
    assert problems(words, crash_model=crash_model) == (
        refused if crash_model == "crash_stop" else []
    )


@pytest.mark.parametrize(
    "words",
    ["0 every 0.005 heal", "0 every 5e-324 heal", "0 every 0.02 heal; +0.1 heal; +0.1 heal"],
)
def test_too_many_occurrences_are_refused(words: str) -> None:
    assert problems(words) == ["makes more than 1,000 faults; repeat them less often"]


# --- Nodes of Ray ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "5 kill node 2",
        "5 kill node leader; +1 kill it",
        "5 kill host 2; +1 kill node 2",
        "2 kill host 1; +1 restart it; 8 kill node 1",
        "2 kill host 2; +1 restart it; 6 kill node 1",
        "1 kill coordinator 0; 2 kill fleet 0; 3 kill node 1",
    ],
)
def test_as_many_nodes_may_be_lost_as_leave_a_majority(words: str) -> None:
    assert problems(words) == []


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("5 kill node 1; 6 kill node 2", 2),
        ("2 kill node leader; 6 kill node leader", 2),
        ("2 every 3 kill node leader", 3),
        ("2 kill host 0; 6 kill node 1", 2),
        ("2 cut host 0; +1 kill it; 6 kill node 1", 2),
    ],
)
def test_more_lost_hosts_than_that_are_refused(words: str, lost: int) -> None:
    reason = f"{lost} of 3 hosts may be down for good; a majority must stay"
    assert problems(words) == [reason]
    assert problems(words, replicas=9) == []


def test_under_crash_stop_no_killed_host_returns_either() -> None:
    words = "2 kill host 2; 6 kill node 1"
    [problem] = problems(words, crash_model="crash_stop")
    assert problem.startswith("2 of 3 hosts may be down for good")


@pytest.mark.parametrize(
    "words",
    [
        "2 kill node 1; +3 restart host 1",
        "2 kill node leader; +3 restart replica 1",
    ],
)
def test_nobody_returns_to_a_node_that_is_lost(words: str) -> None:
    first, _, second = words.partition("; ")
    reason = f"its node may be lost by then ({first}), and does not return"
    assert problems(words) == [f"event 2 ({second}): {reason}"]
