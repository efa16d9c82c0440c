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


def test_who_has_ended_is_told_of_and_followed_by_another(live: LiveBackend) -> None:
    keepers = Keepers()
    folder = folder_of(keepers)
    ended = process(keepers, node())
    ended.kill()
    ended.wait(PATIENCE_S)
    with pytest.raises(ClusterError, match=f"node {node()} has no keeper: "):
        folder_of(keepers)
    keepers.empty()
    other = folder_of(keepers)
    assert other != folder
    assert not folder.exists()
    keepers.dismiss()
