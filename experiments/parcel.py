"""What a job takes along to a cluster: the code that runs here, a suite, and pinned dependencies.

actors/, experiments/, dashboards/   the packages that run here, from a checkout or installed
pyproject.toml                       what `experiments.about` says here
COMMIT                               the commit that the code has here
held/                                a result folder that knows what need not run again
"""

import shutil
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments import about, environment, toml
from experiments.environment import COMMIT_FILE

HELD = "held"
PACKAGES = ("actors", "experiments", "dashboards")

_ROOT = Path(__file__).parents[1]


def fill(parcel: Path, suite_toml: str, rows: Path) -> None:
    """Put the code into the folder `parcel`, and the suite with what `rows` says is there already.

    `rows` is a table of runs, which need not be there.
    """
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / package, parcel / package, ignore=ignored)
    (parcel / "pyproject.toml").write_text(_project(), encoding="utf-8")
    (parcel / COMMIT_FILE).write_text(environment.commit(), encoding="utf-8")
    held = parcel / HELD
    held.mkdir()
    (held / "suite.toml").write_text(suite_toml, encoding="utf-8")
    if rows.is_file():
        shutil.copy(rows, held)


def _project() -> str:
    project = {
        "name": about.NAME,
        "version": about.version(),
        "description": about.summary(),
        "dependencies": about.requirements(),
    }
    return toml.write({"project": project})


def pins() -> list[str]:
    """Return what the code needs, and what that needs, as `name==version` with the versions here.

    Without Ray and what only Ray needs: a cluster has its own.
    """
    return sorted(f"{name}=={metadata.version(name)}" for name in _needed(about.requirements()))


def _needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of packages that are required, directly or not."""
    found: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name != "ray" and name not in found:
            found.add(name)
            waiting += map(Requirement, metadata.requires(name) or [])
    return found


def ray_allowed(version: str) -> bool:
    """Say whether the code runs on this version of Ray."""
    needed = map(Requirement, about.requirements())
    return all(each.specifier.contains(version) for each in needed if each.name == "ray")
