"""What the explorer shows goes into a link and comes out of it, whatever the link says."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from dashboards.app.metrics import METRICS
from dashboards.app.view import View, shown

TEXTS = st.text(max_size=8)
VIEWS = st.builds(
    View,
    folders=st.lists(TEXTS, max_size=3, unique=True).map(tuple),
    x=st.sampled_from(sorted(METRICS)),
    y=st.sampled_from(sorted(METRICS)),
    facet=TEXTS,
    log_x=st.booleans(),
    log_y=st.booleans(),
    filters=st.dictionaries(TEXTS, st.lists(TEXTS, min_size=1, max_size=3).map(tuple), max_size=3),
)


def test_what_is_shown_by_default_needs_no_query() -> None:
    assert View().to_query() == ""
    assert View.from_query("") == View()


@given(VIEWS)
def test_a_link_leads_back_to_the_view(view: View) -> None:
    assert View.from_query(view.to_query()) == view


@given(st.text())
def test_any_query_is_read(query: str) -> None:
    view = View.from_query(query[:2000])
    assert view.x in METRICS
    assert view.y in METRICS


def test_filters_let_the_chosen_values_through_and_know_no_others() -> None:
    points = pd.DataFrame({"clients": [1, 10, 10], "window": [1.0, 2.0, 4.0]})
    view = View(filters={"clients": ("10",), "window": ("2", "8"), "gone": ("x",)})
    assert view.chosen(points).index.tolist() == [1]


def test_whole_numbers_are_shown_without_a_point() -> None:
    assert [shown(each) for each in (2.0, 2.5, 3, "kv", True)] == ["2", "2.5", "3", "kv", "True"]
