"""Whoever draws tables does not change them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd


@contextmanager
def unchanged(*tables: pd.DataFrame) -> Iterator[None]:
    """Assert that the tables are in the end what they were."""
    before = [table.copy(deep=True) for table in tables]
    yield
    for table, copy in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(table, copy, check_exact=True)
