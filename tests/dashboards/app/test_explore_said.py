"""What the explorer says in words: numbers that are to be read with care are marked in it."""

from pathlib import Path

import pandas as pd

from dashboards.app.explore_said import results_said
from dashboards.app.library import Library
from tests.dashboards.app.seen import texts
from tests.dashboards.result_set import runs_of

RUNS = runs_of(clients=(100, 4_000)).assign(duration_s=60.0, warmup_s=20.0, completed=1e6)
FINE = RUNS.assign(limit_rps=RUNS["throughput_rps"])


def said(root: Path, runs: pd.DataFrame) -> str:
    (root / "one").mkdir()
    runs.to_parquet(root / "one" / "runs.parquet")
    return texts(results_said(Library(root), ["one"]))


def test_a_peak_that_the_linter_doubts_is_marked_in_its_sentence(tmp_path: Path) -> None:
    is_peak = (FINE["protocol"] == "spaxos") & (FINE["clients"] == 4_000)
    ratio, rest = said(tmp_path, FINE[~is_peak | (FINE["repeat"] == 0)]).split("Peak throughput. ")
    for words in (ratio, rest):  # Its own sentence is the second.
        assert words.count("Read with care: 1 sound of the 3") == 1


def test_what_is_said_of_other_loads_marks_no_peak(tmp_path: Path) -> None:
    words = said(tmp_path, FINE[(FINE["clients"] == 4_000) | (FINE["repeat"] == 0)])
    assert "Read with care: " not in words


def test_a_ratio_of_throughputs_is_not_marked_for_what_concerns_latency(tmp_path: Path) -> None:
    words = said(tmp_path, FINE.assign(completed=10.0))
    assert "requests beyond it" in words
    assert "requests beyond it" not in words.split("Peak throughput. ")[0]
