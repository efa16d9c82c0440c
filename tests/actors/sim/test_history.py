"""The record says what was sent, received, executed, decided and proposed, and disturbs nothing."""

from collections.abc import Sequence
from itertools import count
from typing import cast

import numpy as np
import pytest

from actors.core.batch_ids import encode_ids
from actors.core.columns import U32, Cells, Columns
from actors.core.config import LoadConfig
from actors.core.effects import Effect, Send
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address, BatchId, Instance, ReplicaId
from actors.core.log import Log
from actors.core.messages import Propose, Replies, Requests
from actors.core.registry import PROTOCOLS, REPLICATED, ReplicaNode
from actors.services import kv
from actors.services.kv import KvService, KvWorkload
from actors.services.null import NullService, NullWorkload
from actors.sim.checkers import check_all, liveness
from actors.sim.history import (
    Decision,
    History,
    IdentifiedService,
    IdentifiedWorkload,
    Recorder,
    Replied,
    Request,
    Sent,
    request_of,
    stamped,
    unstamped,
)
from actors.sim.network import Network
from actors.sim.process import Watch
from actors.sim.world import World
from tests.actors.core.wired import columns

FIRST, SECOND = stamped(Request(0, 1), kv.put(b"k", b"v")), stamped(Request(1, 1), kv.get(b"k"))


def identified(service: NullService | KvService, moment: int = 0) -> IdentifiedService:
    return IdentifiedService(service, lambda: moment)


# --- Stamps -------------------------------------------------------------------------------------


def test_a_stamp_names_the_request_and_comes_off_again() -> None:
    command = stamped(Request(7, 1 << 31), b"abc")
    assert request_of(command) == Request(7, 1 << 31)
    assert unstamped(command) == b"abc"


def test_what_is_too_short_for_a_stamp_still_has_a_name() -> None:
    assert request_of(b"\1") == Request(1, 0)


@pytest.mark.parametrize("workload", [NullWorkload, KvWorkload])
def test_commands_carry_their_stamps_and_are_otherwise_those_of_the_workload(
    workload: type[NullWorkload] | type[KvWorkload],
) -> None:
    clients, sequences = np.array([3, 0, 5], U32), np.array([1, 2, 9], U32)
    plain = list(workload(LoadConfig()).commands(clients, sequences).values())
    commands = IdentifiedWorkload(workload(LoadConfig())).commands(clients, sequences)
    assert list(map(request_of, commands.values())) == [(3, 1), (0, 2), (5, 9)]
    assert list(map(unstamped, commands.values())) == plain


# --- Services -----------------------------------------------------------------------------------


def test_a_service_gets_commands_without_stamps_and_its_order_is_kept() -> None:
    service = identified(KvService(), moment=4)
    first = service.execute(Cells.of([FIRST]))
    second = service.execute(Cells.of([SECOND, FIRST]))
    assert [*first.values(), *second.values()] == [b"\0", b"\0v", b"\0"]
    assert service.order == [FIRST, SECOND, FIRST]
    assert service.moments == [4, 4, 4]


def test_a_command_without_a_stamp_is_recorded_and_does_not_raise() -> None:
    service = identified(KvService())
    assert list(service.execute(Cells.of([b"abc"])).values()) == [bytes([kv.Status.MALFORMED])]
    assert service.order == [b"abc"]


def test_a_snapshot_carries_the_state_and_the_whole_order() -> None:
    former, later = identified(KvService()), identified(KvService(), moment=9)
    former.execute(Cells.of([FIRST]))
    later.restore(former.snapshot())
    replies = later.execute(Cells.of([SECOND]))
    assert list(replies.values()) == [b"\0v"]
    assert later.order == [FIRST, SECOND]
    assert later.moments == [9, 9]
    assert former.order == [FIRST]


def test_a_snapshot_replaces_what_was_executed_before() -> None:
    service = identified(KvService())
    snapshot = service.snapshot()
    service.execute(Cells.of([FIRST]))
    service.restore(snapshot)
    assert service.order == service.moments == []


@pytest.mark.parametrize("snapshot", [b"", b"\xc1", NullService().snapshot()])
def test_what_is_no_snapshot_is_refused(snapshot: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="snapshot"):
        identified(NullService()).restore(snapshot)


# --- Clients ------------------------------------------------------------------------------------


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_clients_frames_become_events_with_the_time_of_the_world() -> None:
    config = LoadConfig(clients=2, service="kv", requests_per_frame_max=1)
    clock = Clock()
    recorder = Recorder(config, clock)
    clients = recorder.clients(0, config, recorder.workload(config), "replica")
    clock.now_s = 5.0
    clients.start(100.0)
    clients.drain()
    clock.now_s = 6.0
    frame = columns((1, 1, b"long"), (0, 1, b"")).encode()
    clients.on_message(Address("replica", 0), Replies(frame), 101.0)
    clients.drain()
    events = recorder.history().events
    assert [(type(e), e.moment, e.at_s, e.request) for e in events] == [
        (Sent, 0, 5.0, (0, 1)),
        (Sent, 1, 5.0, (1, 1)),
        (Replied, 2, 6.0, (1, 1)),
        (Replied, 2, 6.0, (0, 1)),
        (Sent, 3, 6.0, (1, 2)),
        (Sent, 4, 6.0, (0, 2)),
    ]
    assert all(request_of(e.command) == e.request for e in events if isinstance(e, Sent))
    assert [e.reply for e in events if isinstance(e, Replied)] == [b"long", b""]


def test_the_first_sending_and_the_first_reply_count() -> None:
    def sent(moment: int) -> Sent:
        return Sent(moment, float(moment), Request(0, 1), FIRST)

    def replied(moment: int) -> Replied:
        return Replied(moment, float(moment), Request(0, 1), b"")

    events = [sent(0), sent(1), replied(2), replied(3)]
    assert History(KvService, 2, events, []).calls == {(0, 1): (sent(0), replied(2))}


# --- Replicas -----------------------------------------------------------------------------------


class FakeOrdering:
    def __init__(self) -> None:
        self.log = Log()


class FakeReplica:
    """A replica that holds what it is told to hold."""

    is_recovering = False

    def __init__(self, *held: BatchId) -> None:
        self.ordering = FakeOrdering()
        self.watch: Watch | None = None
        self._held = held

    def holds(self, batch: BatchId) -> bool:
        return batch in self._held

    def decide(self, *decided: tuple[Instance, bytes]) -> None:
        for instance, value in decided:
            self.ordering.log.decide(instance, value)


BATCH = BatchId(4, 1)


def observe(
    recorder: Recorder, host: ReplicaId, replica: FakeReplica, effects: Sequence[Effect] = ()
) -> None:
    if replica.watch is None:
        replica.watch = recorder.watch(host, cast(ReplicaNode, replica))
    replica.watch(effects, True)


def recorder_of(protocol: str = "spaxos") -> Recorder:
    return Recorder(LoadConfig(protocol=protocol), Clock())


def proposal_of(*batches: BatchId) -> Send:
    return Send((Address("replica", 1),), Propose(0, 0, encode_ids(list(batches)), 0))


def test_each_decision_of_each_replica_is_noted_once() -> None:
    recorder, one, other = recorder_of(), FakeReplica(), FakeReplica()
    one.decide((0, b"a"))
    observe(recorder, 0, one)
    observe(recorder, 0, one)
    other.decide((0, b"b"), (1, b"c"))
    observe(recorder, 1, other)
    decisions = [(d.host, d.instance, d.value) for d in recorder.history().decisions]
    assert decisions == [(0, 0, b"a"), (1, 0, b"b"), (1, 1, b"c")]


def test_what_is_decided_out_of_order_is_noted_though_the_replica_is_gone() -> None:
    recorder, former, later = recorder_of(), FakeReplica(), FakeReplica()
    former.decide((0, b"a"), (2, b"c"))
    observe(recorder, 0, former)
    later.decide((0, b"a"))
    observe(recorder, 0, later)
    assert sorted(d[2:] for d in recorder.history().decisions) == [(0, b"a"), (0, b"a"), (2, b"c")]


def test_what_a_snapshot_skips_is_no_decision() -> None:
    recorder, replica = recorder_of(), FakeReplica()
    observe(recorder, 0, replica)
    replica.ordering.log.jump(5)
    replica.decide((5, b"f"))
    observe(recorder, 0, replica)
    assert recorder.history().decisions == [Decision(0.0, 0, 5, b"f")]


def test_a_proposal_says_who_holds_the_batch_the_first_time_it_is_proposed() -> None:
    recorder = recorder_of()
    for host, replica in enumerate([FakeReplica(BATCH), FakeReplica()]):
        observe(recorder, host, replica)
    observe(recorder, 2, FakeReplica(BATCH), [proposal_of(BATCH)])
    observe(recorder, 1, FakeReplica(BATCH), [proposal_of(BATCH)])
    (proposal,) = recorder.history().proposals
    assert (proposal.leader, proposal.batch, proposal.holders) == (2, BATCH, (0, 2))


def test_a_replica_counts_with_what_its_former_life_held_until_it_has_recovered() -> None:
    recorder, former, later = recorder_of(), FakeReplica(BATCH), FakeReplica(BatchId(0, 2))
    observe(recorder, 0, former)
    later.is_recovering = True
    observe(recorder, 0, later)
    observe(recorder, 1, FakeReplica(), [proposal_of(BATCH)])
    later.is_recovering = False
    observe(recorder, 0, later)
    observe(recorder, 1, FakeReplica(), [proposal_of(BatchId(1, 1), BatchId(0, 2))])
    assert [p.holders for p in recorder.history().proposals] == [(0,), (), (0,)]


def test_values_that_name_no_batches_are_not_read() -> None:
    recorder = recorder_of("jpaxos")
    observe(recorder, 0, FakeReplica(), [Send((), Propose(0, 0, b"requests", 0))])
    assert recorder.history().proposals == []


def test_each_life_of_a_replica_has_its_order_and_only_the_last_has_settled() -> None:
    recorder = Recorder(LoadConfig(service="kv"), Clock())
    former, later = recorder.service(1), recorder.service(1)
    former.execute(Cells.of([FIRST]))
    later.restore(former.snapshot())
    later.execute(Cells.of([SECOND]))
    orders = recorder.history(settled=[1]).orders
    assert [(o.host, o.life, o.requests, o.settled) for o in orders] == [
        (1, 0, [(0, 1)], False),
        (1, 1, [(0, 1), (1, 1)], True),
    ]
    assert list(map(str, orders)) == ["replica 1", "replica 1 in life 1"]


# --- Whole systems ------------------------------------------------------------------------------


class RecordedSystem:
    """A system in a world, with a recorder around it."""

    def __init__(self, config: LoadConfig, network: Network) -> None:
        self.config = config
        self.world = World(config.seed, network)
        self.recorder = Recorder(config, lambda: self.world.now)
        protocol = PROTOCOLS[config.protocol]
        for host in range(config.replicas):
            replica = protocol.replica(host, config, self.recorder.service(host), ())
            watch = self.recorder.watch(host, replica)
            self.world.add(Address("replica", host), replica, watch)
            if protocol.coordinator:
                self.world.add(Address("coordinator", host), protocol.coordinator(host, config, ()))
        workload = self.recorder.workload(config)
        self.clients = self.recorder.clients(0, config, workload, protocol.clients_talk_to)
        self.world.add(Address("fleet", 0), self.clients)

    def crash(self, host: ReplicaId) -> None:
        for role in ("replica", "coordinator"):
            if Address(role, host) in self.world.nodes:
                self.world.crash(Address(role, host))


@pytest.mark.parametrize("protocol", REPLICATED)
@pytest.mark.parametrize("service", ["null", "kv"])
@pytest.mark.parametrize("seed", range(5))
def test_the_record_of_a_whole_system_that_loses_its_leader_is_complete_and_clean(
    protocol: str, service: str, seed: int
) -> None:
    config = LoadConfig(
        protocol=protocol,
        service=service,
        seed=seed,
        clients=5,
        kv_keys=3,
        requests_per_frame_max=seed % 3,
        suspect_timeout_ms=50,
        heartbeat_interval_ms=10,
        client_timeout_ms=100,
        retransmit_timeout_ms=20,
    )
    system = RecordedSystem(config, Network(delay_max_s=0.003, loss=0.05, duplication=0.2))
    system.world.run(0.1)
    system.crash(0)
    system.world.run(1.0)
    assert check_all(system.recorder.history()) == []
    system.clients.stop()
    system.world.run(5.0)
    history = system.recorder.history(settled=[1, 2])
    assert check_all(history) == []
    assert liveness(history, range(config.clients), healed_at_s=0.1, bound_s=1.0, requests=2) == []
    acknowledged = [request for request, call in history.calls.items() if call.replied]
    assert len(acknowledged) == system.clients.acknowledged().sum()
    assert len(history.orders[1].commands) >= len(acknowledged)
    assert {decision.host for decision in history.decisions} == {0, 1, 2}
    assert bool(history.proposals) == (protocol == "spaxos")


def test_a_service_that_answers_wrongly_now_and_then_is_found_out_in_a_whole_system() -> None:
    config = LoadConfig(service="kv", clients=3, kv_keys=2)
    system = RecordedSystem(config, Network())
    execute, executions = KvService.execute, count()

    def wrong(service: KvService, commands: Cells) -> Cells:
        cells = execute(service, commands)
        return Cells.of([b"\0oops"] * cells.count) if next(executions) % 10 == 0 else cells

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KvService, "execute", wrong)
        system.world.run(0.2)
    assert {violation.checker for violation in check_all(system.recorder.history())} == {"replies"}


def test_requests_are_recorded_as_they_leave() -> None:
    """What the record has of a frame is what the columns in it say."""
    config = LoadConfig(clients=4, service="kv", requests_per_frame_max=0)
    recorder = Recorder(config, Clock())
    clients = recorder.clients(0, config, recorder.workload(config), "replica")
    clients.start(0.0)
    (frame,) = [
        effect.message.requests
        for effect in clients.drain()
        if isinstance(effect, Send) and isinstance(effect.message, Requests)
    ]
    sent = [event.command for event in recorder.history().events if isinstance(event, Sent)]
    assert sent == list(Columns.decode(frame).cells.values())
