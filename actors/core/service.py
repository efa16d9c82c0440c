"""What a replicated service is, seen from the executor and from the clients."""

from typing import Protocol

from actors.core.columns import Cells, U32s


class Service(Protocol):
    """A deterministic state machine: equal commands in equal order give equal replies."""

    def execute(self, commands: Cells) -> Cells:
        """Execute the commands in order; return one reply each.

        A command that makes no sense gets an error reply: it must not raise.
        """

    def snapshot(self) -> bytes:
        """Return the whole state."""

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned."""


class Workload(Protocol):
    """What clients ask of a service."""

    def commands(self, clients: U32s, sequences: U32s) -> Cells:
        """Return the command of each (client, sequence): the same whenever it is asked again."""
