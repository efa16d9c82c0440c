"""What the explorer shows goes into a link and comes out of it, whatever the link says."""

from dataclasses import fields
from urllib.parse import urlencode

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.app.metrics import METRICS, SETTINGS
from dashboards.app.view import KEYS, NONE, SORTS, View
from dashboards.series import LATENCIES
from dashboards.settings import shown

TEXTS = st.text(max_size=8)
SCALES = st.sampled_from([None, True, False])
VIEWS = st.builds(
    View,
    folders=st.lists(TEXTS, max_size=3, unique=True).map(tuple),
    figure=TEXTS,
    x=st.sampled_from([NONE, *METRICS, *SETTINGS]),
    y=st.sampled_from([*METRICS, *SETTINGS]),
    percentile=st.sampled_from(list(LATENCIES)),
    colour=st.sampled_from(KEYS),
    facet=st.sampled_from([NONE, *KEYS]),
    log_x=SCALES,
    log_y=SCALES,
    filters=st.dictionaries(
        st.sampled_from(KEYS), st.lists(TEXTS, min_size=1, max_size=3).map(tuple), max_size=3
    ),
    page=st.integers(0, 1000),
    sort=st.sampled_from(list(SORTS)),
)


def test_what_is_shown_by_default_needs_no_query() -> None:
    assert View().to_query() == ""
    assert View.from_query("") == View()


def test_a_folder_that_is_named_twice_is_shown_once() -> None:
    assert View.from_query("folders=one&folders=two&folders=one").folders == ("one", "two")


@given(VIEWS)
def test_a_link_leads_back_to_the_view(view: View) -> None:
    assert View.from_query(view.to_query()) == view


QUERIES = st.one_of(
    st.text(max_size=2_000),
    st.dictionaries(st.sampled_from([each.name for each in fields(View)]), st.text()).map(
        urlencode
    ),
    st.lists(st.sampled_from([*'[]{}",:&=', "filters=", "null"])).map("".join),
)


@given(QUERIES)
def test_whatever_a_link_says_is_something_that_can_be_shown(query: str) -> None:
    view = View.from_query(query)
    assert view.x in {NONE, *METRICS, *SETTINGS}
    assert view.y in {*METRICS, *SETTINGS}
    assert view.percentile in LATENCIES
    assert view.colour in KEYS
    assert {NONE, *KEYS} >= {view.facet, *view.filters}
    assert view.page >= 0
    assert view.sort in SORTS
    assert View.from_query(view.to_query()) == view


@pytest.mark.parametrize("query", ["&".join(["x=clients"] * 1_001), "filters=" + "[" * 5_000])
def test_a_link_that_no_view_writes_shows_the_default(query: str) -> None:
    assert View.from_query(query) == View()


def test_filters_let_the_chosen_values_through_and_know_no_others() -> None:
    points = pd.DataFrame({"clients": [1, 10, 10], "window": [1.0, 2.0, 4.0]})
    view = View(filters={"clients": ("10",), "window": ("2", "8"), "gone": ("x",)})
    assert view.chosen(points).index.tolist() == [1]


def test_whole_numbers_are_shown_without_a_point() -> None:
    assert [shown(each) for each in (2.0, 2.5, 3, "kv", True)] == ["2", "2.5", "3", "kv", "True"]
