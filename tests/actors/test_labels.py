"""Selectors of nodes, by labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.labels import LabelError, Selector, Term, parse_for_hosts, write

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_.-]{0,9}[a-z0-9])?", fullmatch=True)
KEYS = NAMES | st.builds("{}/{}".format, NAMES, NAMES)
SELECTORS = st.lists(st.builds(Term, KEYS, NAMES, st.booleans()), unique_by=lambda it: it.key).map(
    lambda terms: Selector(tuple(terms))
)


@pytest.mark.parametrize(
    ("text", "takes", "refuses"),
    [
        ("role=host", [{"role": "host", "zone": "a"}], [{"role": "client"}, {}]),
        ("role!=client", [{"role": "host"}, {}], [{"role": "client"}]),
        ("role=host,zone!=b", [{"role": "host"}], [{"role": "host", "zone": "b"}, {"zone": "a"}]),
        ("", [{}, {"role": "host"}], []),
    ],
)
def test_a_selector_takes_nodes_of_which_everything_holds(
    text: str, takes: list[dict[str, str]], refuses: list[dict[str, str]]
) -> None:
    selector = Selector.parse(text)
    assert all(map(selector.takes, takes))
    assert not any(map(selector.takes, refuses))


def test_ray_is_told_in_its_own_words() -> None:
    selector = Selector.parse("ray.io/node-id=f0, role != client")
    assert selector.for_ray() == {"ray.io/node-id": "f0", "role": "!client"}
    assert Selector().for_ray() == {}


@given(st.lists(SELECTORS, min_size=1))
def test_what_is_written_reads_as_the_same(selectors: list[Selector]) -> None:
    assert list(parse_for_hosts(write(selectors))) == selectors


def test_hosts_may_have_one_selector_each() -> None:
    assert parse_for_hosts("zone=a;;zone=b") == (
        Selector.parse("zone=a"),
        Selector(),
        Selector.parse("zone=b"),
    )


@pytest.mark.parametrize(
    "text", ["role", "role=", "=x", "role=a b", "a=b,", "a==b", "a=b;c=d", "-a=b"]
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(LabelError, match="must be labels such as"):
        Selector.parse(text)


def test_a_label_is_asked_for_once() -> None:
    with pytest.raises(LabelError, match="only once"):
        Selector.parse("role!=a,role!=b")
