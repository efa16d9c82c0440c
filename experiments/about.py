"""What the package says of itself: its version, a sentence on it, and what it needs."""

import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

NAME = "paxoscope"

_ROOT = Path(__file__).parents[1]


def version() -> str:
    """Return the version of this code."""
    project = _project()
    return str(project["version"]) if project else metadata.version(NAME)


def summary() -> str:
    """Return one sentence on what this is."""
    project = _project()
    return str(project["description"] if project else metadata.metadata(NAME)["Summary"])


def requirements() -> list[str]:
    """Return what must be installed beside this code, without extras, as pip understands it."""
    project = _project()
    found = project["dependencies"] if project else metadata.requires(NAME) or []
    return [each for each in found if "extra ==" not in each]


def _project(root: Path = _ROOT) -> Mapping[str, Any]:
    """Return what the source's own file says, which lies beside the code; empty if it does not.

    It comes before what is installed: code that was sent to a cluster may find an older
    installation there.
    """
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    project: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    return project if project.get("name") == NAME else {}
