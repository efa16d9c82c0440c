"""The null service answers every command with eight zero bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.columns import U32, Cells
from actors.core.config import LoadConfig
from actors.core.errors import RemoteProtocolError
from actors.services.null import NullService, NullWorkload


@given(st.lists(st.binary(max_size=8), max_size=10))
def test_every_command_gets_eight_zero_bytes(commands: list[bytes]) -> None:
    replies = NullService().execute(Cells.of(commands))
    assert list(replies.values()) == [bytes(8)] * len(commands)


def test_the_state_is_nothing() -> None:
    service = NullService()
    service.restore(service.snapshot())
    with pytest.raises(RemoteProtocolError, match="3 bytes"):
        service.restore(b"abc")


@pytest.mark.parametrize("request_bytes", [0, 1, 20])
def test_every_request_has_the_configured_size(request_bytes: int) -> None:
    """Also where later calls ask for fewer or more commands than the first."""
    workload = NullWorkload(LoadConfig(request_bytes=request_bytes))
    for count in (3, 1, 0, 5):
        clients = np.arange(count, dtype=U32)
        commands = workload.commands(clients, clients)
        assert list(commands.values()) == [bytes(request_bytes)] * count


def test_commands_share_bytes_that_nobody_can_change() -> None:
    clients = np.arange(4, dtype=U32)
    commands = NullWorkload(LoadConfig()).commands(clients, clients)
    with pytest.raises(ValueError, match="read-only"):
        commands.flat[0] = 1
