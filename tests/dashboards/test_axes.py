import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.axes import between_labels

VALUES = st.lists(st.floats(1e-5, 1e9), min_size=1, max_size=5)


@given(VALUES)
def test_there_is_a_label_below_all_values_and_one_above(values: list[float]) -> None:
    low, high = (10**end for end in between_labels("Latency (ms)", values)["range"])
    assert low <= min(values) * (1 + 1e-9)
    assert high >= max(values) * (1 - 1e-9)
    assert low < high
    for end in (low, high):
        assert end / 10 ** math.floor(math.log10(end) + 1e-9) == pytest.approx(1) or any(
            end / 10 ** math.floor(math.log10(end)) == pytest.approx(digit) for digit in (2, 5)
        )


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([3.3, 3.6], [2, 3, 4, 5]),
        ([12, 15], [10, 12, 14, 16, 18, 20]),
        ([0.06, 0.09], [0.05, 0.06, 0.07, 0.08, 0.09, 0.1]),
    ],
)
def test_between_two_labels_there_are_more(values: list[float], ticks: list[float]) -> None:
    assert between_labels("Latency (ms)", values)["tickvals"] == pytest.approx(ticks)


def test_what_is_no_number_counts_for_nothing() -> None:
    assert between_labels("x (s)", [math.nan, 0.0, 3.0])["range"] == pytest.approx(
        [math.log10(2), math.log10(5)]
    )
    assert "range" not in between_labels("x (s)", [math.nan])
