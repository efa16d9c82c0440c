"""A job uses its code where it lies, if that is where all nodes of its cluster are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

from experiments import in_place
from tests.experiments.ray_head import further_node, head

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
def nodes_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Say that all nodes are here, of whatever cluster; note which was asked for."""
    asked: list[str] = []
    monkeypatch.setattr(in_place, "_all_are_here", lambda address: asked.append(address) or True)
    return asked


def test_code_alone_is_left_where_it_is(nodes_here: list[str]) -> None:
    in_place.use_code_in_place("somewhere:1")
    assert config_left() == {"runtime_env": {}, "metadata": METADATA}
    assert nodes_here == ["somewhere:1"]


@pytest.mark.parametrize("more", [{"pip": ["numpy==2"]}, {"env_vars": {"A": "1"}}])
def test_a_job_that_wants_more_gets_all_it_wants(
    monkeypatch: pytest.MonkeyPatch, nodes_here: list[str], more: dict[str, Any]
) -> None:
    set_wanted(monkeypatch, working_dir="gcs://code.zip", **more)
    before = config_left()
    in_place.use_code_in_place("somewhere:1")
    assert config_left() == before


def test_who_is_no_job_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, nodes_here: list[str]
) -> None:
    monkeypatch.delenv(RAY_JOB_CONFIG_JSON_ENV_VAR)
    in_place.use_code_in_place("somewhere:1")
    assert RAY_JOB_CONFIG_JSON_ENV_VAR not in os.environ
    assert nodes_here == []


@pytest.mark.ray
def test_several_nodes_on_this_machine_are_here_and_one_alone_may_not_be_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with head() as first:
        assert not in_place._all_are_here(first.gcs)
        with further_node(first):
            assert in_place._all_are_here(first.gcs)
            monkeypatch.setattr(Path, "is_socket", lambda path: not path.name.endswith(".1"))
            assert not in_place._all_are_here(first.gcs)  # As if the second were elsewhere.
