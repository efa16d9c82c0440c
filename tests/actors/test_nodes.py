"""What is known of nodes of Ray, without Ray."""

import asyncio
import socket
from typing import Any

import pytest

from actors import nodes


def _tell(monkeypatch: pytest.MonkeyPatch, **told: Any) -> None:
    """Have Ray tell of one node."""
    known = {"NodeID": "n1", "Alive": True, "Labels": {}, "Resources": {}, **told}
    monkeypatch.setattr(nodes.ray, "nodes", lambda: [known])


def test_who_is_there_has_labels_and_cpus_and_may_be_the_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _tell(monkeypatch, Labels={"a": "b"}, Resources={"CPU": 2.0, "node:__internal_head__": 1.0})
    assert nodes.alive() == {"n1": nodes.Node({"a": "b"}, 2, is_head=True)}
    _tell(monkeypatch)
    assert nodes.alive() == {"n1": nodes.Node({}, 0)}
    _tell(monkeypatch, Alive=False)
    assert nodes.alive() == {}


def test_a_node_that_ray_counts_as_lost_or_does_not_know_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _tell(monkeypatch, Alive=False)
    assert asyncio.run(nodes.doubt("n1")) == asyncio.run(nodes.doubt("n2")) == "its node is lost"


def test_who_is_silent_is_not_reachable_unless_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    _tell(monkeypatch)
    known = [{**each, "NodeID": node} for each in nodes.ray.nodes() for node in ("n1", "n2")]
    monkeypatch.setattr(nodes.ray, "nodes", lambda: known)
    for answering, found in (("n1", {"n1"}), ("", {"n1", "n2"})):

        async def answers(told: dict[str, Any], answering: str = answering) -> bool:
            return bool(told["NodeID"] == answering)

        monkeypatch.setattr(nodes, "_answers", answers)
        assert asyncio.run(nodes.reachable()).keys() == found


def test_a_node_where_nobody_answers_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = {"NodeManagerAddress": "127.0.0.1", "NodeManagerPort": server.getsockname()[1]}
        _tell(monkeypatch, **where)
        assert asyncio.run(nodes.doubt("n1")) == ""
    assert asyncio.run(nodes.doubt("n1")) == "its node 127.0.0.1 cannot be reached"
