"""What happens in a simulated world, event by event, for those who want to read it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from actors.core.ids import Address
from actors.core.messages import Message

Verb = Literal[
    "receive",
    "lose",
    "timer",
    "start",
    "crash",
    "pause",
    "resume",
    "suspect",
    "sync",
    "disk full",
    "cut",
    "slow",
    "heal",
]


class Event(NamedTuple):
    """One thing that happened at `time_s` of the world, to the node at `address` if to one.

    A message that is lost is an event of the node that should have received it.
    """

    time_s: float
    verb: Verb
    address: Address | None = None
    sender: Address | None = None
    subject: Message | str = ""

    def __str__(self) -> str:
        """Return the event as one line to read."""
        where = "" if self.address is None else str(self.address)
        origin = "" if self.sender is None else f"from {self.sender}: "
        return f"{self.time_s:11.6f} {where:13} {self.verb:9} {origin}{self.subject}".rstrip()


Log = Callable[[Event], None]
