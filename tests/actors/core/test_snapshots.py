"""Snapshots: whole and in parts, from a log and a store of payloads that are bounded."""

import msgspec
import pytest

from actors.core import snapshots
from actors.core.batch_ids import encode_ids
from actors.core.config import Config
from actors.core.dissemination import KEPT_BYTES
from actors.core.effects import Outbox, Send, SetTimer
from actors.core.errors import RemoteProtocolError
from actors.core.ids import INCARNATIONS_MAX, BatchId, Instance
from actors.core.log import ENTRY_BYTES
from actors.core.messages import FetchSnapshot, Gone, Message, Payload, Propose, Snapshot
from actors.core.snapshots import SNAPSHOT, SNAPSHOT_BYTES_MAX, Snapshots, Taken
from tests.actors.core.lives import Lives, commands
from tests.actors.core.wired import coordinator, replica, replied, requests

R0, R1, R2 = map(replica, range(3))
C0 = coordinator(0)
BOTH = pytest.mark.parametrize("protocol", ["jpaxos", "spaxos"])
STATE = bytes(range(230))
PART_BYTES = 100


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PART_BYTES", PART_BYTES)


class End:
    """One end of a transfer; `state` is what a snapshot taken here would hold."""

    def __init__(self, instance: Instance = 7, batches: int = 9, state: bytes = STATE) -> None:
        self.now = 0.0
        self.start: Instance = 0
        self.state = Taken(instance, batches, state)
        self.out = Outbox()
        self.snapshots = Snapshots(Config(retransmit_timeout_ms=100), self.out, lambda: self.state)
        self.timer_at: float | None = None

    def sent(self) -> list[Message]:
        found: list[Message] = []
        for effect in self.out.drain():
            if isinstance(effect, SetTimer):
                assert effect.name == SNAPSHOT
                self.timer_at = effect.at
            else:
                assert isinstance(effect, Send)
                found.append(effect.message)
        return found

    def fetch(self, source: int = 0) -> list[Message]:
        self.snapshots.fetch(source, self.now)
        return self.sent()

    def give(self, question: Message, sender: int = 2) -> Snapshot:
        """Answer a question for a part."""
        assert isinstance(question, FetchSnapshot)
        self.snapshots.on_fetch(sender, question, self.start)
        (answer,) = self.sent()
        assert isinstance(answer, Snapshot)
        return answer

    def take(self, part: Snapshot, sender: int = 0) -> Taken | None:
        return self.snapshots.on_part(sender, part)

    def expire(self) -> list[Message]:
        assert self.timer_at is not None
        self.now, self.timer_at = self.timer_at, None
        self.snapshots.on_timer(self.now)
        return self.sent()


def transfer(source: End, target: End, question: Message) -> Taken:
    """Let a transfer go on from a question to its end."""
    for _ in range(20):
        taken = target.take(source.give(question))
        if taken is not None:
            return taken
        (question,) = target.sent()
    raise AssertionError("no end")


# --- A transfer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state_bytes", [0, 1, 99, 100, 101, 200, 256])
def test_a_snapshot_arrives_as_it_was_taken_however_many_parts_it_has(state_bytes: int) -> None:
    source, target = End(state=bytes(range(state_bytes))), End()
    assert transfer(source, target, *target.fetch()) == source.state
    assert source.snapshots.given == 1


def test_parts_are_asked_for_one_after_the_other() -> None:
    source, target = End(), End()
    questions = target.fetch()
    parts = []
    while questions:
        parts.append(source.give(questions[-1]))
        target.take(parts[-1])
        questions = target.sent()
        assert len(questions) <= 1
    assert [(part.offset, part.part) for part in parts] == [
        (0, STATE[:100]),
        (100, STATE[100:200]),
        (200, STATE[200:]),
    ]


def test_all_parts_are_of_the_state_at_the_first_question() -> None:
    source, target = End(), End()
    (question,) = target.fetch()
    target.take(source.give(question))
    before, source.state = source.state, Taken(8, 10, bytes(500))
    (question,) = target.sent()
    assert transfer(source, target, question) == before


def test_one_snapshot_at_a_time_is_taken() -> None:
    target = End()
    assert target.fetch(0)
    assert target.fetch(0) == []
    assert target.fetch(1) == []


def test_after_one_snapshot_another_may_be_taken() -> None:
    source, target = End(), End()
    transfer(source, target, *target.fetch())
    source.state = Taken(30, 40, b"another")
    assert transfer(source, target, *target.fetch()) == source.state


# --- What is lost -------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_part_is_asked_for_again(lost: int) -> None:
    source, target = End(), End()
    (question,) = target.fetch()
    for _ in range(lost):
        target.take(source.give(question))
        (question,) = target.sent()
    source.give(question)  # Lost on the way.
    (again,) = target.expire() or target.expire()
    assert isinstance(question, FetchSnapshot)
    assert again in (question, FetchSnapshot(0, 0))
    assert transfer(source, target, again) == source.state


def test_a_part_that_came_in_time_is_not_asked_for_again() -> None:
    source, target = End(), End()
    (question,) = target.fetch()
    target.now = 0.06
    target.take(source.give(question))
    target.sent()
    assert target.expire() == []
    assert target.timer_at is not None


def test_a_repeated_part_counts_once() -> None:
    source, target = End(), End()
    (question,) = target.fetch()
    part = source.give(question)
    target.take(part)
    (question,) = target.sent()
    assert target.take(part) is None
    assert target.sent() == []
    assert transfer(source, target, question) == source.state


def test_a_source_that_is_gone_is_given_up_and_another_one_taken() -> None:
    gone, other, target = End(), End(12, 20, b"later" * 50), End()
    (question,) = target.fetch(0)
    target.take(gone.give(question))
    target.sent()
    while target.timer_at is not None:
        target.expire()
    (question,) = target.fetch(1)
    assert question == FetchSnapshot(0, 0), "nothing is left of the first"
    for _ in range(5):
        taken = target.take(other.give(question), sender=1)
        if taken:
            break
        (question,) = target.sent()
    assert taken == other.state


def test_a_silent_source_is_asked_with_patience_before_it_is_given_up() -> None:
    """Its part may be on its way, behind much else."""
    target = End()
    target.fetch()
    asked_at_s = []
    while target.timer_at is not None:
        if target.expire():
            asked_at_s.append(round(target.now, 3))
    assert asked_at_s == [0.1, 0.3]
    assert round(target.now, 3) == 0.7


def test_a_source_that_answers_late_is_not_given_up() -> None:
    source, target = End(), End()
    questions = target.fetch()
    for _ in range(2):
        assert questions, "the snapshot has three parts"
        for _ in range(5):
            target.expire()
        assert target.take(source.give(questions[0])) is None
        questions = target.sent()
    assert target.take(source.give(questions[0])) == source.state


def test_parts_of_another_source_are_ignored() -> None:
    source, target = End(), End()
    (question,) = target.fetch(0)
    assert target.take(source.give(question), sender=1) is None
    assert target.sent() == []


def test_parts_that_nobody_asked_for_are_ignored() -> None:
    target = End()
    assert target.take(Snapshot(9, 7, 0, 1, b"x")) is None
    assert target.sent() == []


# --- A new one while another is taken -----------------------------------------------------------


def test_a_source_that_has_forgotten_its_snapshot_begins_a_new_one() -> None:
    """As after its own return."""
    source, target = End(), End()
    (question,) = target.fetch()
    target.take(source.give(question))
    (question,) = target.sent()
    later = End(20, 30, b"what is executed by now" * 20)
    assert transfer(later, target, question) == later.state


def test_equal_numbers_of_batches_are_equal_states() -> None:
    """A source that has forgotten its snapshot takes the same again, where nothing has happened."""
    source, target = End(), End()
    (question,) = target.fetch()
    target.take(source.give(question))
    (question,) = target.sent()
    part = End().give(question)
    assert part.offset == PART_BYTES
    assert part.part == STATE[100:200]


def test_two_may_take_snapshots_from_one_source_at_a_time() -> None:
    source, one, other = End(), End(), End()
    (question,) = one.fetch()
    one.take(source.give(question, sender=1))
    (first,) = one.sent()
    (question,) = other.fetch()
    assert transfer(source, other, question) == source.state
    assert transfer(source, one, first) == source.state


def test_a_snapshot_from_before_the_log_begins_is_replaced() -> None:
    """It would lead nowhere: what follows it is gone."""
    source, target = End(7), End()
    (question,) = target.fetch()
    target.take(source.give(question))
    (question,) = target.sent()
    source.state = Taken(50, 60, b"and what is executed later")
    source.start = 20
    assert transfer(source, target, question) == source.state


@pytest.mark.parametrize(
    ("total_bytes", "part"), [(3, b"four"), (-1, b""), (SNAPSHOT_BYTES_MAX + 1, b"part")]
)
def test_a_size_that_cannot_be_is_refused(total_bytes: int, part: bytes) -> None:
    target = End()
    target.fetch()
    with pytest.raises(RemoteProtocolError):
        target.take(Snapshot(9, 7, 0, total_bytes, part))


# --- In a system --------------------------------------------------------------------------------


LONG_AGO = [(client, 1) for client in range(30)]


def behind(protocol: str, **settings: object) -> Lives:
    """Return a system where replica 2 hears nothing until all that it lacks is gone."""
    nodes = Lives(protocol, **{"kept_bytes_max": 1000, "window": 1, **settings})
    nodes.settle()
    nodes.serve(2 if protocol == "spaxos" else 0, (30, 1))
    nodes.pass_time(1)
    for each in LONG_AGO:
        nodes.ask(0, each)
        nodes.settle(without=lambda envelope: R2 in envelope[:2])
    for host in (0, 1):
        nodes.expire(replica(host), "heartbeat")
        nodes.lose(to=R2)
    nodes.settle()
    return nodes


@BOTH
def test_log_and_payloads_are_bounded_while_a_replica_is_away(protocol: str) -> None:
    kept_bytes_max = 3000
    nodes = Lives(protocol, kept_bytes_max=kept_bytes_max)
    nodes.crash(R2)
    instances, batches = 0.0, 0.0
    for sequence in range(1, 200):
        nodes.serve(0, (sequence % 40, sequence))
        for beater in (R0, R1):
            nodes.expire(beater, "heartbeat")
        nodes.settle()
        for gauges in (nodes.replicas[0].gauges(), nodes.replicas[1].gauges()):
            instances = max(instances, gauges["log_instances"])
            batches = max(batches, gauges.get("stored_batches", 0))
    assert 1 < instances <= kept_bytes_max / ENTRY_BYTES + 2
    assert batches <= kept_bytes_max / KEPT_BYTES + 2


@BOTH
def test_what_is_kept_is_used_before_a_snapshot_is(protocol: str) -> None:
    nodes = behind(protocol, kept_bytes_max=1 << 20)
    nodes.pass_time(3)
    assert nodes.executed(2) == nodes.executed(0)
    assert nodes.replicas[2].counts()["snapshots_installed"] == 0


@BOTH
def test_a_replica_that_was_away_for_long_takes_a_snapshot_and_goes_on(protocol: str) -> None:
    nodes = behind(protocol)
    assert nodes.replicas[0].gauges()["log_instances"] < len(LONG_AGO)
    nodes.pass_time(3)
    assert nodes.replicas[2].counts()["snapshots_installed"] >= 1
    assert nodes.executed(2) == nodes.executed(0)
    nodes.serve(0, (31, 1))
    nodes.pass_time(1)
    assert nodes.executed(2) == nodes.executed(0) == nodes.executed(1)
    assert nodes.executor(2).digests.last == nodes.executor(0).digests.last
    assert nodes.executor(2).batches == nodes.executor(0).batches


@BOTH
def test_it_is_a_majority_with_one_other_then(protocol: str) -> None:
    nodes = behind(protocol)
    nodes.pass_time(3)
    nodes.crash(R0)
    nodes.pass_time(5)
    leader = nodes.replicas[2].ordering.leader
    assert nodes.serve(leader, (31, 1)) == [(31, 1)]
    assert nodes.executed(2)[-1] == nodes.executed(1)[-1] == commands((31, 1))[0]


@BOTH
def test_what_a_snapshot_has_executed_is_not_executed_again(protocol: str) -> None:
    """Neither by retries at the one that has taken it, nor in another batch."""
    nodes = behind(protocol)
    nodes.pass_time(3)
    nodes.replicas[2].suspect_leader(nodes.now)
    nodes.drain(R2)
    nodes.pass_time(1)
    assert nodes.serve(2, LONG_AGO[0], LONG_AGO[-1]) == [LONG_AGO[0], LONG_AGO[-1]]
    nodes.pass_time(1)
    assert sorted(nodes.executed(2)) == commands(*LONG_AGO, (30, 1))
    assert nodes.executor(2).executions.max() == 1


def test_a_host_answers_its_clients_what_its_replica_has_passed_over() -> None:
    """No other host would."""
    nodes = behind("spaxos")
    for host, asked in [(2, (31, 1)), *((0, (client, 2)) for client in range(30))]:
        nodes.ask(host, asked)
        nodes.settle(without=lambda envelope: R2 in envelope[:2])
    assert commands((31, 1))[0] in nodes.executed(0)
    assert (31, 1) in replied(nodes.pass_time(3))
    assert nodes.executed(2) == nodes.executed(0)


@BOTH
def test_nobody_goes_back_to_an_older_state(protocol: str) -> None:
    """A Gone may come late: what it points to may be behind by then."""
    nodes = Lives(protocol)
    nodes.serve(0, (1, 1), (2, 1))
    nodes.lose()
    nodes.give(R1, R0, Gone(1))
    assert nodes.on_wire(FetchSnapshot) == []


@BOTH
def test_what_is_no_snapshot_is_refused(protocol: str) -> None:
    nodes = Lives(protocol)
    nodes.give(R1, R2, Gone(5))
    assert nodes.on_wire(FetchSnapshot, to=R1)
    with pytest.raises(RemoteProtocolError):
        nodes.give(R1, R2, Snapshot(9, 7, 0, 4, b"junk"))


@BOTH
def test_a_replica_that_has_taken_a_snapshot_writes_a_checkpoint(protocol: str) -> None:
    """What its journal held before does not lead to its state."""
    nodes = behind(protocol, crash_model="full")
    nodes.pass_time(3)
    assert nodes.replicas[2].counts()["snapshots_installed"] >= 1
    nodes.restart(R2)
    assert nodes.executed(2)
    nodes.pass_time(3)
    assert nodes.executed(2) == nodes.executed(0)


@BOTH
def test_a_replica_without_memory_returns_by_a_snapshot(protocol: str) -> None:
    nodes = Lives(protocol, crash_model="epoch", kept_bytes_max=1000)
    nodes.settle()
    nodes.crash(R2)
    for each in LONG_AGO:
        nodes.serve(0, each)
        nodes.pass_time(0.2)
    nodes.revive(R2)
    nodes.pass_time(5)
    assert not nodes.replicas[2].is_recovering
    assert nodes.executed(2) == nodes.executed(0)
    assert nodes.replicas[2].counts()["snapshots_installed"] >= 1


def test_an_id_that_a_snapshot_has_executed_is_ignored_where_it_is_ordered_again() -> None:
    nodes = behind("spaxos")
    nodes.pass_time(3)
    batches = nodes.executor(2).batches
    nodes.replicas[0].ordering.propose(encode_ids([BatchId(0, 1)]), nodes.now)
    nodes.drain(R0)
    nodes.settle()
    assert nodes.serve(0, (31, 1)) == [(31, 1)]
    assert nodes.executor(2).batches == batches + 1
    assert nodes.executed(2) == nodes.executed(0)


def test_a_snapshot_of_impossible_origins_is_refused_and_changes_nothing() -> None:
    nodes = Lives("spaxos")
    nodes.serve(0, (1, 1))
    nodes.pass_time(0.2)
    taken = nodes.replicas[0].snapshot()
    state, executed = msgspec.msgpack.decode(taken.state)
    state = msgspec.msgpack.encode((state, executed * INCARNATIONS_MAX + executed))
    with pytest.raises(RemoteProtocolError):
        nodes.replicas[1].install(Taken(7, 7, state))
    assert nodes.executed(1) == commands((1, 1))


def test_a_snapshot_may_be_taken_amid_an_instance() -> None:
    """Of its batches the one that is executed already is passed over, and no other."""
    nodes = Lives("spaxos")
    nodes.lose()
    first, second = (Payload(0, s, requests((s, 1))) for s in (1, 2))
    propose = Propose(0, 0, encode_ids([BatchId(0, 1), BatchId(0, 2)]), 0)
    nodes.give(C0, R1, first)
    nodes.give(R0, R1, propose)
    assert nodes.executed(1) == commands((1, 1))
    nodes.lose()
    nodes.give(R1, R2, Gone(0))
    nodes.deliver(FetchSnapshot)
    while nodes.on_wire(Snapshot):
        nodes.deliver(Snapshot)
        nodes.deliver(FetchSnapshot)
    assert nodes.executed(2) == commands((1, 1))
    nodes.give(R0, R2, propose)
    for host in (R1, R2):
        nodes.give(C0, host, second)
    assert nodes.executed(1) == nodes.executed(2) == commands((1, 1), (2, 1))
    assert nodes.executor(1).digests.last == nodes.executor(2).digests.last
