"""The page of one request: its steps go into the link, and are said in words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from dashboards.app.library import Library
from dashboards.app.messages import PROTOCOLS, VOTES, Case, layout
from experiments.messages import REPLICAS
from tests.dashboards.app.browsing import Site
from tests.dashboards.app.seen import drawn_by_code, graphs, texts

CASES = st.builds(
    Case,
    st.sampled_from(PROTOCOLS),
    st.sampled_from(REPLICAS[:2]),
    st.sampled_from(VOTES),
    st.integers(0, 6),
)


@given(CASES)
def test_a_link_leads_back_to_the_step(case: Case) -> None:
    assert Case.from_query(case.to_query()) == case


@pytest.mark.parametrize("query", ["", "?protocol=x&replicas=4&votes=&step=-1", "?step=99999&a=b"])
def test_what_makes_no_sense_in_a_link_has_its_default(query: str) -> None:
    assert Case.from_query(query) == Case()


def test_the_diagram_is_the_one_its_code_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = layout(Library(tmp_path), Case("spaxos", 5, "leader", 7).to_query())
    assert drawn_by_code(page, monkeypatch) == graphs(page)


def test_every_count_equals_its_formula(tmp_path: Path) -> None:
    said = texts(layout(Library(tmp_path), ""))
    assert said.count("equal") == 16
    assert "differs" not in said


def test_the_buttons_step_through_the_messages_and_say_each(site: Site) -> None:
    page = site.open("/messages", protocol="spaxos")
    expect(page.get_by_text("16 messages over the network")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("any coordinator will do")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("2 of 19, Payload")).to_be_visible()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text("1 of 19, Requests")).to_be_visible()
    page.wait_for_url("**step=1")


def test_back_leads_to_the_page_before_whatever_was_chosen(site: Site) -> None:
    page = site.open("/")
    page.get_by_role("navigation").get_by_role("link", name="Messages").click()
    expect(page.get_by_text("JPaxos: 8 messages over the network")).to_be_visible()
    page.get_by_text("S-Paxos", exact=True).first.click()
    page.wait_for_url("**protocol=spaxos**")
    page.go_back()
    expect(page.get_by_text("4 points from 4 sound runs")).to_be_visible()


def test_the_arrow_keys_step_through_the_messages(site: Site) -> None:
    page = site.open("/messages")
    expect(page.get_by_text("messages over the network, none within a host")).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("1 of 8, Requests")).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_text("8 of 8, Replies")).to_be_visible()


def test_another_protocol_is_seen_as_a_whole_first(site: Site) -> None:
    page = site.open("/messages", protocol="jpaxos", step="3")
    expect(page.get_by_text("3 of 8, Propose")).to_be_visible()
    page.get_by_text("S-Paxos", exact=True).first.click()
    expect(page.get_by_text("16 messages over the network, 3 within a host")).to_be_visible()
    expect(page.get_by_text("gives 26. Counted are 26")).to_be_visible()
    page.wait_for_url("**protocol=spaxos&replicas=3&votes=all&step=0")
