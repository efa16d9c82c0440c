"""Actors as Ray would have them, without Ray: they remember what they are asked, and can die."""

import asyncio
from collections import defaultdict
from typing import Any

from ray.exceptions import RayError


class Actor:
    """Answers each call with what `answers` holds for it, None by default; an exception is raised.

    The answer to a method in `open` is what its future ends with.
    """

    def __init__(self, **answers: object) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers = answers
        self.open: defaultdict[str, asyncio.Future[object]] = defaultdict(asyncio.Future)
        self._death: asyncio.Future[None] = asyncio.Future()

    def die(self) -> None:
        """End: no call is answered any more."""
        self._death.set_exception(RayError("It is dead. Some common causes include: age."))
        self._death.exception()

    def called(self, method: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of a method."""
        return [arguments for name, *arguments in self.calls if name == method]

    def __getattr__(self, method: str) -> "_Method":
        if method.startswith("_"):
            raise AttributeError(method)
        return _Method(self, method)

    async def _answer(self, method: str) -> object:
        answer = self.answers.get(method)
        waits = method in ("watch", "wait_leading") or answer is Ellipsis
        calls = {self._death} | ({self.open[method]} if waits else set())
        if waits or self._death.done():
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            if self._death.done():
                self._death.result()
            answer = self.open.pop(method).result()
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Method:
    def __init__(self, actor: Actor, name: str) -> None:
        self._actor = actor
        self._name = name

    def remote(self, *arguments: object) -> "asyncio.Task[object]":
        self._actor.calls.append((self._name, *arguments))
        answering = asyncio.create_task(self._actor._answer(self._name))
        answering.add_done_callback(lambda it: it.cancelled() or it.exception())  # As one may.
        return answering
