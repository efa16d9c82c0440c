"""What a run depends on beside its configuration: versions, machine and commit."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from experiments import about

COMMIT_FILE = "COMMIT"
"""Beside code that was taken from a checkout to where there is none: the commit it had there."""

_PACKAGES = ("ray", "numpy", "pandas", "pyarrow", "msgspec", "uvloop")
_ROOT = Path(__file__).parents[1]


def describe() -> dict[str, str | int]:
    """Return versions, machine and commit, one entry a column of the result table."""
    return versions() | machine() | {"commit": commit()}


def versions() -> dict[str, str | int]:
    """Return the versions of Python and of the packages that a run's speed depends on."""
    packages = {f"{name}_version": metadata.version(name) for name in _PACKAGES}
    return {
        f"{about.NAME}_version": about.version(),
        **packages,
        "python_version": platform.python_version(),
    }


def machine() -> dict[str, str | int]:
    """Return the processor, its logical cores, the memory in bytes and the operating system."""
    return {
        "cpu_model": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # Not Linux.
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def commit(root: Path = _ROOT) -> str:
    """Return the git commit of the checkout at `root`, marked "-dirty" if its code was changed.

    Where the code was brought from a checkout, that one's; empty where there was none, such as for
    an installed package.
    """
    if (root / COMMIT_FILE).is_file():
        return (root / COMMIT_FILE).read_text(encoding="utf-8").strip()
    code = [name for name in ("actors", "experiments") if (root / name).is_dir()]
    # An environment's folder may lie inside a checkout of something else.
    if not code or not _git(root, "ls-files", *code):
        return ""
    dirty = "-dirty" if _git(root, "status", "--porcelain", "--", *code) else ""
    return f"{_git(root, 'rev-parse', 'HEAD')}{dirty}"


def _git(root: Path, *arguments: str) -> str:
    """Return what git says about `root`; nothing where it cannot say."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 # Fixed arguments, no shell.
            command, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
