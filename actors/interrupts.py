"""Running a coroutine so that Ctrl-C and SIGTERM end it cleanly."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; SIGINT and SIGTERM cancel it, and take their course then.

    Their handlers raise: what is raised just anywhere in an event loop may be lost, or told twice.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)  # Signals are heard elsewhere.
    with asyncio.Runner() as runner:
        return _Interruptible().run(runner, work)


class _Interruptible:
    def __init__(self) -> None:
        self._heard: list[int] = []
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[Any]

    def run(self, runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
