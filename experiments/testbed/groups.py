"""Control groups that keep processes to a share of the CPU, of either version that Linux has."""

from contextlib import suppress
from pathlib import Path

V1 = Path("/sys/fs/cgroup/cpu")
"""Where version 1 limits CPU time; nobody else sets a quota there."""

V2 = Path("/sys/fs/cgroup")
"""Where version 2 has everything."""

PERIOD_US = 10_000
"""In which a quota counts: who has used it up waits for less than this."""

CORES_MIN = 0.1
"""With a quota: Linux grants no less than 1 ms of such a period."""

CORES_MAX = 1024.0


def root() -> Path | None:
    """Return below which folder a group can have a quota; None where there are none."""
    if (V1 / "cpu.cfs_quota_us").is_file():
        return V1
    return V2 if _hands_on_cpu(V2) else None


def add(group: Path, cores: float) -> None:
    """Make a group, two folders below the root, that has so many cores; 0 = no limit."""
    group.mkdir(parents=True)
    quota_us = round(cores * PERIOD_US)
    if group.is_relative_to(V1):
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us or -1))
    else:
        (group.parent / "cgroup.subtree_control").write_text("+cpu")
        (group / "cpu.max").write_text(f"{quota_us or 'max'} {PERIOD_US}")


def _hands_on_cpu(group: Path) -> bool:
    """Have a group of version 2 let those below it limit the CPU; return whether it does."""
    hands_on = group / "cgroup.subtree_control"
    with suppress(OSError):  # Not ours to say, such as in a container.
        if "cpu" in (group / "cgroup.controllers").read_text().split():
            hands_on.write_text("+cpu")
            return "cpu" in hands_on.read_text().replace("+", "").split()
    return False
