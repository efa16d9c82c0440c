"""A job uses its code where it lies, if that is where all nodes of its cluster are."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

from experiments import in_place
from tests.experiments.ray_head import Head

METADATA = {"job_submission_id": "a job"}


@pytest.fixture(autouse=True)
def _job(monkeypatch: pytest.MonkeyPatch) -> None:
    set_wanted(monkeypatch, working_dir="gcs://code.zip", env_vars={})


def set_wanted(monkeypatch: pytest.MonkeyPatch, **runtime_env: Any) -> None:
    config = {"runtime_env": runtime_env, "metadata": METADATA}
    monkeypatch.setenv(RAY_JOB_CONFIG_JSON_ENV_VAR, json.dumps(config))


def config_left() -> Any:
    return json.loads(os.environ[RAY_JOB_CONFIG_JSON_ENV_VAR])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Say that two nodes are here, of whatever cluster; return which are asked for."""
    clusters: list[str] = []
    monkeypatch.setattr(
        in_place, "_sockets", lambda address: clusters.append(address) or ["1", "2"]
    )
    monkeypatch.setattr(in_place, "all_are_here", lambda _: True)
    return clusters


def test_code_alone_is_left_where_it_is(asked: list[str]) -> None:
    in_place.use_code_in_place("somewhere:1")
    assert config_left() == {"runtime_env": {}, "metadata": METADATA}
    assert asked == ["somewhere:1"]


@pytest.mark.parametrize("more", [{"pip": ["numpy==2"]}, {"env_vars": {"A": "1"}}])
def test_a_job_that_wants_more_gets_all_it_wants(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], more: dict[str, Any]
) -> None:
    set_wanted(monkeypatch, working_dir="gcs://code.zip", **more)
    before = config_left()
    in_place.use_code_in_place("somewhere:1")
    assert config_left() == before


def test_who_is_no_job_is_left_alone(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.delenv(RAY_JOB_CONFIG_JSON_ENV_VAR)
    in_place.use_code_in_place("somewhere:1")
    assert RAY_JOB_CONFIG_JSON_ENV_VAR not in os.environ
    assert asked == []


def test_a_single_node_may_not_be_all_of_its_cluster(
    monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr(in_place, "_sockets", lambda _: ["1"])
    before = config_left()
    in_place.use_code_in_place("somewhere:1")
    assert config_left() == before


@pytest.mark.parametrize("address", ["ray://somewhere:1", "local", "auto"])
def test_only_the_head_itself_is_asked(asked: list[str], address: str) -> None:
    before = config_left()
    in_place.use_code_in_place(address)
    assert config_left() == before
    assert asked == []


def test_nodes_are_here_if_each_listens_here_at_a_path_of_its_own(tmp_path: Path) -> None:
    here, other, dead = (str(tmp_path / name) for name in ("raylet", "raylet.1", "dead"))
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        for listening, path in ((one, here), (two, other)):
            listening.bind(path)
            listening.listen()
        with socket.socket(socket.AF_UNIX) as ended:
            ended.bind(dead)
        assert in_place.all_are_here([here, other])
        # The first node of another machine has the path of the first one here.
        assert not in_place.all_are_here([here, here])
        assert not in_place.all_are_here([here, dead])
        assert not in_place.all_are_here([here, str(tmp_path / "nowhere")])


@pytest.mark.ray
def test_a_node_of_ray_on_this_machine_is_here(head: Head) -> None:
    sockets = in_place._sockets(head.gcs)
    assert len(sockets) == 1
    assert in_place.all_are_here(sockets)
