"""Actors as the transport by calls sees them, without Ray: calls are tasks, and actors can die.

As with Ray, a call goes on in its actor when nobody waits for it any more.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from ray.exceptions import RayError

from actors.core.ids import Address
from actors.transport.ray_call import RayTransport
from tests.actors.transport.peers import End


class Handle:
    """What others have of an actor: its calls are made in a task each, as far as it is `open`."""

    def __init__(self, actor: Any) -> None:
        self.taken: list[bytes] = []
        """The argument of every call that carried messages."""
        self.watching = 0
        """How many calls of `watch` are under way."""
        self.open = asyncio.Event()
        self.open.set()
        self._actor = actor
        self._death: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def die(self) -> None:
        """End: no call returns any more."""
        self._death.set_exception(RayError("It is dead."))
        self._death.exception()

    def __getattr__(self, method: str) -> "_Method":
        if method.startswith("_"):
            raise AttributeError(method)
        return _Method(lambda *arguments: self._call(method, *arguments))

    async def _call(self, method: str, *arguments: Any) -> object:
        if method == "watch":
            self.watching += 1
            await asyncio.shield(self._death)
        working = asyncio.ensure_future(self._work(method, *arguments))
        try:
            await asyncio.wait((working, self._death), return_when=asyncio.FIRST_COMPLETED)
            if self._death.done():
                self._death.result()
            return working.result()
        finally:
            working.cancel()

    async def _work(self, method: str, *arguments: Any) -> object:
        if method == "take":
            self.taken.append(arguments[0])
        await self.open.wait()
        answer = getattr(self._actor, method)(*arguments)
        return await answer if asyncio.iscoroutine(answer) else answer


class _Method:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def remote(self, *arguments: object) -> "asyncio.Future[object]":
        working = asyncio.ensure_future(self._call(*arguments))
        waiting = asyncio.shield(working)
        for each in (working, waiting):  # Nobody has to ask what became of a call.
            each.add_done_callback(lambda it: it.cancelled() or it.exception())
        return waiting


class Called(End):
    """An actor with nothing but a transport, and what it received."""

    transport: RayTransport

    def __init__(self, me: Address, **options: float) -> None:
        super().__init__(me)
        settings = {"frame_bytes_max": 1 << 23, "queue_bytes_max": 1 << 26, **options}
        self.transport = RayTransport(me, self.heard, lambda: self.handle, **settings)
        self.handle = Handle(self.transport)
