"""How a command is told to end: Ctrl-C and SIGTERM, and when each of them is heard."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.errors import Terminated


@contextmanager
def sigterm_heard() -> Iterator[None]:
    """Have SIGTERM raise Terminated meanwhile, as Ctrl-C raises KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        _install_again(signal.SIGTERM, before)


@contextmanager
def held_back() -> Iterator[None]:
    """Hear Ctrl-C and SIGTERM afterwards only: halfway, Ray would leave processes for a minute."""
    heard = []
    before = {
        each: signal.signal(each, lambda number, _: heard.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            _install_again(each, handler)
    if heard:
        raise Terminated if heard[-1] == signal.SIGTERM else KeyboardInterrupt


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Have processes that are started meanwhile never hear Ctrl-C: whoever started them does."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # A child inherits it.
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _install_again(number: signal.Signals, handler: Any) -> None:
    # None stands for a handler that Python cannot know, nor install again.
    signal.signal(number, handler or signal.SIG_DFL)


def _terminate(*_: object) -> None:
    raise Terminated
