"""One test bed for all tests of a session, and none where there can be none."""

from collections.abc import Iterator

import pytest

from experiments.errors import InputError
from experiments.testbed import bed as beds
from experiments.testbed import network
from experiments.testbed.bed import Bed, Shape
from tests.experiments.testbed import all_processes, assert_no_bed_is_left


@pytest.fixture(scope="session")
def possible() -> None:
    """Skip what needs several hosts where there can be none."""
    try:
        network.check_possible()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_bed(possible: None) -> Iterator[Bed]:
    """Return a test bed of three hosts, of which nothing may be left."""
    with beds.temporary(Shape()) as bed:
        yield bed
        processes = all_processes(bed.network)
    assert_no_bed_is_left(bed, processes)


@pytest.fixture
def bed(shared_bed: Bed) -> Iterator[Bed]:
    """Return that test bed, and mend what a test breaks of it."""
    yield shared_bed
    for host in shared_bed.hosts:
        shared_bed.network.plug_in(host)
    shared_bed.start_ray([host for host in shared_bed.hosts if not _runs(shared_bed, host)])


def _runs(bed: Bed, host: str) -> bool:
    return bool(bed.network.processes(host))
