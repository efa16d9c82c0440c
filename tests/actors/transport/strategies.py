"""Hypothesis strategies for every message that nodes may send."""

from typing import get_args

import msgspec
from hypothesis import strategies as st

from actors.core.messages import Accepted, Message

integers = st.integers(-(1 << 63), (1 << 64) - 1)
"""What msgpack can carry."""


def struct(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Return a strategy for one type of message, from the types of its fields."""
    return st.builds(kind, **{f.name: of_type[f.type] for f in msgspec.structs.fields(kind)})


of_type: dict[object, st.SearchStrategy] = {
    int: integers,
    bytes: st.binary(),
    list[int]: st.lists(integers),
    list[bytes]: st.lists(st.binary()),
}
of_type[list[Accepted]] = st.lists(struct(Accepted))

MESSAGE_TYPES = get_args(Message)
messages = st.one_of([struct(kind) for kind in MESSAGE_TYPES])
