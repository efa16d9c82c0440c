"""Patience: asked again after one delay, after two more, four, and so on; from the start again."""

from itertools import pairwise

from actors.core.patience import PATIENCE_MAX, Patience


def asks(patience: Patience, looks: int) -> list[int]:
    """Return at which looks is asked."""
    found = []
    for look in range(1, looks + 1):
        if patience.look():
            patience.ask()
            found.append(look)
    return found


def test_waits_double_up_to_a_bound() -> None:
    found = asks(Patience(), 100)
    assert found[:5] == [1, 2, 4, 8, 16]
    waits = {later - sooner for sooner, later in pairwise(found[4:])}
    assert waits == {PATIENCE_MAX}


def test_it_begins_again_with_progress() -> None:
    patience = Patience()
    asks(patience, 20)
    patience.renew()
    assert patience.asked == 0
    assert asks(patience, 4) == [1, 2, 4]


def test_a_question_between_looks_waits_a_whole_delay_at_least() -> None:
    patience = Patience()
    patience.ask(between_looks=True)
    assert asks(patience, 5) == [2, 4]


def test_it_tells_how_often_was_asked_in_vain() -> None:
    patience = Patience()
    asks(patience, 8)
    assert patience.asked == 4
