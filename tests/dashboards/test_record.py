import math
import re

from dashboards import record, theme
from tests.dashboards.result_set import disturbed, failed, runs_of


def cells(html: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", html)


def test_the_table_has_a_row_a_run_and_a_column_for_what_was_swept() -> None:
    table = record.run_table(runs_of(replicas=(3, 5)))
    assert table.count("<tr") == 1 + 72
    assert cells(table, "th")[:4] == ["protocol", "replicas", "clients", "repeat"]
    assert "window" not in cells(table, "th")


def test_a_run_is_written_with_units_and_formatted_numbers() -> None:
    runs = runs_of(("jpaxos",), clients=(1_000,), repeats=1)
    runs["throughput_rps"], runs["latency_ms_p50"], runs["completed"] = 1_234_567.0, 0.5432, 5_000.0
    table = record.run_table(runs)
    row = dict(zip(cells(table, "th"), cells(table, "td"), strict=True))
    assert row["requests/s"].endswith("1.23 M")
    assert row["p50 (ms)"].endswith("0.543")
    assert row["completed"] == "5,000"


def test_gaps_and_recovery_have_columns_where_there_were_faults() -> None:
    assert "recovery (s)" not in record.run_table(runs_of())
    runs = disturbed("", "2 kill host leader", protocols=("jpaxos",)).runs
    runs["unavailability_s"], runs["recovery_s"] = [0.0, 0.7], [math.nan, 0.8499]
    table = record.run_table(runs)
    head = cells(table, "th")
    place = head.index("longest gap (s)")
    assert head[place + 1] == "recovery (s)"
    quiet, hit = (cells(row, "td") for row in table.split("<tr")[2:])
    assert quiet[place : place + 2] == ["0.0", theme.GAP]
    assert hit[place : place + 2] == ["0.7", "0.8"]


def test_numbers_to_be_read_with_care_are_marked_and_the_row_names_the_rules() -> None:
    """Of 5,000 requests 5 lie beyond the 99.9th percentile, and what was dropped made it."""
    runs = runs_of(("jpaxos",), clients=(16_000,)).assign(duration_s=9.0, completed=5_000.0)
    runs["dropped"] = [3.0, 0.0, 0.0]
    lost, fine, _ = (
        dict(zip(cells(table, "th"), cells(row, "td"), strict=True))
        for table in [record.run_table(runs)]
        for row in table.split("<tr")[2:]
    )
    assert lost["read with care"] == "lost-messages"
    assert (
        '<abbr class="care" title="3 messages or frames were dropped">!</abbr>' in lost["p99 (ms)"]
    )
    assert "abbr" not in lost["p50 (ms)"] + lost["requests/s"]
    assert fine["read with care"] == theme.GAP
    assert "5.0 requests beyond it" in fine["p99.9 (ms)"]
    assert "abbr" not in fine["p99 (ms)"]


def test_where_nothing_is_to_be_read_with_care_no_column_says_so() -> None:
    runs = runs_of(("jpaxos",), clients=(16_000,)).assign(duration_s=9.0)
    assert "read with care" not in record.run_table(runs)


def test_what_is_about_all_numbers_stands_at_the_end_of_the_row_alone() -> None:
    runs = runs_of(("jpaxos",), clients=(16_000,)).assign(
        duration_s=9.0, warmup_s=0.0, completed=1e6
    )
    table = record.run_table(runs)
    assert cells(table, "td")[-1] == "no-warmup"
    assert "abbr" not in table


def test_a_text_that_is_empty_is_listed_as_a_gap() -> None:
    facts = record.constant_settings(runs_of())
    listed = dict(zip(cells(facts, "dt"), cells(facts, "dd"), strict=True))
    assert listed["faults"] == theme.GAP


def test_a_run_that_does_not_count_stands_out_and_has_no_numbers() -> None:
    runs = failed(runs_of(("jpaxos",), clients=(1,)), 0, outcome="<b>lost</b>")
    table = record.run_table(runs)
    assert table.count('<tr class="bad">') == 1
    assert "&lt;b&gt;lost&lt;/b&gt;" in table
    assert "nan" not in table


def test_what_all_runs_shared_is_listed_and_what_was_swept_is_not() -> None:
    listed = cells(record.constant_settings(runs_of()), "dt")
    assert {"replicas", "window", "request_bytes", "warmup_s"} <= set(listed)
    assert not {"protocol", "clients", "seed", "run_id"} & set(listed)


def test_settings_are_written_without_needless_digits() -> None:
    facts = record.constant_settings(runs_of())
    listed = dict(zip(cells(facts, "dt"), cells(facts, "dd"), strict=True))
    assert listed["batch_bytes_max"] == "65,507"
    assert listed["warmup_s"] == "2"
    assert listed["kv_get_fraction"] == "0.5"


def test_the_environment_lists_machine_and_versions_and_every_value_that_they_had() -> None:
    runs = runs_of()
    runs.loc[0, "ray_version"] = "9.9.9"
    facts = record.environment(runs)
    listed = dict(zip(cells(facts, "dt"), cells(facts, "dd"), strict=True))
    assert listed["memory_bytes"] == "8.00 GB"
    assert listed["ray_version"] == "9.9.9, 2.60.0"
    assert listed["commit"] == "0123456789abcdef"
