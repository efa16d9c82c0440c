"""The event loops that a transport must work on."""

from collections.abc import Callable, Coroutine

import pytest

from tests.actors.transport.peers import LOOPS, run

Test = Callable[[], Coroutine[None, None, None]]


@pytest.fixture(params=LOOPS)
def on_loop(request: pytest.FixtureRequest) -> Callable[[Test], None]:
    """Run the body of a test on asyncio's own event loop and on uvloop."""
    return lambda test: run(request.param, test())
