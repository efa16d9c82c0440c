"""What clusters that start and stop take, and whether they leave anything behind: run by hand.

    python -m tests.benchmarks.starts [--count 50] [--protocol spaxos] [--crash-model crash_stop]

On a local Ray, so many times: the actors of one configuration start, carry a short load, tell what
they measured, and stop. Prints how long that took beside the load, and what there is at the end
that was not there after the first few times: processes of Ray's, ports that are listened at, open
files of the driver, actors and placement groups that Ray still has, and files in the temporary
folder and in shared memory. What Ray logs is not counted. Ends with exit code 1 if there is more of
anything. Unless the hosts are `crash_stop` each node has a keeper, too, with a folder of its own in
which hosts store what survives a crash.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import ray.util
from ray._private.state import actors  # The public list needs Ray's dashboard.

from actors.cluster import Cluster
from experiments.live import LiveBackend
from experiments.spec import RunConfig, Suite
from experiments.sweep import expand

SETTLED_AFTER = 3
"""Starts after which Ray has all that it keeps: workers in reserve, folders of its own."""

SETTLE_S = 1.0
LOOKS_MAX = 20

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # It is looked at, and nothing is put there.


def there_is() -> Counter[str]:
    """Return how many there are of all that a cluster might leave behind, by kind."""
    driver = psutil.Process()
    family = [driver, *driver.children(recursive=True)]
    groups = ray.util.placement_group_table().values()
    return Counter(
        {
            "processes": len(family),
            "ports": len(set(_listening(family))),
            "open files of the driver": driver.num_fds(),
            # Those of Ray and gRPC are pools, which fill up with the load of the machine.
            "Python threads of the driver": threading.active_count(),
            "actors that are not dead": sum(
                actor["State"] != "DEAD" for actor in actors().values()
            ),
            "placement groups": sum(group["state"] != "REMOVED" for group in groups),
            "temporary files": sum(1 for _ in Path(tempfile.gettempdir()).iterdir()),
            "files in shared memory": sum(
                # Those of Python's own are not of Ray, and others on the machine have some.
                not path.name.startswith("sem.mp-")
                for path in SHARED_MEMORY.iterdir()
            ),
        }
    )


def _listening(family: list[psutil.Process]) -> Iterator[int]:
    for process in family:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    yield connection.laddr.port


def settled() -> Counter[str]:
    """Return what there is once that stays so for a while: processes take a moment to end."""
    last = there_is()
    for _ in range(LOOKS_MAX):
        time.sleep(SETTLE_S)
        if (now := there_is()) == last:
            break
        last = now
    return last


@contextmanager
def _temporary_folder_of_our_own() -> Iterator[None]:
    """Have this process and all that it starts put temporary files where nobody else does."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


def overhead_s(config: RunConfig) -> float:
    """Carry out a run; return what it took beside its load."""
    began_s = time.perf_counter()
    with Cluster(config.load_config()) as cluster:
        cluster.run(config.load_s)
        safety = cluster.measurements().safety
    assert safety == "ok", safety
    return time.perf_counter() - began_s - config.load_s


def main() -> int:
    """Start and stop, and return 1 if anything stays behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--protocol", default="spaxos")
    parser.add_argument("--crash-model", default="epoch")
    options = parser.parse_args()
    base = {
        "protocol": options.protocol,
        "crash_model": options.crash_model,
        "clients": 100,
        "warmup_s": 0.0,
        "duration_s": 0.5,
        "cooldown_s": 0.0,
    }
    (run,) = expand(Suite(name="starts", base=base))
    with _temporary_folder_of_our_own(), LiveBackend():
        overheads_s = [overhead_s(run.config) for _ in range(SETTLED_AFTER)]
        before = settled()
        overheads_s += [overhead_s(run.config) for _ in range(options.count - SETTLED_AFTER)]
        after = settled()
    print(
        f"{options.count} starts and stops, beside the load: median "
        f"{statistics.median(overheads_s):.2f} s, longest {max(overheads_s):.2f} s"
    )
    print(f"{'':28}{'after ' + str(SETTLED_AFTER):>10}{'after ' + str(options.count):>10}")
    for kind, count in after.items():
        print(f"{kind:28}{before[kind]:10}{count:10}")
    return int(bool(after - before))


if __name__ == "__main__":
    sys.exit(main())
