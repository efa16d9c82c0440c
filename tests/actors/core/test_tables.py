"""Tables: the last row of each client, whatever was asked before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.core.columns import U32
from actors.core.tables import LastRows, all_true

CLIENTS = 8


@given(st.lists(st.lists(st.integers(0, CLIENTS - 1), max_size=12), min_size=1, max_size=5))
def test_the_mask_marks_the_last_row_of_each_client(steps: list[list[int]]) -> None:
    """Also when the table still holds what an earlier call left there."""
    table = LastRows(CLIENTS)
    for clients in steps:
        mask = table.mask(np.array(clients, U32))
        last = [client not in clients[row + 1 :] for row, client in enumerate(clients)]
        assert mask.tolist() == last


def test_the_mask_takes_more_rows_than_it_has_ever_seen() -> None:
    table = LastRows(3)
    clients = np.zeros(5000, U32)
    assert np.flatnonzero(table.mask(clients)).tolist() == [4999]


@given(st.lists(st.booleans()))
def test_all_true_is_all(rows: list[bool]) -> None:
    assert all_true(np.array(rows, np.bool_)) == all(rows)
