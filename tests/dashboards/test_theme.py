import math

import pandas as pd
import pytest

from dashboards import theme


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (0.54, "0.540"),
        (12, "12.0"),
        (909.4, "909"),
        (12_345, "12,345"),
        (-1.5, "-1.50"),
        (math.nan, theme.GAP),
        (math.inf, theme.GAP),
    ],
)
def test_numbers_have_three_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert theme.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999, "999 requests/s"),
        (1_000, "1.00 k requests/s"),
        (1_234_567, "1.23 M requests/s"),
        (2.5e9, "2.50 G requests/s"),
    ],
)
def test_si_numbers_have_a_prefix_and_a_unit(value: float, text: str) -> None:
    assert theme.si(value, "requests/s") == text


def test_each_protocol_has_a_colour_of_its_own() -> None:
    protocols = ("jpaxos", "spaxos", "multipaxos", "one-of-the-readers-own")
    assert len({theme.colour(protocol) for protocol in protocols}) == len(protocols)


def test_a_protocol_without_a_name_here_is_shown_by_its_own_escaped() -> None:
    assert theme.label("<raft>") == "&lt;raft&gt;"


def test_a_tint_runs_from_the_paper_to_the_pure_colour() -> None:
    assert theme.tint("spaxos", 0) == theme.PAPER.upper()
    assert theme.tint("spaxos", 1) == theme.colour("spaxos")


@pytest.mark.parametrize(
    ("values", "dtick"),
    [([1, 1_000], "D2"), ([1, 100_000], 1), ([1, math.nan, 9], "D2"), ([math.nan], "D2")],
)
def test_a_long_logarithmic_axis_has_fewer_labels(values: list[float], dtick: str | int) -> None:
    assert theme.log_axis("Clients (count)", values)["dtick"] == dtick


def test_error_bars_span_the_interval_of_a_measure() -> None:
    rows = pd.DataFrame({"x_low": [1.0, 5.0], "x": [2.0, 5.0], "x_high": [4.0, 5.0]})
    bars = theme.interval(rows, "x")
    assert (list(bars["arrayminus"]), list(bars["array"])) == ([1, 0], [2, 0])
    assert bars["visible"]


def test_a_single_repeat_has_no_error_bars() -> None:
    rows = pd.DataFrame({"x_low": [5.0], "x": [5.0], "x_high": [5.0]})
    assert not theme.interval(rows, "x")["visible"]
