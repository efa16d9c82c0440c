"""What a node asks its host to do, collected while the node steps and handed over by `drain()`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.core.ids import Address
from actors.core.messages import Message


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send one message to each of `to`; it is encoded once."""

    to: tuple[Address, ...]
    message: Message


class SetTimer(msgspec.Struct, frozen=True, gc=False):
    """Call `on_timer(name)` at time `at` (seconds); replaces a timer of that name."""

    name: str
    at: float


class Throttle(msgspec.Struct, frozen=True, gc=False):
    """Stop (or, with `on` false, resume) reading from clients."""

    on: bool


class Store(msgspec.Struct, frozen=True, gc=False):
    """Keep `record` on stable storage: whatever is sent after it leaves once it is synced.

    A `lazy` record holds nothing up: it is synced along with the next one that is not.
    """

    record: bytes
    lazy: bool = False


class Rewrite(msgspec.Struct, frozen=True, gc=False):
    """Keep `records` in the place of everything stored so far; otherwise as `Store`."""

    records: tuple[bytes, ...]


Effect = Send | SetTimer | Throttle | Store | Rewrite


class Outbox:
    """Collects the effects of one step. Shared by the layers of a node."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self.broadcasts = 0
        """How many messages have gone to several receivers so far: others may ride along."""

    def send(self, to: Address, message: Message) -> None:
        """Send `message` to one receiver."""
        self._effects.append(Send((to,), message))

    def broadcast(self, to: Sequence[Address], message: Message) -> None:
        """Send `message` to several receivers."""
        if to:
            self.broadcasts += 1
            self._effects.append(Send(tuple(to), message))

    def set_timer(self, name: str, at: float) -> None:
        """Have `on_timer(name)` called at time `at`."""
        self._effects.append(SetTimer(name, at))

    def throttle(self, on: bool) -> None:
        """Stop or resume reading from clients."""
        self._effects.append(Throttle(on))

    def store(self, record: bytes, *, lazy: bool = False) -> None:
        """Keep `record` on stable storage before anything later is sent."""
        self._effects.append(Store(record, lazy))

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Keep `records` in the place of everything stored so far."""
        self._effects.append(Rewrite(tuple(records)))

    def __bool__(self) -> bool:
        return bool(self._effects)

    def drain(self) -> list[Effect]:
        """Hand over what was collected since the last call."""
        effects, self._effects = self._effects, []
        return effects


class Node(Protocol):
    """A protocol participant: events in, effects out, no I/O.

    Call `drain` after each event or after several, until it returns nothing; never await in
    between. `now` is in seconds, from any origin, and never goes back.
    """

    def start(self, now: float) -> None:
        """Begin; called once, before any other event."""

    def on_message(self, sender: Address, message: Message, now: float) -> None:
        """Take a message; raises RemoteProtocolError where no correct peer would send it."""

    def on_timer(self, name: str, now: float) -> None:
        """Take the expiry of the timer `name`."""

    def drain(self) -> Sequence[Effect]:
        """Go on with the work that the events since the last call made possible; return effects.

        Perform the effects and call again until there are none: what others wait for comes first,
        execution after it.
        """

    def gauges(self) -> dict[str, float]:
        """Return what the node looks like now: queue lengths, open instances, view."""

    def counts(self) -> dict[str, float]:
        """Return what the node has done since it began, ever growing: batches, requests."""
