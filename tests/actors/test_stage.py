"""A stage on a place that Ray knows nothing of."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import RayError

from actors.core.config import LoadConfig
from actors.core.ids import Address, ReplicaId
from actors.errors import ClusterError
from actors.keepers import Keepers
from actors.place import ANYWHERE
from actors.stage import Stage
from tests.actors.cast import Actor


class Place:
    """Has one node."""

    def node_of(self, host: ReplicaId) -> str:
        return "n1"


def test_a_node_that_has_no_room_for_storage_is_told_in_one_line_without_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = (
        "The actor died because of an error raised in its creation task, ray::Keeper.__init__()\n"
        '  File "actors/keeper.py", line 23, in __init__\n'
        "actors.storage.errors.StorageError: cannot make a temporary folder: set TMPDIR"
    )
    keepers = Keepers()
    monkeypatch.setattr(keepers, "_create", lambda _: Actor(folder=RayError(told)))
    stage = Stage(LoadConfig(crash_model="full"), ANYWHERE, "a run", keepers)
    monkeypatch.setattr(stage, "_place", Place())
    with pytest.raises(ClusterError) as refusal:
        asyncio.run(stage.create([Address("replica", 0)]))
    assert str(refusal.value) == (
        "node n1 has no keeper: StorageError: cannot make a temporary folder: set TMPDIR"
    )


class Registry:
    """A place that notes how many peers each actor is created for."""

    def __init__(self) -> None:
        self.peers: dict[Address, int] = {}

    def create(self, address: Address, *arguments: object, peers: int, run_id: str) -> Any:
        self.peers[address] = peers
        return Actor()


def test_an_actor_is_created_for_all_who_dial_it_and_whom_it_dials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, registry = LoadConfig(protocol="spaxos", fleets=4), Registry()
    stage = Stage(config, ANYWHERE, "a run", Keepers())
    monkeypatch.setattr(stage, "_place", registry)
    one_of_each = [Address("replica", 0), Address("coordinator", 0), Address("fleet", 0)]
    asyncio.run(stage.create(one_of_each))
    # Replicas talk to each other and to coordinators, and these to fleets.
    assert list(registry.peers.values()) == [2 + 3, 3 + 4, 3]
