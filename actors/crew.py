"""The actors of a run, by address: who is there, what they answer, and that none ends unnoticed."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import ray
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

from actors.core.ids import Address, Role
from actors.errors import ClusterError
from actors.hosted import in_one_line

STOP_TIMEOUT_S = 10.0

NODE_LOSS_S = 30.0
"""How long to wait for Ray to say why an actor cannot be reached: it notices lost nodes late."""

WATCH_AGAIN_S = 1.0
"""How long to wait before an actor is watched again that could not be reached."""

T = TypeVar("T")


class Gone(Exception):  # noqa: N818 # Nothing is wrong with that.
    """An actor has left on purpose, and will not answer."""


class UnreachableError(ClusterError):
    """An actor cannot be reached: it may be gone, or the network between."""


async def _no_doubt(_: Address) -> str:
    return ""


class Crew:
    """Actors that are asked and watched from within `guard`, on one event loop at a time.

    `doubt` says what may be wrong where an actor lives, in a few words, if anything.
    """

    def __init__(self, doubt: Callable[[Address], Awaitable[str]] = _no_doubt) -> None:
        self._doubt = doubt
        self.paused: set[Address] = set()
        """Who is there but cannot answer now."""
        self._actors: dict[Address, Any] = {}  # Ray types its handles as Any.
        self._watches: dict[Address, Any] = {}
        self._beside: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None]

    # --- Who is there ---

    def __contains__(self, address: Address) -> bool:
        return address in self._actors

    def of(self, *roles: Role) -> list[Address]:
        """Return who is there of these roles, the paused included."""
        return [address for address in self._actors if address.role in roles]

    def join(self, address: Address, actor: Any) -> None:
        """Take in an actor."""
        self._actors[address] = actor

    def leave(self, address: Address) -> Any:
        """Expect the end of an actor, which is no error then; return its handle."""
        self._watches.pop(address, None)
        self.paused.discard(address)
        return self._actors.pop(address)

    # --- Asking ---

    async def ask(
        self, addresses: Iterable[Address], method: str, timeout_s: float, *arguments: object
    ) -> dict[Address, Any]:
        """Return the answers to a call, in the order of `addresses`, without those that leave.

        Raises ClusterError where one cannot answer, or does not in time.
        """
        answers: dict[Address, Any] = {}

        async def collect(address: Address) -> None:
            with suppress(Gone):
                answers[address] = await self.answer(address, method, *arguments)

        calls = {address: asyncio.create_task(collect(address)) for address in addresses}
        await _complete(calls.values(), timeout_s)
        if silent := [address for address, call in calls.items() if call.cancelled()]:
            reason = f"no answer to {method} after {timeout_s:g} s"
            raise ClusterError(f"{', '.join(map(str, silent))}: {reason}{await self._why(silent)}")
        return {address: answers[address] for address in calls if address in answers}

    async def _why(self, silent: Collection[Address]) -> str:
        """Write what may be wrong where those live who do not answer."""
        doubts = await asyncio.gather(*map(self._doubt, silent))
        return "".join(f"; {doubt}" for doubt in dict.fromkeys(filter(None, doubts)))

    async def answer(self, address: Address, method: str, *arguments: object) -> Any:
        """Return the answer of one actor; raises ClusterError, or Gone if it leaves."""
        if address not in self._actors:
            raise Gone
        actor = self._actors[address]
        return await self._result(address, actor, getattr(actor, method).remote(*arguments))

    def tell(self, address: Address, method: str, *arguments: object) -> None:
        """Call one actor without waiting for it: it may be paused."""
        getattr(self._actors[address], method).remote(*arguments)

    async def _result(self, address: Address, actor: Any, call: Any) -> Any:
        try:
            return await call
        except RayTaskError as error:
            raise ClusterError(f"{address} failed: {in_one_line(error.cause)}") from error
        except RayError as error:
            if not self._is_there(address, actor):
                raise Gone from error
            if isinstance(error, ActorUnavailableError):
                raise UnreachableError(f"{address} cannot be reached") from error
            raise ClusterError(f"{address} died: {cause_of_death(error)}") from error

    def _is_there(self, address: Address, actor: Any) -> bool:
        """Say whether an actor has not left, nor been followed by another."""
        return self._actors.get(address) is actor

    # --- Watching ---

    def watch(self, address: Address) -> None:
        """Break off what is guarded should this actor, which listens, end or stop by itself."""
        actor = self._actors[address]
        self._watches[address] = watch = actor.watch.remote()
        self.beside(self._see_end(address, actor, watch))

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`; raises ClusterError as soon as an actor ends that is watched."""
        self._broken = asyncio.get_running_loop().create_future()
        # Not to be complained of if it comes when the work is done.
        self._broken.add_done_callback(lambda it: it.cancelled() or it.exception())
        for address in self._watches:
            self.beside(self._see_end(address, self._actors[address], self._watches[address]))
        working = asyncio.create_task(work)
        await asyncio.wait((working, self._broken), return_when=asyncio.FIRST_COMPLETED)
        if working.done() and isinstance(working.exception(), UnreachableError):
            await asyncio.wait((self._broken,), timeout=NODE_LOSS_S)
        if self._broken.done():
            self._broken.result()
        return working.result()

    def beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something more while there is work guarded, which its failure breaks off, too."""
        task = asyncio.create_task(self._or_break(work))
        self._beside.add(task)  # The event loop holds no strong reference.
        task.add_done_callback(self._beside.discard)
        return task

    async def _or_break(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            with suppress(Gone):
                await work
        except Exception as error:
            if not self._broken.done():
                self._broken.set_exception(error)

    async def _see_end(self, address: Address, actor: Any, watch: Any) -> None:
        while True:
            try:
                reason = await self._result(address, actor, watch)
            except UnreachableError:
                # It goes on if that was the network; if not, Ray will know why.
                await asyncio.sleep(WATCH_AGAIN_S)
                if not self._is_there(address, actor):
                    raise Gone from None
                self._watches[address] = watch = actor.watch.remote()
            else:
                raise ClusterError(f"{address} stopped: {reason}")

    # --- The end ---

    def stop(self) -> None:
        """End all actors and wait until they are gone."""
        end_all(self._actors.values())
        self._actors, self._watches = {}, {}
        self.paused.clear()


def end_all(actors: Collection[Any]) -> None:
    """End actors, each of which has a `watch` that outlasts it, and wait until they are gone."""
    for actor in actors:
        ray.kill(actor)
    # A call fails as soon as Ray knows that the actor is gone.
    wait_all([actor.watch.remote() for actor in actors])


def wait_all(calls: list[Any]) -> None:
    """Wait until calls have ended, however they do, but not for ever."""
    if calls:
        ray.wait(calls, num_returns=len(calls), timeout=STOP_TIMEOUT_S)


async def _complete(calls: Iterable[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait until all calls are done; cancel the others when time is up, or as soon as one fails."""
    waiting = set(calls)
    if not waiting:
        return
    done, late = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
    for call in late:
        call.cancel()
    for call in done:
        call.result()
    await asyncio.wait(late) if late else None


_NEVER_RAN = "The actor never ran - it was cancelled before it started running."
"""What Ray adds to the reason."""


def cause_of_death(error: RayError) -> str:
    """Return what Ray says at last about the end of an actor, without its general advice.

    An exception stands there with its module: it goes by its name elsewhere.
    """
    lines = str(error).replace(_NEVER_RAN, "").strip().splitlines()
    told = lines[-1].strip().partition(" Some common causes")[0]
    return re.sub(r"^(\w+\.)+(?=\w+:)", "", told)
