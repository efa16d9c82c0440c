"""Keepers stay from run to run, on real Ray."""

import asyncio
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import state

from actors.errors import ClusterError
from actors.keepers import Keepers
from experiments.live import LiveBackend
from experiments.spec import RunConfig
from tests.actors.on_ray import PATIENCE_S

pytestmark = pytest.mark.ray


def process(keepers: Keepers, node: str) -> psutil.Process:
    """Return the process of the keeper of a node."""
    return psutil.Process(state.actors()[keepers._actors[node]._actor_id.hex()]["Pid"])


def node() -> str:
    """Return the node of Ray that the tests run on."""
    return ray.get_runtime_context().get_node_id()


def folder_of(keepers: Keepers) -> Path:
    async def ask() -> Path:
        return Path(await keepers.ask(node(), "folder"))

    return asyncio.run(ask())


def test_a_keeper_stays_with_an_empty_folder_until_it_is_dismissed(live: LiveBackend) -> None:
    keepers = Keepers()
    folder = folder_of(keepers)
    first = process(keepers, node())
    (folder / "replica-0").mkdir()
    keepers.empty()
    assert folder_of(keepers) == folder
    assert process(keepers, node()) == first
    assert not any(folder.iterdir())
    keepers.dismiss()
    assert not folder.exists()
    first.wait(PATIENCE_S)


def killed(keepers: Keepers) -> Path:
    """Kill the keeper of this node; return what its folder was."""
    folder = folder_of(keepers)
    ended = process(keepers, node())
    ended.kill()
    ended.wait(PATIENCE_S)
    return folder


def test_who_ends_within_a_run_is_told_of_and_followed_by_another_in_the_next(
    live: LiveBackend,
) -> None:
    keepers = Keepers()
    folder = killed(keepers)
    with pytest.raises(ClusterError, match=f"node {node()} has no keeper: "):
        folder_of(keepers)
    keepers.empty()
    assert folder_of(keepers) != folder
    assert not folder.exists()
    keepers.dismiss()


def test_who_ends_between_runs_costs_none(live: LiveBackend) -> None:
    settings = {"warmup_s": 0.1, "duration_s": 0.3, "cooldown_s": 0.0, "clients": 4}
    config = RunConfig(crash_model="epoch", **settings)
    with LiveBackend() as backend:
        assert backend.run(config).outcome == "ok"
        folder = killed(backend._keepers)
        assert backend.run(config).outcome == "ok"
        other = folder_of(backend._keepers)
        assert other != folder
        assert not any(other.iterdir())
    assert not folder.exists()
    assert not other.exists()
