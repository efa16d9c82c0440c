"""What tests of a cluster share: one with a dashboard, until the last of them has ended."""

from collections.abc import Iterator

import pytest

from tests.experiments import ray_head
from tests.experiments.ray_head import Head


@pytest.fixture(scope="package")
def head() -> Iterator[Head]:
    """Return a cluster of one node."""
    with ray_head.head() as started:
        yield started
