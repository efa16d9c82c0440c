"""What is there on the local Ray of the tests, and what is left of it."""

import time
from collections.abc import Iterable

import psutil
import ray
from ray._private import state

from actors.cluster import Cluster
from actors.core.ids import Address

PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""


def processes(cluster: Cluster) -> dict[Address, psutil.Process]:
    """Return the process that each actor of a cluster lives in."""
    table = state.actors()
    return {
        address: psutil.Process(table[actor._actor_id.hex()]["Pid"])
        for address, actor in cluster._crew._actors.items()
    }


def wait_until_nothing_is_left() -> None:
    """Wait until Ray has noticed that a driver is gone, and holds nothing any more."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            assert_nothing_is_left()
            break
        except AssertionError:
            if time.monotonic() > until_s:
                raise
        time.sleep(0.1)  # Ray has no event for that.


def assert_nothing_is_left(once: Iterable[psutil.Process] = ()) -> None:
    """Check that Ray holds nothing any more; processes that were there `once` may take a moment.

    Keepers of this driver may: they stay until it is done.
    """
    driver = ray.get_runtime_context().get_job_id()
    there = [actor for actor in state.actors().values() if actor["State"] != "DEAD"]
    assert [
        each for each in there if (each["ActorClassName"], each["JobID"]) != ("Keeper", driver)
    ] == []
    groups = ray.util.placement_group_table().values()
    assert [group for group in groups if group["state"] != "REMOVED"] == []
    _, still_there = psutil.wait_procs(list(once), PATIENCE_S)
    assert still_there == []
