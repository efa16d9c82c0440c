import subprocess
from pathlib import Path

import pytest

from experiments import environment


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "code.py").write_text("one = 1\n")
    _git(tmp_path, "init")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "x")
    return tmp_path


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    assert environment.commit(checkout) == _git(checkout, "rev-parse", "HEAD")


def test_results_in_a_checkout_leave_it_clean(checkout: Path) -> None:
    (checkout / "results").mkdir()
    (checkout / "results" / "runs.parquet").touch()
    assert not environment.commit(checkout).endswith("-dirty")


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_code_that_was_changed_or_added_makes_it_dirty(checkout: Path, name: str) -> None:
    (checkout / "actors" / name).write_text("two = 2\n")
    assert environment.commit(checkout) == f"{_git(checkout, 'rev-parse', 'HEAD')}-dirty"


def test_code_outside_of_a_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "actors").mkdir()
    assert environment.commit(tmp_path) == ""


def test_code_installed_inside_of_another_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / "venv"
    (installed / "actors").mkdir(parents=True)
    (installed / "actors" / "code.py").touch()
    assert environment.commit(installed) == ""


def test_the_machine_and_the_versions_are_described() -> None:
    described = environment.describe()
    assert described["cpu_model"]
    assert int(described["memory_bytes"]) > 1 << 20
    assert {"paxoscope_version", "python_version", "ray_version", "os", "commit"} <= set(described)
