"""The registry: protocols by name, each with the nodes that its clients need."""

import pytest

from actors.core.config import Config
from actors.core.registry import PROTOCOLS
from tests.actors.core.wired import Echo


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_builds_the_nodes_that_its_clients_talk_to(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.name == name
    assert protocol.replica(0, Config(replicas=1), Echo(), ()).executor.batches == 0
    assert (protocol.clients_talk_to == "coordinator") == (protocol.coordinator is not None)
    if protocol.coordinator:
        assert protocol.coordinator(0, Config(), ()).counts()
