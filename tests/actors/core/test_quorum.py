"""Votes: one per replica, of one view, the highest seen."""

from hypothesis import given
from hypothesis import strategies as st

from actors.core.quorum import Votes


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200))))
def test_votes_are_the_distinct_voters_of_the_highest_view(cast: list[tuple[int, int]]) -> None:
    votes = Votes()
    for view, replica in cast:
        votes.add(view, replica)
    highest = max((view for view, _ in cast), default=-1)
    voters = {replica for view, replica in cast if view == highest}
    assert votes.view == highest
    assert len(votes) == len(voters)
    assert {replica for replica in range(201) if replica in votes} == voters
