"""The files for Ray's cluster launcher: Ray takes them, and what they name is there."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
FILES = sorted(ROOT.glob("docs/cluster/*.yaml"))


def _config(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    return config


def test_there_is_one_for_aws_and_one_for_machines_of_ones_own() -> None:
    assert {_config(path)["provider"]["type"] for path in FILES} == {"aws", "local"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ray_takes_it(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    validate_config(prepare_config(_config(path)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_node_has_the_token_and_the_pinned_code(path: Path) -> None:
    config = _config(path)
    assert config["file_mounts"]["~/paxoscope-source"] == "."
    assert "~/.ray/auth_token" in config["file_mounts"]
    assert "-c ~/paxoscope-source/constraints.txt" in " ".join(config["setup_commands"])
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in config[commands][-1]


def test_no_machine_of_aws_has_the_image_that_ray_would_choose() -> None:
    """Its Python is too old."""
    (config,) = [each for each in map(_config, FILES) if each["provider"]["type"] == "aws"]
    types = config["available_node_types"].values()
    assert all(each["node_config"]["ImageId"].startswith("ami-") for each in types)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shell_of_a_node_has_the_code_and_sends_the_token(path: Path, tmp_path: Path) -> None:
    """At the beginning of its file: Ubuntu's ends early where nobody types."""
    (tmp_path / ".bashrc").write_text("return\n")
    command = next(each for each in _config(path)["setup_commands"] if ".bashrc" in each)
    shell = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for _ in range(2):
        subprocess.run(["bash", "-c", command], env=shell, check=True)
    said = subprocess.run(
        ["bash", "-c", ". ~/.bashrc; echo $RAY_AUTH_MODE $PATH"],
        env=shell,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.startswith(f"token {tmp_path}/paxoscope-env/bin:")
    assert said.count("paxoscope-env") == 1
