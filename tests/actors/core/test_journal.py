"""The journal: what each crash model writes down, and before what is said."""

import pytest

from actors.core.config import Config, CrashModel
from actors.core.effects import Effect, Outbox, Rewrite, Send, Store
from actors.core.errors import RestartError
from actors.core.ids import Address, ReplicaId
from actors.core.journal import (
    AnyRecord,
    Checkpoint,
    Decided,
    Journal,
    Learnt,
    Promise,
    Started,
    Stored,
    Vote,
    decode,
)
from actors.core.jpaxos import JPaxosReplica
from actors.core.messages import (
    Accept,
    Accepted,
    Ack,
    CaughtUp,
    Gone,
    Message,
    Payload,
    Prepare,
    PrepareOk,
    Propose,
    Snapshot,
)
from actors.core.registry import PROTOCOLS, REPLICATED
from actors.core.spaxos import SPaxosReplica
from tests.actors.core.lives import CLIENTS, Lives, commands
from tests.actors.core.wired import Echo, coordinator, replica, requests

R0, R1, R2, R3, R4 = map(replica, range(5))
C0, C1 = map(coordinator, range(2))
BOTH = pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
ASKED = [(client, 1) for client in range(4)]


def journal(crash_model: CrashModel, *records: bytes, **settings: int) -> tuple[Journal, Outbox]:
    out = Outbox()
    config = Config(crash_model=crash_model, **settings)  # type: ignore[arg-type]
    return Journal(config, out, records), out


def write_everything(journal: Journal) -> None:
    journal.start()
    journal.promise(3)
    journal.vote(0, 3, b"value")
    journal.learn(1, b"learnt")
    journal.decide(2)
    journal.payload(2, 1, b"requests")


def written(out: Outbox) -> list[tuple[AnyRecord, bool]]:
    """Return (record, whether it is lazy) of each store."""
    stores = [effect for effect in out.drain() if isinstance(effect, Store)]
    return list(
        zip(decode(each.record for each in stores), (each.lazy for each in stores), strict=True)
    )


def exchange(node: JPaxosReplica | SPaxosReplica, sender: Address, message: Message) -> list[str]:
    """Give a message; return, in order, the types of what is stored ("*" = lazy) and sent."""
    node.on_message(sender, message, 0.0)
    found: list[Effect] = []
    while effects := node.drain():
        found += effects
    names = []
    for effect in found:
        if isinstance(effect, Store):
            (record,) = decode([effect.record])
            names.append(type(record).__name__ + "*" * effect.lazy)
        elif isinstance(effect, Send):
            names.append(type(effect.message).__name__)
    return names


def started(protocol: str, me: ReplicaId, n: int = 3) -> JPaxosReplica | SPaxosReplica:
    """Return a replica that writes all down, after its start."""
    config = Config(protocol=protocol, clients=CLIENTS, replicas=n, crash_model="full")
    node = PROTOCOLS[protocol].replica(me, config, Echo(), ())
    assert isinstance(node, JPaxosReplica | SPaxosReplica)
    node.start(0.0)
    node.drain()
    return node


# --- What is written ----------------------------------------------------------------------------


def test_crash_stop_writes_nothing() -> None:
    kept, out = journal("crash_stop")
    write_everything(kept)
    kept.outdate()
    assert not kept.is_long
    assert out.drain() == []


def test_epoch_writes_the_number_of_the_start_alone() -> None:
    kept, out = journal("epoch")
    write_everything(kept)
    kept.outdate()
    assert not kept.is_long
    assert written(out) == [(Started(1), False)]


def test_full_writes_all_and_waits_for_all_but_decisions() -> None:
    kept, out = journal("full")
    write_everything(kept)
    assert written(out) == [
        (Started(1), False),
        (Promise(3), False),
        (Vote(0, 3, b"value"), False),
        (Learnt(1, b"learnt"), True),
        (Decided(2), True),
        (Stored(2, 1, b"requests"), False),
    ]


@BOTH
@pytest.mark.parametrize("crash_model", ["crash_stop", "epoch"])
def test_a_run_without_full_stores_at_most_one_record_a_node(
    protocol: str, crash_model: CrashModel
) -> None:
    """Nothing is asked of the disk on the way of a request, and where none returns, nothing."""
    nodes = Lives(protocol, crash_model=crash_model)
    assert sorted(nodes.serve(0, *ASKED)) == ASKED
    nodes.replicas[1].suspect_leader(nodes.now)
    nodes.drain(R1)
    nodes.settle()
    expected = [] if crash_model == "crash_stop" else [Started(1)]
    assert all(nodes.written(address) == expected for address in nodes.nodes)


@pytest.mark.parametrize("crash_model", ["epoch", "full"])
def test_starts_are_counted(crash_model: CrashModel) -> None:
    records: list[bytes] = []
    for epoch in (1, 2, 3):
        kept, out = journal(crash_model, *records)
        assert kept.epoch == epoch
        kept.start()
        records += [effect.record for effect in out.drain() if isinstance(effect, Store)]
    assert decode(records) == [Started(1), Started(2), Started(3)]


# --- When ---------------------------------------------------------------------------------------


def test_a_vote_is_written_before_it_is_told() -> None:
    assert exchange(started("jpaxos", 1, n=5), R0, Propose(0, 0, b"a", 0)) == ["Vote", "Accept"]


def test_a_repeated_proposal_is_not_written_again() -> None:
    node = started("jpaxos", 1, n=5)
    exchange(node, R0, Propose(0, 0, b"a", 0))
    assert exchange(node, R0, Propose(0, 0, b"a", 0)) == ["Accept"]


def test_a_leader_writes_its_own_vote_before_it_proposes() -> None:
    nodes = Lives("jpaxos", crash_model="full")
    nodes.ask(0, (1, 1))
    assert nodes.on_wire(Propose)
    assert [type(record) for record in nodes.written(R0)] == [Started, Vote]


def test_a_promise_is_written_before_it_is_told() -> None:
    names = exchange(started("jpaxos", 2, n=5), R1, Prepare(1, 0))
    assert names[:2] == ["Promise", "PrepareOk"]


def test_a_candidate_writes_its_own_promise_before_it_asks_for_others() -> None:
    node = started("jpaxos", 1)
    node.suspect_leader(0.0)
    kinds = [type(effect) for effect in node.drain()]
    assert kinds.index(Store) < kinds.index(Send)


def test_a_payload_is_written_before_it_is_acknowledged() -> None:
    names = exchange(started("spaxos", 1), C0, Payload(0, 1, requests((1, 1))))
    assert names[:2] == ["Stored", "Ack"]


def test_a_repeated_payload_is_not_written_again() -> None:
    node = started("spaxos", 1)
    payload = Payload(0, 1, requests((1, 1)))
    exchange(node, C0, payload)
    assert exchange(node, C0, payload) == ["Ack"]


def test_what_is_decided_is_written_lazily() -> None:
    node = started("jpaxos", 1)
    assert exchange(node, R0, Propose(0, 0, requests((1, 1)), 0)) == ["Vote", "Accept", "Decided*"]
    assert exchange(node, R2, CaughtUp(1, [requests((2, 1))])) == ["Learnt*", "Decided*"]


# --- Who may return -----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", REPLICATED)
def test_a_replica_that_forgets_its_votes_must_not_return(protocol: str) -> None:
    config = Config(protocol=protocol, crash_model="crash_stop")
    kept, out = journal("full")
    write_everything(kept)
    records = [effect.record for effect in out.drain() if isinstance(effect, Store)]
    with pytest.raises(RestartError, match="crash_stop"):
        PROTOCOLS[protocol].replica(0, config, Echo(), records)


def test_neither_must_a_coordinator_under_crash_stop() -> None:
    kept, out = journal("epoch")
    kept.start()
    records = [effect.record for effect in out.drain() if isinstance(effect, Store)]
    make = PROTOCOLS["spaxos"].coordinator
    assert make
    with pytest.raises(RestartError, match="crash_stop"):
        make(0, Config(protocol="spaxos", crash_model="crash_stop"), records)


@pytest.mark.parametrize(
    "record", [b"", b"garbage", b"\x92\x63\x01", b"\x91\x01", b"\x92\x01\xa1x"]
)
def test_a_record_that_makes_no_sense_keeps_a_node_from_starting(record: bytes) -> None:
    with pytest.raises(RestartError):
        journal("full", record)


# --- Return with all that was promised ----------------------------------------------------------


def test_a_replica_that_returns_tells_a_candidate_what_it_had_accepted() -> None:
    """Its former life may have been the one voter of a majority that is still there."""
    nodes = Lives("jpaxos", replicas=5, crash_model="full")
    nodes.give(R0, R2, Propose(0, 0, b"a", 0))
    nodes.restart(R2)
    nodes.lose()
    nodes.give(R1, R2, Prepare(1, 0))
    (answer,) = nodes.on_wire(PrepareOk)
    assert answer.message == PrepareOk(1, 0, [Accepted(0, 0, b"a")], [])


def test_a_replica_that_returns_keeps_its_promise() -> None:
    nodes = Lives("jpaxos", replicas=5, crash_model="full")
    nodes.give(R3, R2, Prepare(3, 0))
    nodes.restart(R2)
    nodes.lose()
    nodes.give(R0, R2, Propose(0, 0, b"a", 0))
    nodes.give(R1, R2, Prepare(1, 0))
    assert nodes.on_wire(Accept, PrepareOk) == []


def test_a_leader_that_returns_starts_a_view_of_its_own() -> None:
    """In the old one it may have proposed what it has forgotten: nobody else would know."""
    nodes = Lives("jpaxos", crash_model="full")
    nodes.serve(0, *ASKED)
    nodes.restart(R0)
    assert nodes.replicas[0].ordering.view == 3
    assert not nodes.replicas[0].ordering.leads
    nodes.settle()
    assert nodes.replicas[0].ordering.leads
    assert nodes.serve(0, (9, 1)) == [(9, 1)]


@BOTH
def test_all_replicas_may_crash_at_once_and_nothing_acknowledged_is_lost(protocol: str) -> None:
    nodes = Lives(protocol, crash_model="full")
    assert sorted(nodes.serve(0, *ASKED)) == ASKED
    order = nodes.executed(0)
    nodes.restart(*list(nodes.nodes))
    nodes.pass_time(5)
    nodes.serve(0, (9, 1))
    nodes.pass_time(1)
    assert [nodes.executed(host) for host in range(3)] == [[*order, *commands((9, 1))]] * 3


@BOTH
def test_any_first_part_of_a_journal_is_one_to_go_on_from(protocol: str) -> None:
    """A crash may leave any part of the lazy end; what it leads to was executed before."""
    nodes = Lives(protocol, crash_model="full")
    nodes.serve(0, *ASKED)
    order = nodes.executed(1)
    records = [store.record for store in nodes.stored[R1]]
    for size in range(1, len(records) + 1):
        service = Echo()
        node = PROTOCOLS[protocol].replica(1, nodes.config, service, records[:size])
        node.start(0.0)
        while node.drain():
            pass
        assert service.executed == order[: len(service.executed)]
    assert service.executed == order


# --- Checkpoints --------------------------------------------------------------------------------


def test_what_a_snapshot_passes_over_is_not_decided_by_what_was_written_before() -> None:
    """A vote that was overruled would look decided, should a crash cut off the checkpoint."""
    overruled, chosen = requests((0, 1)), requests((1, 1))
    giver = started("jpaxos", 1, n=5)
    giver.executor.execute(chosen)
    giver.ordering.executed = 1
    taken = giver.snapshot()
    laggard = started("jpaxos", 2, n=5)
    exchange(laggard, R0, Propose(0, 0, overruled, 0))
    exchange(laggard, R1, Gone(1))
    snapshot = Snapshot(taken.batches, taken.instance, 0, len(taken.state), taken.state)
    laggard.on_message(R1, snapshot, 0.0)
    effects: list[Effect] = []
    while more := laggard.drain():
        effects += more
    written = [effect for effect in effects if isinstance(effect, Store | Rewrite)]
    assert isinstance(written[0], Rewrite)


def test_a_journal_is_long_beyond_its_limit_and_short_again_after_a_rewrite() -> None:
    kept, out = journal("full", journal_bytes_max=100)
    kept.start()
    assert not kept.is_long
    kept.vote(0, 0, bytes(100))
    assert kept.is_long
    kept.rewrite([Checkpoint(1, bytes(1000)), Promise(4)])
    assert not kept.is_long, "what a checkpoint itself takes is not held against it"
    rewrite = out.drain()[-1]
    assert isinstance(rewrite, Rewrite)
    assert decode(rewrite.records) == [Started(1), Checkpoint(1, bytes(1000)), Promise(4)]


def test_what_former_lives_wrote_counts() -> None:
    kept, out = journal("full")
    kept.vote(0, 0, bytes(100))
    (store,) = out.drain()
    assert isinstance(store, Store)
    assert journal("full", store.record, journal_bytes_max=100)[0].is_long


@BOTH
def test_a_checkpoint_takes_the_place_of_what_led_to_it(protocol: str) -> None:
    asked = [(client, sequence) for sequence in range(1, 6) for client in range(4)]
    nodes = Lives(protocol, crash_model="full", journal_bytes_max=600)
    for each in asked:
        nodes.serve(0, each)
        for host in range(3):
            nodes.expire(replica(host), "heartbeat")
        nodes.settle()
    for host in range(3):
        found = nodes.written(replica(host))
        assert [type(record) for record in found[:3]] == [Started, Checkpoint, Promise]
        kept = sum(len(s.record) for s in nodes.stored[replica(host)])
        assert kept < len(nodes.executor(host).snapshot()) + 3 * 600


@BOTH
def test_a_replica_returns_from_a_checkpoint_and_what_was_written_after_it(protocol: str) -> None:
    asked = [(client, sequence) for sequence in range(1, 6) for client in range(4)]
    nodes = Lives(protocol, crash_model="full", journal_bytes_max=600)
    nodes.serve(0, *asked)
    nodes.restart(R1)
    nodes.pass_time(2)
    nodes.serve(0, (9, 1), (3, 5))
    nodes.pass_time(2)
    assert nodes.executed(1) == nodes.executed(0) == commands(*asked, (9, 1))
    assert nodes.executor(1).digests.last == nodes.executor(0).digests.last


def test_a_checkpoint_keeps_votes_that_are_not_decided_and_payloads_not_executed() -> None:
    nodes = Lives("spaxos", replicas=5, crash_model="full", journal_bytes_max=1)
    nodes.give(C0, R1, Payload(0, 1, requests((1, 1))))
    nodes.give(R0, R1, Propose(0, 0, b"", 0))
    found = nodes.written(R1)
    assert Vote(0, 0, b"") in found
    assert Stored(0, 1, requests((1, 1))) in found
    nodes.restart(R1)
    nodes.lose()
    nodes.give(R2, R1, Prepare(2, 0))
    assert [e.message for e in nodes.on_wire(PrepareOk)] == [
        PrepareOk(2, 0, [Accepted(0, 0, b"")], [])
    ]
    nodes.give(C0, R1, Payload(0, 1, requests((1, 1))))
    assert Ack([1, 0, 0, 0, 0], []) in [e.message for e in nodes.on_wire(Ack)]
