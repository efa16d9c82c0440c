"""What tests of several actors in this one process need."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keep nodes from looking for garbage in all of this process, and undo what they do there."""
    gc.freeze()
    yield
    gc.unfreeze()
