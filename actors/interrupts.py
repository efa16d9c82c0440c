"""Coroutines that Ctrl-C and SIGTERM end cleanly."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; a signal that has a handler cancels it first.

    A handler raises, and what is raised just anywhere in an event loop may be lost or told twice.
    """
    heard: list[int] = []

    async def interruptible() -> T:
        working = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def hear(number: int, _: FrameType | None) -> None:
            heard.append(number)
            loop.call_soon_threadsafe(working.cancel)

        with _handled_by(hear):
            return await working

    try:
        return asyncio.run(interruptible())
    finally:
        if heard:
            signal.raise_signal(heard[-1])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have signals that have a handler handled by another one."""
    before = {each: signal.getsignal(each) for each in _SIGNALS if _is_heard(each)}
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)


def _is_heard(number: signal.Signals) -> bool:
    # Only the main thread hears signals.
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and callable(signal.getsignal(number))
