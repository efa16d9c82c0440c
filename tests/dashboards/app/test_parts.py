"""What pages are put together from: a notice says no more of its runs than is so of them."""

import pandas as pd

from dashboards.app.parts import caution
from experiments.linter import COLUMNS
from tests.dashboards.app.seen import texts


def said_of(*words: str) -> str:
    rows = [(str(number), "no-warmup", "warning", each) for number, each in enumerate(words)]
    return texts(caution(pd.DataFrame(rows, columns=list(COLUMNS))))


def test_words_of_one_of_several_runs_are_an_instance() -> None:
    assert "2 runs, for instance: 0 s of warm-up. " in said_of("0 s of warm-up", "1 s of warm-up")


def test_words_that_are_the_same_of_all_runs_are_of_all() -> None:
    assert "2 runs: 0 s of warm-up. " in said_of("0 s of warm-up", "0 s of warm-up")


def test_words_of_a_single_run_stand_alone() -> None:
    assert said_of("0 s of warm-up").startswith("Read with care | 0 s of warm-up. ")


def test_nothing_said_is_no_notice() -> None:
    assert caution(pd.DataFrame(columns=list(COLUMNS))) is None
