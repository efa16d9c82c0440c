"""This process may have as many files open as the system lets it have."""

import resource
from collections.abc import Iterator

import pytest

from experiments import open_files
from experiments.workers import Processes


@pytest.fixture(autouse=True)
def most() -> Iterator[int]:
    """Return how many files this process could have open; it is to ask for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_as_many_are_allowed_as_the_system_lets_this_process_have(most: int) -> None:
    open_files.allow_many()
    enough = open_files.ENOUGH
    expected = enough if most == resource.RLIM_INFINITY else min(enough, most)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (expected, most)


def test_who_may_have_more_keeps_it(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "ENOUGH", 100)
    open_files.allow_many()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, most)


def test_processes_that_take_many_are_allowed_them() -> None:
    with Processes(1):
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
