"""Replicas, coordinators and fleets as they are, without Ray: real TCP on one event loop."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec
import pytest

from actors import hosted
from actors.client import ClientFleet
from actors.coordinator import Coordinator
from actors.core.config import LoadConfig
from actors.core.errors import RestartError
from actors.core.ids import Address
from actors.core.journal import Started
from actors.model.profiles import PROFILES
from actors.replica import Replica
from actors.storage.errors import StorageError
from actors.storage.journal import Journal
from actors.transport.ray_call import HEAD, OrderError
from tests.actors.loopback import LOOPBACK, PATIENCE_S, SECRET, System
from tests.actors.transport.called import Called

pytestmark = pytest.mark.usefixtures("frozen")

LOAD_S = 0.15

SYSTEMS = {
    "jpaxos alone": LoadConfig(protocol="jpaxos", replicas=1, clients=1),
    "jpaxos": LoadConfig(protocol="jpaxos", replicas=3, clients=50),
    "jpaxos kv": LoadConfig(protocol="jpaxos", replicas=3, clients=50, service="kv", fleets=3),
    "jpaxos apart": LoadConfig(protocol="jpaxos", clients=20, fleets=2, requests_per_frame_max=1),
    "multipaxos": LoadConfig(protocol="multipaxos", replicas=3, clients=20),
    "spaxos alone": LoadConfig(protocol="spaxos", replicas=1, clients=1),
    "spaxos": LoadConfig(protocol="spaxos", replicas=3, clients=50),
    "spaxos kv": LoadConfig(protocol="spaxos", replicas=3, clients=50, service="kv", fleets=3),
    "spaxos apart": LoadConfig(protocol="spaxos", clients=20, fleets=2, requests_per_frame_max=1),
}


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))


@pytest.mark.parametrize("config", SYSTEMS.values(), ids=SYSTEMS.keys())
def test_every_client_is_answered_and_every_replica_agrees(config: LoadConfig) -> None:
    async def test() -> None:
        async with System(config) as system:
            await system.run(LOAD_S)
            await system.settle(system.replicas)
            assert (await system.acknowledged() > 0).all()
            assert await system.verdict(system.replicas) == "ok"

    run(test)


@pytest.mark.parametrize("name", ["jpaxos kv", "spaxos kv"])
def test_latencies_tell_of_every_answer(name: str) -> None:
    async def test() -> None:
        async with System(SYSTEMS[name]) as system:
            await system.run(LOAD_S)
            tables = [await fleet.latencies() for fleet in system.fleets]
            for table in tables:
                assert table.counts.sum() == table.completed.sum() > 0
            answered = sum(table.completed.sum() for table in tables)
            assert answered == (await system.acknowledged()).sum()

    run(test)


@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_requests_and_replies_share_frames_only_where_they_may(protocol: str) -> None:
    async def frames_per_request(name: str) -> tuple[float, float]:
        async with System(SYSTEMS[name]) as system:
            await system.run(LOAD_S)
            fleets = [address for address in system.nodes if address.role == "fleet"]
            counts = [system.counts(fleet) for fleet in fleets]
            requests = (await system.acknowledged()).sum()
            replies_in = sum(each["network_frames_in"] for each in counts)
            requests_out = sum(each["network_frames_out"] for each in counts)
            return replies_in / requests, requests_out / requests

    async def test() -> None:
        apart = await frames_per_request(f"{protocol} apart")
        assert all(frames >= 1 for frames in apart)
        together = await frames_per_request(protocol)
        assert all(frames < 1 for frames in together)

    run(test)


def test_calls_out_of_order_stop_the_host_which_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(hosted, "_this_actor", lambda: None)
        replica = Replica(0, LoadConfig(protocol="jpaxos", transport="ray"), SECRET)
        peer = await Called(Address("replica", 1)).listen()
        await replica.listen(LOOPBACK)
        await replica.meet(peer.me, 7, peer.endpoint)
        assert await replica.take(HEAD.pack(7, 0))
        with pytest.raises(OrderError):
            await replica.take(HEAD.pack(7, 2))
        assert await replica.watch() == "OrderError: call 2 of replica-1 came where 1 was due"
        await replica.stop()

    run(test)


# --- Faults ---------------------------------------------------------------------------------------


async def send_garbage(system: System, address: Address) -> None:
    """Connect to a node, say something impolite, and wait until it hangs up."""
    reader, writer = await asyncio.open_connection(*system.endpoints[address][:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("name", ["jpaxos", "spaxos"])
def test_a_stranger_is_turned_away_and_counted_and_harms_nobody(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with System(SYSTEMS[name]) as system:
            strangers = [send_garbage(system, address) for address in system.nodes]
            await system.run(0.3, *strangers)
            await system.settle(system.replicas)
            assert await system.verdict(system.replicas) == "ok"
            for address in system.nodes:
                counts = system.counts(address)
                assert counts["handshakes_rejected"] == 1, address
                assert counts["reconnects"] == counts["frames_rejected"] == 0, address
            assert len(caplog.records) == len(system.nodes)

    with caplog.at_level(logging.WARNING):
        run(test)


async def stop_when_busy(system: System, host: int) -> None:
    """Stop a host in the middle of the run."""
    assert await system.replicas[host].wait_executed(3, PATIENCE_S)
    await system.replicas[host].stop()
    for coordinator in system.coordinators[host : host + 1]:
        await coordinator.stop()


@pytest.mark.parametrize("stopped", [0, 2], ids=["leader", "follower"])
@pytest.mark.parametrize("name", ["jpaxos kv", "spaxos kv"])
def test_the_other_hosts_go_on_without_one(name: str, stopped: int) -> None:
    """Every client is answered, also those of the host that is gone."""
    config = msgspec.structs.replace(
        SYSTEMS[name],
        client_timeout_ms=100.0,
        suspect_timeout_ms=100.0,
        heartbeat_interval_ms=20.0,
    )

    async def test() -> None:
        async with System(config) as system:
            await system.run(1.0, stop_when_busy(system, stopped))
            left = [each for host, each in enumerate(system.replicas) if host != stopped]
            await system.settle(left)
            gone = await system.replicas[stopped].executed_batches()
            assert all([await replica.executed_batches() > gone for replica in left])
            assert await system.verdict(left) == "ok"

    run(test)


@pytest.mark.parametrize("name", ["jpaxos", "spaxos"])
def test_a_replica_that_is_told_to_suspect_the_leader_leads(name: str) -> None:
    async def promote(system: System) -> None:
        assert await system.replicas[0].wait_leading(-1, PATIENCE_S) == 0
        await system.replicas[2].suspect_leader()
        assert await system.replicas[2].wait_leading(0, PATIENCE_S) == 2
        assert await system.replicas[0].wait_leading(0, 0.0) is None

    async def test() -> None:
        async with System(SYSTEMS[name]) as system:
            await system.run(0.3, promote(system))
            await system.settle(system.replicas)
            assert await system.verdict(system.replicas) == "ok"

    run(test)


def test_a_leader_that_is_cut_off_is_replaced_and_catches_up_once_healed() -> None:
    """Each end of a link loses what it sends itself."""
    config = msgspec.structs.replace(
        SYSTEMS["jpaxos kv"],
        client_timeout_ms=100.0,
        suspect_timeout_ms=100.0,
        heartbeat_interval_ms=20.0,
    )
    first, *others = (Address("replica", host) for host in range(3))

    async def cut_off(system: System) -> None:
        await system.replicas[0].cut(others)
        for replica in system.replicas[1:]:
            await replica.cut([first])
        leading = [
            asyncio.create_task(replica.wait_leading(0, PATIENCE_S))
            for replica in system.replicas[1:]
        ]
        await asyncio.wait(leading, return_when=asyncio.FIRST_COMPLETED)
        for replica in system.replicas:
            await replica.heal()
        for task in leading:
            task.cancel()

    async def test() -> None:
        async with System(config) as system:
            await system.run(0.5, cut_off(system))
            await system.settle(system.replicas)
            assert await system.verdict(system.replicas) == "ok"
            assert all(system.counts(each)["messages_cut"] > 0 for each in (first, *others))

    run(test)


@pytest.mark.parametrize("name", ["jpaxos kv", "spaxos kv"])
def test_slow_links_only_cost_time(name: str) -> None:
    async def slow(system: System) -> None:
        await system.replicas[1].slow([Address("replica", 0), Address("replica", 2)], 20)

    async def test() -> None:
        async with System(SYSTEMS[name]) as system:
            await system.run(LOAD_S, slow(system))
            await system.settle(system.replicas)
            assert await system.verdict(system.replicas) == "ok"
            assert all(system.counts(each)["messages_cut"] == 0 for each in system.nodes)

    run(test)


def test_who_returns_connects_as_far_as_it_goes() -> None:
    async def test() -> None:
        replica = Replica(0, LoadConfig(), SECRET)
        await replica.listen(LOOPBACK)
        await replica.reconnect({}, [Address("replica", 1)], 0.01)
        await replica.stop()

    run(test)


def test_a_replica_that_never_went_down_has_nothing_to_recover_from() -> None:
    async def test() -> None:
        async with System(SYSTEMS["jpaxos"]) as system:
            assert await system.replicas[1].wait_recovered(PATIENCE_S)

    run(test)


def test_waiting_for_a_peer_that_never_comes_names_it() -> None:
    async def test() -> None:
        replica = Replica(0, LoadConfig(), SECRET)
        await replica.listen(LOOPBACK)
        with pytest.raises(TimeoutError, match="replica-0 misses replica-1 after"):
            await replica.connect({}, [Address("replica", 1)], 0.01)
        await replica.stop()

    run(test)


# --- Hosts with limits ----------------------------------------------------------------------------

ETHERNET = PROFILES["ethernet-100mbit"]


@pytest.mark.parametrize("dilation", [1.0, 2.0])
@pytest.mark.parametrize("name", ["jpaxos", "spaxos kv"])
def test_hosts_with_limits_answer_every_client(name: str, dilation: float, tmp_path: Path) -> None:
    config = msgspec.structs.replace(SYSTEMS[name], **ETHERNET, dilation=dilation)

    async def test() -> None:
        async with System(config, str(tmp_path)) as system:
            await system.run(LOAD_S)
            await system.settle(system.replicas)
            assert (await system.acknowledged() > 0).all()
            assert await system.verdict(system.replicas) == "ok"
            assert system.counts(Address("replica", 0))["handed_over"] > 0
            assert "handed_over" not in system.counts(Address("fleet", 0))

    run(test)


def test_the_actors_of_a_host_share_its_budget_and_no_others_do(tmp_path: Path) -> None:
    """What one of them has taken is gone for the other: a second of the host's network."""
    config = msgspec.structs.replace(SYSTEMS["spaxos"], **ETHERNET)

    async def test() -> None:
        nodes = [
            Replica(1, config, SECRET),
            Coordinator(1, config, SECRET),
            Coordinator(2, config, SECRET),
        ]
        for node in nodes:
            await node.listen(LOOPBACK, str(tmp_path))
        replica, coordinator, elsewhere = (node._host.transport._budget for node in nodes)
        second = 12_500_000
        assert replica.put_out(1e9, 0.0, second) == pytest.approx(1e9 + 1)
        assert coordinator.put_out(1e9, 0.0, second) == pytest.approx(1e9 + 2)
        assert elsewhere.put_out(1e9, 0.0, second) == pytest.approx(1e9 + 1)
        for node in nodes:
            await node.stop()

    run(test)


def test_an_actor_that_comes_back_finds_the_budget_of_its_host_as_it_left_it(
    tmp_path: Path,
) -> None:
    config = msgspec.structs.replace(SYSTEMS["spaxos"], **ETHERNET)

    async def test() -> None:
        for life in (1, 2):
            replica = Replica(0, config, SECRET)
            await replica.listen(LOOPBACK, str(tmp_path))
            ends_at = replica._host.transport._budget.put_out(1e9, 0.0, 12_500_000)
            assert ends_at == pytest.approx(1e9 + life)
            await replica.stop()

    run(test)


@pytest.mark.parametrize(
    ("number", "cores_per_host", "pinned"),
    [(0, 2, [{4, 5}]), (1, 2, [{6, 7}]), (2, 2, [{4, 5}]), (1, 3, [{7, 4, 5}]), (0, 0, [])],
)
def test_a_host_is_pinned_to_cores_of_its_own_as_far_as_there_are_some(
    monkeypatch: pytest.MonkeyPatch, number: int, cores_per_host: int, pinned: list[set[int]]
) -> None:
    chosen: list[set[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: chosen.append(cores))
    config = LoadConfig(cores_per_host=cores_per_host)

    async def test() -> None:
        for node in (Replica(number, config, SECRET), ClientFleet(0, config, SECRET)):
            await node.listen(LOOPBACK)
            await node.stop()

    run(test)
    assert chosen == pinned


# --- Watching -------------------------------------------------------------------------------------


def test_a_watch_says_that_a_node_was_stopped() -> None:
    async def test() -> None:
        replica = Replica(0, LoadConfig(replicas=1), SECRET)
        await replica.listen(LOOPBACK)
        watch = asyncio.create_task(replica.watch())
        await replica.start()
        assert not watch.done()
        await replica.stop()
        assert await watch == "as asked"

    run(test)


def test_a_watch_says_in_one_line_what_stopped_a_node() -> None:
    """Whoever watches need not be able to rebuild the exception."""

    class Odd(Exception):  # noqa: N818 # It is that, too.
        def __init__(self, one: int, other: int) -> None:
            super().__init__(f"{one}\nand {other}")

    async def test() -> None:
        async with System(SYSTEMS["jpaxos alone"]) as system:

            def execute(batch: bytes) -> None:
                raise Odd(1, 2)

            system.replicas[0]._node.executor.execute = execute
            loads = asyncio.create_task(system.fleets[0].run(0.0))
            assert await system.replicas[0].watch() == "Odd: 1 and 2"
            loads.cancel()

    run(test)


# --- Storage that does not do ---------------------------------------------------------------------

BUILDERS = {
    "replica": lambda folder, model: Replica(0, LoadConfig(crash_model=model), SECRET, str(folder)),
    "coordinator": lambda folder, model: Coordinator(
        0, LoadConfig(protocol="spaxos", crash_model=model), SECRET, str(folder)
    ),
}


def stored(folder: Path, *records: bytes) -> None:
    journal = Journal.open(folder)
    for record in records:
        journal.append(record)
    journal.sync()
    journal.close()


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_who_must_not_return_says_why_and_what_would_be_right(build, tmp_path: Path) -> None:
    stored(tmp_path, msgspec.msgpack.encode(Started(1)))
    with pytest.raises(RestartError) as refusal:
        build(tmp_path, "crash_stop")
    assert str(refusal.value) == (
        f"{tmp_path}: crash_model = crash_stop: "
        "who forgets its votes must not return; use epoch or full"
    )


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_records_of_something_else_are_refused_and_the_folder_is_given_up(
    build, tmp_path: Path
) -> None:
    stored(tmp_path, b"nonsense")
    for _ in range(2):
        with pytest.raises(RestartError, match=f"^{tmp_path}: .* makes no sense: [^\n]*$"):
            build(tmp_path, "full")


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_folder_that_cannot_be_made_is_told_with_its_path(build, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=f"^cannot open {tmp_path}/file/x/journal: [^\n]*$"):
        build(tmp_path / "file" / "x", "full")
