"""What the explorer says in words: numbers that are to be read with care are marked in it."""

from pathlib import Path

import pandas as pd

from dashboards.app.explore_said import point_said, rest_said, results_said
from dashboards.app.library import Library
from experiments.spec import RunConfig
from tests.dashboards.app.seen import texts
from tests.dashboards.result_set import failed, runs_of

RUNS = runs_of(clients=(100, 4_000)).assign(duration_s=60.0, warmup_s=20.0, completed=1e6)
FINE = RUNS.assign(limit_rps=RUNS["throughput_rps"])


def said(root: Path, runs: pd.DataFrame) -> str:
    (root / "one").mkdir()
    runs.to_parquet(root / "one" / "runs.parquet")
    library = Library(root)
    first, rest = results_said(library, ["one"]), rest_said(library, "one", ["one"])
    return texts([first, *rest])


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


def test_a_curve_that_failed_runs_cut_off_is_warned_of_before_all_else(tmp_path: Path) -> None:
    runs = FINE
    for row in FINE.index[FINE["clients"] == 4_000]:
        runs = failed(runs, row, outcome="timed out", safety="")
    warning, _ = said(tmp_path, runs).split("S-Paxos against JPaxos. ")
    assert "Cut off by failed runs. " in warning
    assert warning.index("JPaxos |  with 4,000 clients") < warning.index("S-Paxos |  with 4,000")


def test_of_results_that_have_gone_all_that_is_unfolded_is_why(tmp_path: Path) -> None:
    words = texts(rest_said(Library(tmp_path), "gone", ["gone"]))
    assert words.endswith("gone: no result folder of that name")


def panel(root: Path, runs: pd.DataFrame) -> str:
    (root / "one").mkdir()
    runs.to_parquet(root / "one" / "runs.parquet")
    library = Library(root)
    return texts(point_said(library, library.points(["one"]).iloc[0]))


def test_a_point_says_every_setting_it_has(tmp_path: Path) -> None:
    words = panel(tmp_path, FINE)
    assert "JPaxos, n = 3, 100 clients" in words
    told = {"protocol", "replicas", "clients", "seed"}
    settings = [key for key in RunConfig.__struct_fields__ if key not in told]
    assert [key for key in settings if f"{key} = " not in words] == []


def test_what_is_set_for_a_point_comes_first_with_what_it_would_be(tmp_path: Path) -> None:
    set_for_it, _ = panel(tmp_path, FINE.assign(window=7)).split("By default, or by its profile")
    assert "window =  | 7 (by default 2)" in set_for_it
    assert "service = " not in set_for_it


def test_an_open_loop_is_called_by_what_it_offers(tmp_path: Path) -> None:
    words = panel(tmp_path, FINE.assign(arrival_rate_rps=500.0))
    assert "JPaxos, n = 3, 500 requests/s offered by 100 clients" in words
