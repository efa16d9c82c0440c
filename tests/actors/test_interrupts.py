"""Signals to a process that runs a coroutine."""

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from actors import interrupts


class Ended(Exception):  # noqa: N818 # It is what a handler here raises.
    pass


def end(number: int, _: FrameType | None) -> None:
    raise Ended(number)


@pytest.fixture(autouse=True)
def _handled() -> Iterator[None]:
    """Handle both: in the background a shell has Ctrl-C ignored."""
    handlers = {signal.SIGTERM: end, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def answer() -> int:
    return 42


def test_without_a_signal_it_ends_as_the_coroutine_does() -> None:
    assert interrupts.run(answer()) == 42


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Ended)]
)
def test_a_signal_first_cancels_the_coroutine_and_then_goes_to_its_handler(
    number: signal.Signals, raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    log = []

    async def work() -> None:
        signal.raise_signal(number)
        try:
            await asyncio.Event().wait()
        finally:
            log.append("tidied up")

    before = signal.getsignal(number)
    with pytest.raises(raised):
        interrupts.run(work())
    assert log == ["tidied up"]
    assert signal.getsignal(number) == before
    assert not caplog.records


def test_a_signal_is_not_lost_on_a_coroutine_that_ends_at_that_moment() -> None:
    async def work() -> int:
        signal.raise_signal(signal.SIGTERM)
        return 42

    with pytest.raises(Ended):
        interrupts.run(work())


def test_a_signal_that_is_ignored_is_left_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def work() -> int:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        return 42

    assert interrupts.run(work()) == 42


def test_threads_hear_no_signals() -> None:
    assert asyncio.run(asyncio.to_thread(lambda: interrupts.run(answer()))) == 42
