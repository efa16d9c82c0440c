from importlib import metadata
from pathlib import Path

import pytest

from experiments import about


def test_a_source_tree_says_what_its_installation_says() -> None:
    assert about.version() == metadata.version(about.NAME)
    assert about.summary() == metadata.metadata(about.NAME)["Summary"]


def test_without_its_source_the_installation_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = about.version(), about.summary(), sorted(about.requirements())
    monkeypatch.setattr(about, "_ROOT", tmp_path)
    assert (about.version(), about.summary(), sorted(about.requirements())) == there
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "of something else"\n')
    assert about.version() == there[0]
