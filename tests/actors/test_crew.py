"""A crew of actors that Ray knows nothing of."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

from actors import crew as crew_module
from actors.core.ids import Address
from actors.crew import Crew, Gone
from actors.errors import ClusterError
from tests.actors.cast import Actor

A, B = Address("replica", 0), Address("fleet", 0)
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""

UNAVAILABLE = ActorUnavailableError("Socket closed", None)

Test = Callable[[Crew, Actor, Actor], Coroutine[None, None, None]]


def run(test: Test) -> None:
    """Run a test as what a crew of two guards."""

    async def running() -> None:
        crew, one, other = Crew(), Actor(), Actor()
        crew.join(A, one)
        crew.join(B, other)
        await asyncio.wait_for(crew.guard(test(crew, one, other)), PATIENCE_S)

    asyncio.run(running())


def raised(test: Test) -> str:
    """Return what the end of a test is told as."""
    with pytest.raises(ClusterError) as told:
        run(test)
    return str(told.value)


async def forever() -> None:
    await asyncio.Event().wait()


def _failed(cause: Exception) -> RayTaskError:
    return RayTaskError("f", "traceback", cause)


def test_answers_come_in_the_order_of_the_question() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"], other.answers["f"] = 1, 2
        answers = await crew.ask([B, A], "f", PATIENCE_S, "x", 3)
        assert list(answers.items()) == [(B, 2), (A, 1)]
        assert one.called("f") == other.called("f") == [["x", 3]]
        assert await crew.ask([], "f", 0.0) == {}

    run(test)


def test_who_does_not_answer_in_time_is_named() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"] = ...
        await crew.ask([A, B], "f", 0.01)

    assert raised(test) == "replica-0: no answer to f after 0.01 s"


def test_what_may_be_wrong_where_they_live_is_told_once_of_who_does_not_answer() -> None:
    async def doubt(address: Address) -> str:
        return "its node is lost" if address == A else ""

    async def test() -> None:
        crew, silent = Crew(doubt), Actor(f=...)
        crew.join(A, silent)
        crew.join(B, Actor(f=...))
        await crew.guard(crew.ask([A, B], "f", 0.01))

    with pytest.raises(ClusterError) as told:
        asyncio.run(test())
    assert str(told.value) == (f"{A}, {B}: no answer to f after 0.01 s; its node is lost")


def test_who_fails_to_answer_is_named_with_the_reason_and_nobody_else_is_waited_for() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"], other.answers["f"] = ..., _failed(KeyError("x"))
        await crew.ask([A, B], "f", PATIENCE_S)

    assert raised(test) == "fleet-0 failed: KeyError: 'x'"


def test_who_leaves_is_left_out_of_the_answers() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"], other.answers["f"] = ..., 2
        asking = asyncio.create_task(crew.ask([A, B], "f", PATIENCE_S))
        while not one.calls:
            await asyncio.sleep(0)
        assert crew.leave(A) is one
        one.die()
        assert await asking == {B: 2}
        assert crew.of("replica", "fleet") == [B]
        assert A not in crew
        with pytest.raises(Gone):
            await crew.answer(A, "f")

    run(test)


IN_ITS_CREATION = """\
The actor died because of an error raised in its creation task, ray::Replica.__init__() (pid=7)
  File "actors/hosted.py", line 144, in restored
    journal = Journal.open(Path(folder))
{told}
"""
"""What Ray says of an actor whose constructor raises."""


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            "actors.storage.errors.StorageError: cannot open /x/journal: [Errno 28] No space left",
            "StorageError: cannot open /x/journal: [Errno 28] No space left",
        ),
        (
            "actors.core.errors.RestartError: /x: crash_model = crash_stop: use epoch or full",
            "RestartError: /x: crash_model = crash_stop: use epoch or full",
        ),
    ],
)
def test_who_cannot_be_created_is_told_in_one_line_without_a_stack_trace(
    told: str, line: str
) -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["listen"] = RayError(IN_ITS_CREATION.format(told=told))
        await crew.ask([A, B], "listen", PATIENCE_S)

    assert raised(test) == f"replica-0 died: {line}"


def test_who_is_watched_and_dies_breaks_off_what_is_guarded() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.watch(A)
        one.die()
        await forever()

    assert raised(test) == "replica-0 died: It is dead."


LOST_NODE = """\
The actor died unexpectedly before finishing this task.
\tip: 198.18.1.3
The actor died because its node has died. Node Id: e0
\tthe actor's node was terminated unexpectedly: health check failed{more}
"""
"""What Ray says of an actor whose node is gone."""


@pytest.mark.parametrize(
    "more", ["", "\nThe actor never ran - it was cancelled before it started running."]
)
def test_a_lost_node_is_told_without_what_is_around_it(more: str) -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"] = RayError(LOST_NODE.format(more=more))
        await crew.ask([A], "f", PATIENCE_S)

    reason = "the actor's node was terminated unexpectedly: health check failed"
    assert raised(test) == f"replica-0 died: {reason}"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "WATCH_AGAIN_S", 0.0)


@pytest.mark.usefixtures("hasty")
def test_who_is_watched_and_cannot_be_reached_for_a_while_breaks_nothing_off() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.watch(A)
        one.open["watch"].set_exception(UNAVAILABLE)
        while len(one.called("watch")) < 2:
            await asyncio.sleep(0)
        one.answers["f"] = 1
        assert await crew.ask([A], "f", PATIENCE_S) == {A: 1}

    run(test)


@pytest.mark.usefixtures("hasty")
def test_who_cannot_be_asked_is_told_with_the_reason_that_ray_finds_later() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.watch(A)
        asyncio.get_running_loop().call_later(0.01, one.die)
        one.answers["f"] = UNAVAILABLE
        await crew.ask([A], "f", PATIENCE_S)

    assert raised(test) == "replica-0 died: It is dead."


def test_who_cannot_be_asked_is_named_where_ray_finds_no_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew_module, "NODE_LOSS_S", 0.01)

    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        one.answers["f"] = UNAVAILABLE
        await crew.ask([A], "f", PATIENCE_S)

    assert raised(test) == "replica-0 cannot be reached"


def test_who_is_watched_and_stops_breaks_off_what_is_guarded() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.watch(A)
        one.open["watch"].set_result("ValueError: 3")
        await forever()

    assert raised(test) == "replica-0 stopped: ValueError: 3"


def test_a_watch_outlasts_what_is_guarded() -> None:
    async def join(crew: Crew, actor: Actor) -> None:
        crew.join(A, actor)
        crew.watch(A)

    async def test() -> None:
        crew, actor = Crew(), Actor()
        await crew.guard(join(crew, actor))
        actor.die()
        with pytest.raises(ClusterError, match=r"^replica-0 died: It is dead\.$"):
            await asyncio.wait_for(crew.guard(forever()), PATIENCE_S)

    asyncio.run(test())


def test_who_leaves_may_die() -> None:
    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.watch(A)
        crew.watch(B)
        crew.leave(A)
        one.die()
        assert await crew.ask([B], "f", PATIENCE_S) == {B: None}
        new = Actor()
        crew.join(A, new)
        crew.watch(A)
        assert await crew.ask([A], "f", PATIENCE_S) == {A: None}
        assert new.called("f") == [[]]

    run(test)


def test_what_goes_on_beside_breaks_off_what_is_guarded_where_it_fails() -> None:
    async def beside() -> None:
        raise ClusterError("enough")

    async def test(crew: Crew, one: Actor, other: Actor) -> None:
        crew.beside(beside())
        await forever()

    assert raised(test) == "enough"
