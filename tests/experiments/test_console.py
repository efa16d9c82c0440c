import io
import math
import re

import msgspec
from rich.console import Console
from rich.table import Table

from experiments.console import Display, care_table, points_table
from experiments.linter import lint
from experiments.results import Row
from experiments.runner import OK
from experiments.spec import Suite
from experiments.sweep import expand, name_of
from tests.dashboards.result_set import failed, runs_of

SUITE = Suite(
    name="s",
    repeats=3,
    base={"clients": 4000},
    axes={"protocol": ["jpaxos", "spaxos"], "window": [2]},
)
RUNS = expand(SUITE)


def _row(throughput_rps: float = 1000.0, outcome: str = OK, safety: str = OK) -> Row:
    measures = ("latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "cpu_us_per_request")
    verdicts = {"outcome": outcome, "safety": safety, "wall_s": 9.0}
    return dict.fromkeys(measures, 1.5) | verdicts | {"throughput_rps": throughput_rps}


def _printed(rows: dict[str, Row], suite: Suite = SUITE, width: int = 160) -> str:
    return _on_paper(points_table(suite, rows), width)


def _on_paper(table: Table, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_point_shows_the_median_of_its_repeats_and_its_settings() -> None:
    throughputs = {0: 1000.0, 1: 1_234_567.0, 2: 9e9}
    table = _printed({run.run_id: _row(throughputs[run.repeat]) for run in RUNS})
    cells = next(line for line in table.splitlines() if "jpaxos" in line).split()
    assert cells == [
        *("jpaxos", "3", "4,000", "2"),
        *("1,234,567", "1.50", "1.50", "1.50", "ok"),
    ]


def test_a_number_that_is_not_there_is_a_dash() -> None:
    """The CPU of a run in virtual time, for instance, whose hosts' CPU is not modelled."""
    row = _row() | {"cpu_us_per_request": math.nan}
    table = _printed({run.run_id: row for run in RUNS})
    assert re.search(r"1\.50 +1\.50 +- +ok", table)
    console = Console(file=io.StringIO(), width=160)
    with Display(console, SUITE, RUNS) as display:
        display.started(RUNS[0])
        display.finished(RUNS[0], row)
    assert isinstance(console.file, io.StringIO)
    assert "p99 1.50 ms, CPU not modelled, safe" in console.file.getvalue()


def test_a_point_counts_its_sound_repeats_and_names_each_fault_once() -> None:
    faults = {0: _row(), 1: _row(outcome="no quorum"), 2: _row(outcome="no quorum")}
    table = _printed({run.run_id: faults[run.repeat] for run in RUNS})
    assert table.count("1 of 3 ok; failed: no quorum ") == 2


def test_a_point_without_a_sound_run_has_no_numbers() -> None:
    unsafe = _row(safety="executed twice")
    table = _printed({run.run_id: unsafe for run in RUNS if run.repeat == 0})
    assert table.count("0 of 3 ok; UNSAFE: executed twice; not run") == 2
    assert "1,000" not in table


def test_a_suite_with_faults_shows_what_they_cost() -> None:
    """Of three repeats the median; a dash where one of them never recovered."""
    axes = {"faults": ["", "0 kill host 1;\n1 kill host leader"]}
    suite = msgspec.structs.replace(SUITE, axes=axes)
    rows = {
        run.run_id: _row()
        | {"unavailability_s": 0.1 * (7 + run.repeat)}
        | {"recovery_s": 0.9 if run.config.faults else math.nan}
        for run in expand(suite)
    }
    table = _printed(rows, suite)
    assert re.search(r" gap +recovery +\n", table)
    assert re.search(r" none .* 0\.80 +- +ok", table)
    assert re.search(r" 0 kill host 1; 1 kill host leader .* 0\.80 +0\.90 +ok", table)


def test_a_suite_without_faults_shows_no_gaps() -> None:
    assert " gap " not in _printed({})


def test_the_table_fits_80_columns_and_nothing_in_it_is_cut() -> None:
    axes = {"protocol": ["unreplicated", "jpaxos"], "requests_per_frame_max": [1, 128]}
    suite = msgspec.structs.replace(SUITE, axes=axes)
    rows = {run.run_id: _row(1_234_567.0) for run in expand(suite)}
    table = _printed(rows, suite, width=80)
    assert max(map(len, table.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
    head = table[: table.index("\N{BOX DRAWINGS LIGHT HORIZONTAL}")].split()
    assert {"protocol", "clients", "requests_", "frame_max", "req/s", "p50", "µs/req"} <= {*head}
    assert " unreplicated " in table


def test_long_values_of_a_swept_setting_are_folded_on_80_columns() -> None:
    words = "1 kill host leader; +1 restart it; 4 kill host follower"
    suite = msgspec.structs.replace(SUITE, axes={"faults": [words]})
    gaps = {"unavailability_s": 0.7, "recovery_s": 0.9}
    rows = {run.run_id: _row() | gaps for run in expand(suite)}
    table = _printed(rows, suite, width=80)
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
    assert {"recovery", "leader;", "follower", "0.90"} <= {*table.split()}


def test_measured_values_keep_three_digits() -> None:
    run = next(run for run in RUNS if run.repeat == 0)
    latencies = {"latency_ms_p50": 0.4567, "latency_ms_p99": 4567.8, "cpu_us_per_request": 45.67}
    table = _printed({run.run_id: _row() | latencies})
    assert re.search(r" 0\.46 +4,568 +45\.7 ", table)


def test_what_to_read_with_care_is_a_line_a_rule_with_how_many_runs_and_what_to_do() -> None:
    runs = failed(runs_of(clients=(16_000,)), 0, outcome="no [bold]quorum", safety="")
    said = lint(runs.assign(duration_s=5.0, warmup_s=0.0))
    lines = _on_paper(care_table("Read with care", said)).splitlines()
    assert lines[0].split() == ["Read", "with", "care"]
    assert lines[1].startswith(" error    not-sound, 1 run: Read the reason, mend it, and give")
    assert " warning  no-warmup, 5 runs: Set warmup_s to a second or more." in map(
        str.rstrip, lines
    )
    assert max(map(len, lines)) <= 80


def test_a_terminal_shows_how_far_the_sweep_is_and_what_is_left() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    with Display(console, SUITE, RUNS) as display:
        display.started(RUNS[0])
        display.finished(RUNS[0], _row())
        display.started(RUNS[1])
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "[1/6] protocol=" in shown
    assert re.search(r"1/6 protocol=\w+ window=2 repeat \d of 3 4\d s left", shown)


def test_of_several_runs_under_way_the_first_is_named_and_the_others_are_counted() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    with Display(console, SUITE, RUNS) as display:
        for run in RUNS[:3]:
            display.started(run)
        display.finished(RUNS[1], _row())
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert f"[1/6] {name_of(SUITE, RUNS[1])}: 1,000 req/s" in shown
    assert f"1/6 {name_of(SUITE, RUNS[0])} and 1 more" in shown


def test_a_run_that_went_wrong_is_red_on_a_terminal() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", width=160)
    with Display(console, SUITE, RUNS) as display:
        display.started(RUNS[0])
        display.finished(RUNS[0], _row(safety="executed twice"))
    line = next(line for line in screen.getvalue().splitlines() if "UNSAFE" in line)
    assert "\x1b[1;31m" in line
