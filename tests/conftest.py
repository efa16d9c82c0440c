"""What tests share: one local Ray for all of them, the way the product starts it."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from experiments.live import LiveBackend
from tests.side_by_side import FilesApart

# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesApart:
    """Say how tests are dealt out among processes, where there are several."""
    return FilesApart(config, log)


@pytest.fixture(scope="session")
def live() -> Iterator[LiveBackend]:
    """Return a backend on a local Ray that is there until the last test has ended."""
    with LiveBackend() as backend:
        yield backend


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Fail a test that leaves signals blocked: no process of those after it would hear them."""
    yield
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
