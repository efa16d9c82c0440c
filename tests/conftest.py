"""What tests share: one local Ray for all of them, the way the product starts it."""

from collections.abc import Iterator

import pytest

from experiments.live import LiveBackend


@pytest.fixture(scope="session")
def live() -> Iterator[LiveBackend]:
    """Return a backend on a local Ray that is there until the last test has ended."""
    with LiveBackend() as backend:
        yield backend
