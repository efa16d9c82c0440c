"""What goes along to a cluster."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import ray

from experiments import about, environment, parcel
from experiments.parcel import HELD, PACKAGES


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    parcel.fill(tmp_path, 'name = "s"\n', tmp_path / "no rows")
    return tmp_path


def test_code_suite_and_commit_go_along_and_nothing_else(filled: Path) -> None:
    names = {path.name for path in filled.iterdir()}
    assert names == {*PACKAGES, HELD, "pyproject.toml", "COMMIT"}
    assert [path.name for path in (filled / HELD).iterdir()] == ["suite.toml"]
    assert list(filled.rglob("__pycache__")) == []
    assert sum(path.stat().st_size for path in filled.rglob("*") if path.is_file()) < 5_000_000


def test_rows_that_are_there_go_along(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"rows")
    (tmp_path / "parcel").mkdir()
    parcel.fill(tmp_path / "parcel", "", tmp_path / "rows")
    assert (tmp_path / "parcel" / HELD / "rows").read_bytes() == b"rows"


def test_the_code_runs_where_it_was_taken_to_and_knows_what_it_is(filled: Path) -> None:
    """Also where another version is installed, as it is here."""
    (filled / "pyproject.toml").write_text(
        (filled / "pyproject.toml").read_text().replace(about.version(), "9.8.7")
    )
    program = "from experiments import environment as e; print(e.describe())"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=filled, capture_output=True, text=True, check=True
    ).stdout
    assert "'paxoscope_version': '9.8.7'" in shown
    assert f"'commit': '{environment.commit()}'" in shown


def test_dependencies_are_pinned_to_what_is_installed_here_but_ray_is_not() -> None:
    pins = dict(each.split("==") for each in parcel.pins())
    assert {"numpy", "pandas", "pyarrow", "uvloop", "typer", "markdown-it-py"} <= pins.keys()
    assert not {"ray", "pytest", "paxoscope"} & pins.keys()
    assert pins == {name: metadata.version(name) for name in pins}


def test_a_cluster_must_run_a_ray_that_the_code_works_with() -> None:
    assert parcel.ray_allowed(ray.__version__)
    assert not parcel.ray_allowed("2.9.0")
