"""Clusters on a local Ray: where actors live, and that none survives its cluster."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil
import pytest
import ray

from actors import stage as stage_module
from actors.cluster import Cluster, Measurements
from actors.core.config import LoadConfig
from actors.core.ids import Address, Role
from actors.errors import ClusterError
from actors.faults import Timeline, parse
from actors.host import BIN_S
from actors.injector import LOAD_HAS_ENDED
from actors.newsroom import Newsroom
from actors.stage import Stage
from actors.transport.base import Endpoint
from experiments.live import LiveBackend
from tests.actors.on_ray import PATIENCE_S, assert_nothing_is_left, processes

LONG_S = 600.0
"""A load that no test waits for."""


def addresses(role: str, count: int) -> list[Address]:
    return [Address(role, number) for number in range(count)]


def _place(actor: Any) -> tuple[str, set[str]]:
    """Return the node that Ray put an actor on, and its bundle by the names of its resources."""
    resources = ray._private.worker.global_worker.core_worker.resource_ids()
    node = ray.get_runtime_context().get_node_id()
    return node, {name for name in resources if name.startswith("CPU_group_")}


@pytest.mark.ray
def test_a_hosts_replica_and_coordinator_share_a_bundle_with_nobody_else(live: LiveBackend) -> None:
    with Cluster(LoadConfig(protocol="spaxos", replicas=3, clients=3)) as cluster:
        once = processes(cluster)
        actors = cluster._crew._actors
        places = dict(
            zip(
                actors,
                ray.get([each.__ray_call__.remote(_place) for each in actors.values()]),
                strict=True,
            )
        )
        for host in range(3):
            assert places[Address("replica", host)] == places[Address("coordinator", host)]
        bundles = [places[replica][1] for replica in addresses("replica", 3)]
        assert all(bundles)
        assert len(set.union(*bundles) - set.intersection(*bundles)) == 3, places
        assert len({process.pid for process in once.values()}) == len(actors) == 3 + 3 + 1
    assert_nothing_is_left(once.values())


def _when_busy(cluster: Cluster, act: Callable[[], None]) -> None:
    """Act in the middle of the run, when replica 0 has executed something."""
    ray.get(cluster._crew._actors[Address("replica", 0)].wait_executed.remote(3, PATIENCE_S))
    act()


@pytest.mark.ray
@pytest.mark.timeout(60)  # Far less than the load: its end is not waited for.
@pytest.mark.parametrize(
    ("protocol", "victim"),
    [
        ("jpaxos", Address("replica", 1)),
        ("spaxos", Address("coordinator", 2)),
        ("jpaxos", Address("fleet", 0)),
    ],
    ids=str,
)
def test_the_death_of_any_actor_ends_the_run_at_once_and_names_it(
    live: LiveBackend, protocol: str, victim: Address
) -> None:
    with ThreadPoolExecutor() as threads, Cluster(LoadConfig(protocol=protocol)) as cluster:
        once = processes(cluster)
        killing = threads.submit(_when_busy, cluster, once[victim].kill)
        with pytest.raises(ClusterError) as raised:
            cluster.run(LONG_S)
        killing.result()
    told = str(raised.value)
    assert told.startswith(f"{victim} died: ")
    assert "worker process has died" in told
    assert "\n" not in told
    assert_nothing_is_left(once.values())


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_ctrl_c_in_a_run_leaves_nothing_behind(live: LiveBackend) -> None:
    once = {}

    def interrupted() -> None:
        with Cluster(LoadConfig()) as cluster:
            once.update(processes(cluster))
            threads.submit(_when_busy, cluster, partial(os.kill, os.getpid(), signal.SIGINT))
            cluster.run(LONG_S)

    with ThreadPoolExecutor() as threads, pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_nothing_is_left(once.values())


@pytest.mark.ray
def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing_behind(live: LiveBackend) -> None:
    with pytest.raises(ClusterError) as raised:
        Cluster(LoadConfig(replicas=1, service="nowhere:SERVICE")).__enter__()
    missing = "ModuleNotFoundError: No module named 'nowhere'"
    reason = f"LookupError: no service 'nowhere:SERVICE': {missing}"
    assert str(raised.value).endswith(f"-0 died: {reason}")
    assert_nothing_is_left()


@pytest.mark.ray
def test_nobody_answers_in_time_is_told_with_names(
    live: LiveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "CALL_TIMEOUT_S", 0.0)
    with pytest.raises(ClusterError) as raised:
        Cluster(LoadConfig(replicas=1)).__enter__()
    assert str(raised.value) == "replica-0, fleet-0: no answer to process after 0 s"
    assert_nothing_is_left()


# --- Who watches ----------------------------------------------------------------------------------


def test_a_run_of_which_nobody_can_hear_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    async def running() -> bool:
        async with Cluster(LoadConfig())._told_to([print]):
            return True

    monkeypatch.setattr(Newsroom, "open", refuse)
    assert asyncio.run(running())
    assert "nobody hears of this run: [Errno 24] Too many open files" in caplog.text


def test_a_newsroom_to_which_nobody_reports_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def refuse(_: Stage, newsroom: Endpoint) -> None:
        opened.append(newsroom)
        raise ClusterError("replica-0: no answer to report after 30 s")

    async def running() -> None:
        with pytest.raises(ClusterError, match="no answer"):
            async with Cluster(LoadConfig())._told_to([print]):
                pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(opened[0].host, opened[0].port)

    monkeypatch.setattr(Stage, "report_to", refuse)
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    asyncio.run(running())


# --- Faults ---------------------------------------------------------------------------------------

IMPATIENT = LoadConfig(
    clients=50, heartbeat_interval_ms=50.0, suspect_timeout_ms=300.0, client_timeout_ms=300.0
)


class Carried(NamedTuple):
    """Fault words that were carried out on a cluster."""

    measurements: Measurements
    before: dict[Address, psutil.Process]
    after: dict[Address, psutil.Process]

    @property
    def told(self) -> list[tuple[str, str]]:
        """What happened to whom, but for who leads."""
        return [row[1:3] for row in self.measurements.events if row[1] != "view"]


def _timeline(words: str, window_s: float) -> Timeline:
    return Timeline(parse(words), window_s=window_s, replicas=3)


def _carry_out(words: str, load_s: float, **settings: Any) -> Carried:
    """Carry out fault words in a run that must be safe and answer to the end, and leave nothing."""
    with Cluster(msgspec.structs.replace(IMPATIENT, **settings)) as cluster:
        before = processes(cluster)
        cluster.run(load_s, _timeline(words, load_s))
        after = processes(cluster)
        measurements = cluster.measurements()
        folders = _folders(cluster)
        assert all(folder.is_dir() for folder in folders)
    assert_nothing_is_left([*before.values(), *after.values()])
    assert not any(folder.exists() for folder in folders)
    assert measurements.safety == "ok"
    last_s = max(row[0] for row in measurements.events if row[3] != LOAD_HAS_ENDED)
    answered = sum(
        table.completed[int(last_s / BIN_S) + 1 :].sum()
        for table in measurements.latencies.values()
    )
    assert answered > 0, measurements.events
    return Carried(measurements, before, after)


def _folders(cluster: Cluster) -> list[Path]:
    keepers = cluster._stage._keepers._actors.values()
    return [Path(folder) for folder in ray.get([keeper.folder.remote() for keeper in keepers])]


@pytest.mark.ray
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_a_leader_is_killed_and_the_others_go_on(live: LiveBackend, protocol: str) -> None:
    carried = _carry_out("0.3 kill host leader", 2.5, protocol=protocol)
    assert carried.told == [("kill", "host-0")]
    leaders = [row[2] for row in carried.measurements.events if row[1] == "view"]
    assert leaders
    assert "replica-0" not in leaders
    gone = {address for address in carried.before if address not in carried.after}
    assert {address.number for address in gone} == {0}
    assert "fleet" not in {address.role for address in gone}
    assert {address for address, _ in carried.measurements.meters} == carried.before.keys()


@pytest.mark.ray
@pytest.mark.parametrize(
    ("protocol", "part", "role"),
    [("jpaxos", "host", "replica"), ("spaxos", "coordinator", "coordinator")],
)
def test_who_is_killed_returns_as_another_process_and_is_measured_in_both_lives(
    live: LiveBackend, protocol: str, part: str, role: Role
) -> None:
    words = f"0.3 kill {part} 1; +0 restart it"
    carried = _carry_out(words, 4.0, protocol=protocol, crash_model="epoch")
    told = ["kill", "restart", "recovered"]
    assert carried.told == [(event, f"{part}-1") for event in told]
    assert carried.before.keys() == carried.after.keys()
    changed = {each for each in carried.before if carried.before[each] != carried.after[each]}
    assert changed == {Address(role, 1)}
    lives = Counter(address for address, _ in carried.measurements.meters)
    assert {address for address, count in lives.items() if count == 2} == changed


@pytest.mark.ray
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_all_hosts_are_killed_at_once_and_return_with_all_that_was_acknowledged(
    live: LiveBackend, protocol: str
) -> None:
    kills = "; ".join(f"0.5 kill host {host}" for host in range(3))
    restarts = "; ".join(f"0.6 restart host {host}" for host in range(3))
    carried = _carry_out(f"{kills}; {restarts}", 7.0, protocol=protocol, crash_model="full")
    told = Counter(event for event, _ in carried.told)
    assert told == {"kill": 3, "restart": 3, "recovered": 3}


@pytest.mark.ray
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_hosts_are_paused_and_cut_off_and_slow_and_suspicious(
    live: LiveBackend, protocol: str
) -> None:
    words = """
        0.3 pause host leader
        +0.6 resume it
        +0.2 suspect replica follower
        +0.2 cut host leader
        +0.6 heal
        +0.1 slow host 0 to host 1 by 5ms
    """
    carried = _carry_out(words, 3.5, protocol=protocol)
    verbs = ["pause", "resume", "suspect", "cut", "heal", "slow", "heal"]
    assert [event for event, _ in carried.told] == verbs
    assert carried.before == carried.after


@pytest.mark.ray
@pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
def test_hosts_are_cut_off_and_killed_and_return_where_messages_are_calls(
    live: LiveBackend, protocol: str
) -> None:
    words = "0.3 cut host leader; +0.8 heal; +0.5 kill host 1; +0 restart it"
    patience = {"suspect_timeout_ms": 600.0, "client_timeout_ms": 600.0}
    settings = {"transport": "ray", "crash_model": "epoch", **patience}
    carried = _carry_out(words, 6.0, protocol=protocol, **settings)
    assert [event for event, _ in carried.told] == ["cut", "heal", "kill", "restart", "recovered"]
    counted: Counter[tuple[Address, str]] = Counter()  # Over all lives: a new one may be idle.
    for address, table in carried.measurements.meters:
        for column in ("calls_in", "calls_out", "frames_rejected"):
            counted[address, column] += table.rows[:, table.columns.index(column)].sum()
    for address in carried.after:
        assert counted[address, "calls_in"] > 0, address
        assert counted[address, "calls_out"] > 0, address
        assert counted[address, "frames_rejected"] == 0, address


@pytest.mark.ray
def test_the_clients_of_a_killed_fleet_are_not_judged_and_the_others_are(live: LiveBackend) -> None:
    carried = _carry_out("0.3 kill fleet 1", 1.5, fleets=2)
    assert carried.told == [("kill", "fleet-1")]
    assert carried.measurements.latencies.keys() == set(addresses("fleet", 2))


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_a_death_that_nobody_planned_ends_a_run_with_faults_and_leaves_nothing_behind(
    live: LiveBackend,
) -> None:
    """Also not whoever is paused, whom Ray cannot end."""
    with ThreadPoolExecutor() as threads, Cluster(IMPATIENT) as cluster:
        once = processes(cluster)

        def kill_once_another_is_paused() -> None:
            while once[Address("replica", 2)].status() != psutil.STATUS_STOPPED:
                once[Address("replica", 0)].status()
            once[Address("replica", 1)].kill()

        killing = threads.submit(kill_once_another_is_paused)
        with pytest.raises(ClusterError, match=r"^replica-1 died: "):
            cluster.run(LONG_S, _timeline("0.2 pause host 2; 0.3 kill host 0", LONG_S))
        killing.result()
    assert_nothing_is_left(once.values())


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_a_node_whose_journal_is_damaged_does_not_return(live: LiveBackend) -> None:
    config = msgspec.structs.replace(IMPATIENT, crash_model="full")
    with ThreadPoolExecutor() as threads, Cluster(config) as cluster:
        victim = processes(cluster)[Address("replica", 1)]
        (folder,) = _folders(cluster)

        def damage_once_killed() -> None:
            victim.wait(PATIENCE_S)
            journal = folder / "replica-1" / "journal"
            content = bytearray(journal.read_bytes())
            content[len(content) // 2] ^= 1
            journal.write_bytes(content)

        damaging = threads.submit(damage_once_killed)
        with pytest.raises(ClusterError, match=r"^replica-1 died: StorageError: .*journal"):
            cluster.run(LONG_S, _timeline("0.3 kill host 1; +1 restart it", LONG_S))
        damaging.result()
    assert not folder.exists()
    assert_nothing_is_left()
