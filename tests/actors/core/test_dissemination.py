"""Dissemination: who holds what, what is stable, and how a lost payload is found again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.batch_ids import Sequences
from actors.core.config import Config
from actors.core.dissemination import (
    ACK,
    FETCH,
    FETCH_BATCHES_MAX,
    KEPT_BYTES,
    Dissemination,
    highest_stable,
)
from actors.core.effects import Outbox, Send, SetTimer
from actors.core.errors import RemoteProtocolError
from actors.core.ids import INCARNATIONS_MAX, Address, BatchId
from actors.core.journal import Journal
from actors.core.messages import Ack, Fetch, Held, Message, Payload
from actors.core.patience import ANSWER_BYTES
from actors.core.recovery import Epochs
from tests.actors.core.wired import FLEET, coordinator, replica, requests

CLIENTS = 10
ME = 1


class One:
    """The dissemination of replica 1, and what it sends."""

    def __init__(self, n: int = 3, **settings: float) -> None:
        config = Config(replicas=n, clients=CLIENTS, **settings)
        self.n = n
        self.now = 0.0
        self.timers: dict[str, float] = {}
        self.out = Outbox()
        me = ME if n > 1 else 0
        journal, epochs = Journal(config, self.out, ()), Epochs(me, config, 1)
        self.dissemination = Dissemination(me, config, journal, epochs, self.out)

    def payload(self, origin: int, *sequences: int) -> list[tuple[Address, Message]]:
        """Let payloads arrive; return what is sent."""
        for sequence in sequences:
            message = Payload(origin, sequence, requests((origin, sequence)))
            self.dissemination.on_payload(coordinator(origin), message, self.now)
        return self.flush()

    def ack(self, sender: int, *held: int) -> list[tuple[Address, Message]]:
        self.dissemination.on_ack(sender, Ack(list(held), []), self.now)
        return self.flush()

    def flush(self, *, ride: bool = True) -> list[tuple[Address, Message]]:
        self.dissemination.flush(self.now, ride=ride)
        return self.sent()

    def sent(self) -> list[tuple[Address, Message]]:
        sends = []
        for effect in self.out.drain():
            if isinstance(effect, SetTimer):
                self.timers[effect.name] = effect.at
            else:
                assert isinstance(effect, Send)
                sends += [(to, effect.message) for to in effect.to]
        return sends

    def expire(self, name: str) -> list[tuple[Address, Message]]:
        self.now = max(self.now, self.timers.pop(name))
        if name == FETCH:
            self.dissemination.on_fetch_timer(self.now)
        else:
            self.dissemination.on_ack_timer()
        return self.flush(ride=False)


def acks(sent: list[tuple[Address, Message]]) -> list[list[int]]:
    return [message.held for _, message in sent if isinstance(message, Ack)]


def fetches(sent: list[tuple[Address, Message]]) -> list[tuple[int, int, list[int]]]:
    return [
        (to.number, message.origin, message.sequences)
        for to, message in sent
        if isinstance(message, Fetch)
    ]


# --- Acknowledging ------------------------------------------------------------------------------


def test_a_payload_is_acknowledged_to_every_other_replica() -> None:
    assert One(5).payload(0, 1) == [(replica(i), Ack([1, 0, 0, 0, 0], [])) for i in (0, 2, 3, 4)]


def test_acks_are_cumulative_and_stop_before_a_gap() -> None:
    one = One()
    assert acks(one.payload(0, 1)) == [[1, 0, 0]] * 2
    assert acks(one.payload(0, 3, 4)) == [[1, 0, 0]] * 2
    assert acks(one.payload(0, 2)) == [[4, 0, 0]] * 2


def test_payloads_of_one_drain_share_one_ack() -> None:
    one = One()
    for origin in range(3):
        message = Payload(origin, 1, requests((1, 1)))
        one.dissemination.on_payload(coordinator(origin), message, one.now)
    assert acks(one.flush()) == [[1, 1, 1]] * 2


def test_a_repeated_payload_repeats_the_ack() -> None:
    """Its coordinator has not heard that it is held: the ack was perhaps lost."""
    one = One()
    one.payload(0, 1)
    assert acks(one.payload(0, 1)) == [[1, 0, 0]] * 2
    assert one.dissemination.stored_batches == 1


def test_a_first_payload_is_not_replaced() -> None:
    one = One()
    one.payload(0, 1)
    other = Payload(0, 1, requests((9, 9)))
    one.dissemination.on_payload(replica(0), other, one.now)
    assert one.dissemination.find(BatchId(0, 1)) == requests((0, 1))


def test_without_a_delay_an_ack_goes_at_once() -> None:
    one = One(ack_delay_ms=0)
    message = Payload(0, 1, requests((1, 1)))
    one.dissemination.on_payload(coordinator(0), message, one.now)
    assert len(acks(one.flush(ride=False))) == 2


def test_with_a_delay_an_ack_waits_for_a_ride_and_no_longer_than_the_delay() -> None:
    one = One(ack_delay_ms=50)
    message = Payload(0, 1, requests((1, 1)))
    one.dissemination.on_payload(coordinator(0), message, one.now)
    assert acks(one.flush(ride=False)) == []
    assert acks(one.flush(ride=True)) == [[1, 0, 0]] * 2
    one.dissemination.on_payload(coordinator(2), Payload(2, 1, requests((1, 1))), one.now)
    assert acks(one.flush(ride=False)) == []
    assert one.timers[ACK] == one.now + 0.05
    assert acks(one.expire(ACK)) == [[1, 0, 1]] * 2


def test_what_is_acknowledged_is_not_again() -> None:
    one = One()
    one.payload(0, 1)
    assert one.flush() == []


def test_one_replica_alone_acknowledges_to_nobody_but_its_coordinator() -> None:
    assert One(1).payload(0, 1) == [(coordinator(0), Held(0, [1]))]


def test_a_heartbeat_repeats_acks_and_reports_that_may_be_lost() -> None:
    one = One()
    one.dissemination.on_heartbeat()
    assert one.sent() == []
    one.payload(ME, 1)
    one.dissemination.on_heartbeat()
    sent = one.sent()
    assert acks(sent) == [[0, 1, 0]] * 2
    assert (coordinator(ME), Held(ME, [0, 1, 0])) in sent


# --- Stability ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "holders"), [(1, 1), (3, 2), (5, 3), (7, 4)])
def test_a_batch_is_stable_with_exactly_f_plus_one_holders(n: int, holders: int) -> None:
    one = One(n)
    origin = n - 1
    one.payload(origin, 1)
    held = [0] * n
    held[origin] = 1
    others = [i for i in range(n) if i != ME]
    for count, other in enumerate(others[: holders - 1], 2):
        assert one.dissemination.stable[origin] == 0
        one.ack(other, *held)
        assert (one.dissemination.stable[origin] == 1) == (count == holders)
    assert one.dissemination.stable[origin] == 1


def test_a_holder_counts_once_however_often_it_says_so() -> None:
    one = One(5)
    one.payload(0, 1)
    for _ in range(3):
        one.ack(0, 1, 0, 0, 0, 0)
    assert one.dissemination.stable == [0] * 5


def test_others_may_make_stable_what_is_not_held_here() -> None:
    one = One(3)
    one.ack(0, 2, 0, 0)
    one.ack(2, 1, 0, 0)
    assert one.dissemination.stable == [1, 0, 0]
    assert one.dissemination.find(BatchId(0, 1)) is None


def test_an_older_ack_that_arrives_late_takes_nothing_back() -> None:
    one = One()
    one.ack(0, 3, 3, 3)
    one.ack(2, 2, 2, 2)
    one.ack(0, 1, 1, 1)
    assert one.dissemination.stable == [2, 2, 2]


def test_the_coordinator_hears_of_its_own_batches_alone() -> None:
    one = One()
    one.payload(ME, 1)
    assert (coordinator(ME), Held(ME, [1, 1, 0])) in one.ack(0, 0, 1, 0)
    one.payload(0, 1)
    assert one.ack(0, 1, 1, 0) == []


@pytest.mark.parametrize(
    ("held", "holders", "stable"),
    [([3, 1, 2], 1, 3), ([3, 1, 2], 2, 2), ([3, 1, 2], 3, 1), ([0, 9, 0, 9, 4], 3, 4)],
)
def test_highest_stable_is_what_so_many_hold(held: list[int], holders: int, stable: int) -> None:
    assert highest_stable(held, holders) == stable


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ack"), st.sampled_from([0, 2, 3, 4]), st.integers(0, 5)),
            st.tuples(st.just("payload"), st.just(ME), st.integers(1, 5)),
            st.tuples(st.just("restart"), st.sampled_from([0, 2, 3, 4]), st.just(0)),
        ),
        max_size=40,
    )
)
def test_stable_is_what_enough_hold_whatever_is_heard_in_whichever_order(
    happenings: list[tuple[str, int, int]],
) -> None:
    one = One(n=5)
    known = [0] * 5
    for what, who, sequence in happenings:
        if what == "ack":
            one.ack(who, sequence, 0, 0, 0, 0)
            known[who] = max(known[who], sequence)
        elif what == "payload":
            one.payload(0, sequence)
            known[ME] = one.dissemination.holdings()[0]
        else:
            one.dissemination.forget_holder(who)
            known[who] = 0
        assert one.dissemination.stable[0] == highest_stable(known, 3)


# --- Fetching -----------------------------------------------------------------------------------


def test_a_batch_known_from_an_ack_is_fetched_from_a_holder_if_it_does_not_come_by_itself() -> None:
    one = One()
    one.ack(2, 1, 0, 0)
    assert fetches(one.expire(FETCH)) == [], "it may be on its way"
    assert fetches(one.expire(FETCH)) == [(2, 0, [1])]


def test_a_batch_that_comes_by_itself_is_not_fetched() -> None:
    one = One()
    one.ack(2, 1, 0, 0)
    one.expire(FETCH)
    one.payload(0, 1)
    assert fetches(one.expire(FETCH)) == []
    assert FETCH not in one.timers


def test_a_gap_is_fetched() -> None:
    one = One()
    one.payload(0, 1, 4)
    one.expire(FETCH)
    assert [(origin, lacking) for _, origin, lacking in fetches(one.expire(FETCH))] == [(0, [2, 3])]


def test_a_decided_batch_is_fetched() -> None:
    one = One()
    one.dissemination.require(BatchId(2, 1), one.now)
    one.sent()
    one.expire(FETCH)
    assert [(origin, lacking) for _, origin, lacking in fetches(one.expire(FETCH))] == [(2, [1])]


def test_a_fetch_that_is_not_answered_goes_to_every_holder_in_turn() -> None:
    """Whatever else is lacking at the same time: one of the holders may be gone for good."""
    one = One(3)
    one.ack(0, 1, 0, 1)
    one.ack(2, 1, 0, 1)
    one.expire(FETCH)
    asked: dict[int, set[int]] = {0: set(), 2: set()}
    for _ in range(4):
        for holder, origin, _ in fetches(one.expire(FETCH)):
            asked[origin].add(holder)
    assert asked == {0: {0, 2}, 2: {0, 2}}


@pytest.mark.parametrize(
    ("batch_bytes_max", "batches"),
    [(1, FETCH_BATCHES_MAX), (ANSWER_BYTES // 4, 4), (ANSWER_BYTES * 2, 1)],
)
def test_a_fetch_asks_for_as_many_batches_as_fit_an_answer(
    batch_bytes_max: int, batches: int
) -> None:
    one = One(dissemination_batch_bytes_max=batch_bytes_max)
    one.ack(2, 10 * FETCH_BATCHES_MAX, 0, 0)
    one.expire(FETCH)
    ((_, _, lacking),) = fetches(one.expire(FETCH))
    assert lacking == list(range(1, batches + 1))


def looks(one: One, number: int) -> list[int]:
    """Return at which looks something is fetched, one delay after another; nobody answers."""
    return [look for look in range(1, number + 1) if fetches(one.expire(FETCH))]


def answer(one: One, holder: int, origin: int, *sequences: int) -> list[tuple[Address, Message]]:
    """Let fetched payloads arrive; return what is sent."""
    for sequence in sequences:
        message = Payload(origin, sequence, requests((origin, sequence)))
        one.dissemination.on_payload(replica(holder), message, one.now)
    return one.flush()


def test_who_is_not_answered_fetches_again_and_grows_more_patient() -> None:
    one = One()
    one.ack(2, 1, 0, 0)
    one.expire(FETCH)
    assert looks(one, 32) == [1, 2, 4, 8, 16, 24, 32]


def test_what_comes_in_by_itself_is_not_fetched_though_much_is_lacking() -> None:
    """Payloads that have waited somewhere come in one after the other."""
    one = One()
    one.ack(2, 100, 0, 0)
    one.expire(FETCH)
    for sequence in range(1, 10):
        one.payload(0, sequence)
        assert fetches(one.expire(FETCH)) == []
    assert looks(one, 1) == [1]


def test_each_origin_has_a_patience_of_its_own() -> None:
    """What comes in of one says nothing about another."""
    one = One()
    one.ack(2, 100, 0, 100)
    one.expire(FETCH)
    for sequence in range(1, 5):
        one.payload(0, sequence)
        asked = {origin for _, origin, _ in fetches(one.expire(FETCH))}
        assert asked == ({2} if sequence in (1, 2, 4) else set())


def test_who_has_sent_all_it_was_asked_for_is_asked_for_the_rest_at_once() -> None:
    one = One(dissemination_batch_bytes_max=ANSWER_BYTES // 2)
    one.ack(0, 5, 0, 0)
    one.ack(2, 5, 0, 0)
    one.expire(FETCH)
    ((holder, _, lacking),) = fetches(one.expire(FETCH))
    assert lacking == [1, 2]
    assert fetches(answer(one, holder, 0, 1)) == []
    assert fetches(answer(one, holder, 0, 2)) == [(holder, 0, [3, 4])]
    assert fetches(answer(one, holder, 0, 3, 4)) == [(holder, 0, [5])]
    assert fetches(answer(one, holder, 0, 5)) == []
    one.expire(FETCH)
    assert FETCH not in one.timers


def test_what_was_not_lacking_at_the_last_look_is_not_fetched_at_once() -> None:
    """It may be on its way."""
    one = One(dissemination_batch_bytes_max=ANSWER_BYTES)
    one.ack(2, 2, 0, 0)
    one.expire(FETCH)
    one.expire(FETCH)
    one.ack(2, 9, 0, 0)
    assert fetches(answer(one, 2, 0, 1)) == [(2, 0, [2])]
    assert fetches(answer(one, 2, 0, 2)) == []


def test_what_its_coordinator_sends_late_after_all_is_not_fetched_on() -> None:
    """The rest is on its way, too: to fetch it would double it."""
    one = One(dissemination_batch_bytes_max=ANSWER_BYTES)
    one.ack(2, 9, 0, 0)
    one.expire(FETCH)
    assert fetches(one.expire(FETCH)) == [(2, 0, [1])]
    assert fetches(one.payload(0, 1)) == []
    assert fetches(answer(one, 2, 0, 1)) == []


def test_a_holder_sends_what_it_holds() -> None:
    one = One()
    one.payload(0, 1, 3)
    one.dissemination.on_fetch(2, Fetch(0, [1, 2, 3]))
    assert one.sent() == [(replica(2), Payload(0, s, requests((0, s)))) for s in (1, 3)]


def test_a_fetched_payload_counts_like_any_other() -> None:
    one = One()
    message = Payload(0, 1, requests((0, 1)))
    one.dissemination.on_payload(replica(2), message, one.now)
    assert acks(one.flush()) == [[1, 0, 0]] * 2


# --- Pruning ------------------------------------------------------------------------------------


def held_everywhere(one: One, origin: int, upto: int) -> None:
    one.payload(origin, *range(1, upto + 1))
    held = [0] * one.n
    held[origin] = upto
    for other in range(one.n):
        if other != ME:
            one.ack(other, *held)


def test_a_payload_goes_when_it_is_executed_here_and_held_by_all() -> None:
    one = One()
    held_everywhere(one, 0, 3)
    one.dissemination.executed_now([BatchId(0, 1), BatchId(0, 2)])
    assert [one.dissemination.find(BatchId(0, s)) is None for s in (1, 2, 3)] == [True, True, False]


def test_a_payload_that_one_replica_lacks_stays() -> None:
    one = One(5)
    one.payload(0, 1)
    for other in (0, 2, 3):
        one.ack(other, 1, 0, 0, 0, 0)
    one.dissemination.executed_now([BatchId(0, 1)])
    assert one.dissemination.find(BatchId(0, 1)) is not None
    one.ack(4, 1, 0, 0, 0, 0)
    one.dissemination.on_heartbeat()
    assert one.dissemination.find(BatchId(0, 1)) is None


def test_a_pruned_payload_that_comes_again_is_acknowledged_and_not_stored() -> None:
    one = One()
    held_everywhere(one, 0, 1)
    one.dissemination.executed_now([BatchId(0, 1)])
    assert acks(one.payload(0, 1)) == [[1, 0, 0]] * 2
    assert one.dissemination.stored_batches == 0


# --- Wrong peers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (coordinator(0), Payload(1, 1, requests((0, 1)))),
        (FLEET, Payload(0, 1, requests((0, 1)))),
        (coordinator(0), Payload(0, 0, requests((0, 1)))),
        (replica(0), Payload(3 * INCARNATIONS_MAX, 1, requests((0, 1)))),
        (replica(0), Payload(-1, 1, requests((0, 1)))),
        (coordinator(0), Payload(0, 1, b"garbage")),
        (coordinator(0), Payload(0, 1, requests((CLIENTS, 1)))),
    ],
    ids=str,
)
def test_a_payload_that_no_correct_peer_sends_is_refused(sender: Address, message: Payload) -> None:
    one = One()
    with pytest.raises(RemoteProtocolError):
        one.dissemination.on_payload(sender, message, 0.0)
    assert one.dissemination.stored_batches == 0


@pytest.mark.parametrize("held", [[], [1], [1] * (3 * INCARNATIONS_MAX + 1)])
def test_a_vector_of_an_impossible_length_is_refused(held: list[int]) -> None:
    with pytest.raises(RemoteProtocolError):
        One().dissemination.on_ack(0, Ack(held, []), 0.0)


@pytest.mark.parametrize("origin", [-1, 3 * INCARNATIONS_MAX])
def test_a_fetch_of_an_unknown_origin_is_refused(origin: int) -> None:
    with pytest.raises(RemoteProtocolError):
        One().dissemination.on_fetch(0, Fetch(origin, [1]))


# --- Bounded, and without memory ----------------------------------------------------------------


def test_executed_payloads_take_no_more_than_they_may_where_one_replica_lags() -> None:
    size = len(requests((0, 1))) + KEPT_BYTES
    one = One(kept_bytes_max=3 * size)
    one.payload(0, *range(1, 7))
    one.ack(2, 2, 0, 0)
    one.dissemination.executed_now([BatchId(0, s) for s in range(1, 6)])
    held = [s for s in range(1, 7) if one.dissemination.find(BatchId(0, s)) is not None]
    assert held == [3, 4, 5, 6], "the oldest go, and none that is not executed"


def test_payloads_that_are_not_executed_stay_however_much_they_take() -> None:
    one = One(kept_bytes_max=1)
    held_everywhere(one, 0, 5)
    one.dissemination.executed_now([])
    assert one.dissemination.stored_batches == 5


def test_who_asks_for_what_is_executed_and_gone_needs_a_snapshot() -> None:
    one = One(kept_bytes_max=1)
    one.payload(0, 1, 2)
    one.dissemination.executed_now([BatchId(0, 1)])
    assert one.dissemination.on_fetch(2, Fetch(0, [1, 2]))
    assert one.sent() == [(replica(2), Payload(0, 2, requests((0, 2))))]
    assert not one.dissemination.on_fetch(2, Fetch(0, [2, 3])), "the third is not known here"


def test_what_was_executed_elsewhere_counts_as_held() -> None:
    one = One()
    one.payload(0, 2, 5)
    one.dissemination.require(BatchId(0, 3), one.now)
    one.sent()
    one.dissemination.skip(0, Sequences.of(3, [6]))
    assert one.dissemination.holdings() == [3, 0, 0]
    assert one.dissemination.find(BatchId(0, 2)) is None
    one.payload(0, 4)
    assert one.dissemination.holdings() == [6, 0, 0]
    assert fetches(one.expire(FETCH)) == []
    assert FETCH not in one.timers


def test_a_payload_that_was_executed_elsewhere_is_acknowledged_and_not_stored() -> None:
    one = One()
    one.dissemination.skip(0, Sequences.of(3, []))
    assert acks(one.payload(0, 2)) == [[3, 0, 0]] * 2
    assert one.dissemination.stored_batches == 0


def test_a_payload_that_was_executed_elsewhere_beyond_a_gap_is_not_stored() -> None:
    one = One()
    one.dissemination.skip(0, Sequences.of(0, [2]))
    one.payload(0, 2)
    assert one.dissemination.stored_batches == 0


def test_a_holder_that_has_forgotten_takes_its_word_back() -> None:
    one = One()
    one.payload(0, 1, 2)
    one.ack(2, 2, 0, 0)
    assert one.dissemination.stable == [2, 0, 0]
    one.dissemination.forget_holder(2)
    assert one.dissemination.stable == [0, 0, 0]
    one.ack(2, 1, 0, 0)
    assert one.dissemination.stable == [1, 0, 0]


def test_later_lives_of_coordinators_are_origins_like_any_other() -> None:
    one = One()
    one.dissemination.on_payload(coordinator(2), Payload(5, 1, requests((1, 1))), one.now)
    assert acks(one.flush()) == [[0, 0, 0, 0, 0, 1]] * 2
    one.ack(0, 0, 0, 0, 0, 0, 1)
    assert one.dissemination.stable == [0, 0, 0, 0, 0, 1]


def test_the_coordinator_hears_of_its_present_life() -> None:
    one = One()
    one.payload(ME, 1)
    one.dissemination.on_payload(coordinator(ME), Payload(4, 1, requests((1, 1))), one.now)
    one.flush()
    assert one.ack(0, 0, 1, 0, 0, 1) == [(coordinator(ME), Held(4, [1, 1, 0]))]


@pytest.mark.parametrize("sender", [coordinator(0), coordinator(2)])
def test_no_coordinator_speaks_for_a_life_on_another_host(sender: Address) -> None:
    with pytest.raises(RemoteProtocolError):
        One().dissemination.on_payload(sender, Payload(4, 1, requests((0, 1))), 0.0)
