"""Ingress: nothing is admitted twice, replies find their way, and what is pending is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.core.config import Config
from actors.core.effects import Outbox, Send, Throttle
from actors.core.errors import RemoteProtocolError
from actors.core.ids import Address
from actors.core.ingress import Ingress
from actors.core.messages import Message, Redirect, Replies, Requests
from tests.actors.core.wired import FLEET, columns, coordinator, replica, requests, rows

CLIENTS = 6
FLEETS = 3

Rows = list[tuple[int, int]]


class Door:
    """An ingress and what has come out of it."""

    def __init__(self, **settings: int) -> None:
        self._out = Outbox()
        self.ingress = Ingress(Config(clients=CLIENTS, **settings), self._out)
        self.switches: list[bool] = []
        """Every `on` of a Throttle, in order."""

    def arrive(self, *frames: Rows, fleet: int = 0) -> None:
        for frame in frames:
            self.ingress.on_requests(Address("fleet", fleet), Requests(requests(*frame)))

    def admit(self) -> Rows:
        admitted = self.ingress.admit()
        assert self.sends() == []
        return [] if admitted is None else [(c, s) for c, s, _ in rows(admitted)]

    def answer(self, *replies: tuple[int, int]) -> dict[int, Rows]:
        """Answer; return, by fleet, the replies that were sent."""
        self.ingress.answer(columns(*((c, s, b"reply") for c, s in replies)))
        sent: dict[int, Rows] = {}
        for to, message in self.sends():
            assert isinstance(message, Replies)
            sent.setdefault(to.number, []).extend((c, s) for c, s, _ in rows(message.replies))
        return sent

    def redirect(self, leader: int) -> list[tuple[Address, Message]]:
        self.ingress.redirect(leader)
        return self.sends()

    def sends(self) -> list[tuple[Address, Message]]:
        """Return what was sent since the last call, and note the switches of the throttle."""
        sends = []
        for effect in self._out.drain():
            if isinstance(effect, Throttle):
                self.switches.append(effect.on)
            else:
                assert isinstance(effect, Send)
                (to,) = effect.to
                assert to.role == "fleet"
                sends.append((to, effect.message))
        return sends


# --- Taking in ----------------------------------------------------------------------------------


def test_a_retry_of_a_pending_request_is_dropped() -> None:
    door = Door()
    door.arrive([(1, 5), (2, 9)])
    assert door.admit() == [(1, 5), (2, 9)]
    door.arrive([(1, 5), (3, 1)])
    assert door.admit() == [(3, 1)]
    assert door.ingress.pending == 3


def test_a_repeat_within_one_step_is_admitted_once() -> None:
    door = Door()
    door.arrive([(1, 5)], [(1, 5)], [(2, 1)])
    assert sorted(door.admit()) == [(1, 5), (2, 1)]
    assert door.ingress.pending == 2


def test_an_answered_request_may_be_asked_again() -> None:
    """The executor has kept the reply: it was perhaps lost on its way."""
    door = Door()
    door.arrive([(1, 5)])
    door.admit()
    door.answer((1, 5))
    door.arrive([(1, 5)])
    assert door.admit() == [(1, 5)]


def test_a_next_request_replaces_a_pending_one_and_counts_once() -> None:
    door = Door()
    door.arrive([(1, 5)])
    door.admit()
    door.arrive([(1, 6)])
    assert door.admit() == [(1, 6)]
    assert door.ingress.pending == 1
    assert door.answer((1, 5)) == {}
    assert door.answer((1, 6)) == {0: [(1, 6)]}


def test_a_stale_copy_behind_a_new_request_does_not_hide_it() -> None:
    """Both arrive in one step, the stale one last."""
    door = Door()
    door.arrive([(1, 4)])
    door.admit()
    door.arrive([(1, 5)], [(1, 4)])
    assert door.admit() == [(1, 5)]


def test_nothing_arrived_or_nothing_new_is_nothing() -> None:
    door = Door()
    assert door.ingress.admit() is None
    door.arrive([(1, 1)])
    door.admit()
    door.arrive([(1, 1)])
    assert door.ingress.admit() is None


@pytest.mark.parametrize("sender", [replica(0), coordinator(0)])
def test_only_fleets_send_requests(sender: Address) -> None:
    with pytest.raises(RemoteProtocolError):
        Door().ingress.on_requests(sender, Requests(requests((0, 1))))


@given(st.binary(max_size=40))
def test_a_bad_frame_is_refused_on_arrival_and_harms_nobody(frame: bytes) -> None:
    door = Door()
    door.arrive([(1, 1)])
    try:
        door.ingress.on_requests(FLEET, Requests(frame))
    except RemoteProtocolError:
        assert door.admit() == [(1, 1)]
    else:
        door.admit()


def test_an_unknown_client_is_refused_on_arrival() -> None:
    with pytest.raises(RemoteProtocolError):
        Door().arrive([(0, 1), (CLIENTS, 1)])


# --- Replies ------------------------------------------------------------------------------------


def test_replies_go_to_the_fleet_that_asked() -> None:
    door = Door()
    door.arrive([(1, 1), (2, 1)], fleet=0)
    door.arrive([(3, 1)], fleet=2)
    door.arrive([(4, 1)], fleet=1)
    door.admit()
    assert door.answer((3, 1), (1, 1), (4, 1), (2, 1)) == {
        0: [(1, 1), (2, 1)],
        1: [(4, 1)],
        2: [(3, 1)],
    }
    assert door.ingress.pending == 0


def test_a_reply_that_nobody_awaits_here_is_dropped() -> None:
    door = Door()
    door.arrive([(1, 5)])
    door.admit()
    assert door.answer((2, 1), (1, 4)) == {}
    assert door.ingress.pending == 1


def test_a_reply_is_sent_once() -> None:
    door = Door()
    door.arrive([(1, 5)])
    door.admit()
    assert door.answer((1, 5)) == {0: [(1, 5)]}
    assert door.answer((1, 5)) == {}
    assert door.ingress.pending == 0


def test_a_client_that_is_known_to_be_past_its_request_is_pending_no_more() -> None:
    """It retried elsewhere, was answered there, and has had its next request executed too."""
    door = Door()
    door.arrive([(1, 5), (2, 1)])
    door.admit()
    assert door.answer((1, 6)) == {}
    assert door.ingress.pending == 1


@pytest.mark.parametrize(("rows_max", "frames"), [(0, 1), (1, 3), (2, 2)])
def test_reply_frames_hold_no_more_rows_than_a_frame_may(rows_max: int, frames: int) -> None:
    door = Door(requests_per_frame_max=rows_max)
    door.arrive([(1, 1), (2, 1), (3, 1)])
    door.admit()
    door.ingress.answer(columns((1, 1, b"a"), (2, 1, b"b"), (3, 1, b"c")))
    assert len(door.sends()) == frames


# --- Redirecting --------------------------------------------------------------------------------


def test_a_redirect_goes_once_to_every_fleet_that_waits_or_asks_and_forgets_its_requests() -> None:
    door = Door()
    door.arrive([(1, 1), (2, 1)], fleet=2)
    door.admit()
    door.arrive([(3, 1)], fleet=0)
    expected = [(Address("fleet", 0), Redirect(1)), (Address("fleet", 2), Redirect(1))]
    assert door.redirect(1) == expected
    assert door.ingress.pending == 0
    assert door.admit() == []
    assert door.answer((1, 1)) == {}


def test_nobody_is_redirected_where_nobody_waits() -> None:
    door = Door()
    assert door.redirect(1) == []


# --- Throttling ---------------------------------------------------------------------------------


def test_reading_stops_at_the_limit_and_resumes_well_below_it() -> None:
    door = Door(pending_requests_max=4)
    door.arrive([(c, 1) for c in range(3)])
    door.admit()
    assert door.switches == []
    door.arrive([(3, 1)])
    door.admit()
    assert door.switches == [True]
    door.answer((0, 1), (1, 1))
    assert door.switches == [True]
    door.answer((2, 1))
    assert door.switches == [True, False]


def test_a_limit_of_one_request_lets_the_next_one_in() -> None:
    door = Door(pending_requests_max=1)
    for sequence in (1, 2):
        door.arrive([(0, sequence)])
        door.admit()
        door.answer((0, sequence))
    assert door.switches == [True, False] * 2


def test_reading_resumes_when_clients_are_redirected() -> None:
    door = Door(pending_requests_max=2)
    door.arrive([(0, 1), (1, 1)])
    door.admit()
    door.redirect(1)
    assert door.switches == [True, False]


def test_reading_resumes_when_clients_are_past_their_requests() -> None:
    """Otherwise a host that was cut off for a while would never read from clients again."""
    door = Door(pending_requests_max=2)
    door.arrive([(0, 1), (1, 1)])
    door.admit()
    door.answer((0, 2), (1, 3))
    assert door.switches == [True, False]


# --- Any sequence of events ---------------------------------------------------------------------

some_rows = st.lists(st.tuples(st.integers(0, CLIENTS - 1), st.integers(1, 5)), min_size=1)
frames = st.lists(st.tuples(st.integers(0, FLEETS - 1), some_rows), min_size=1, max_size=3)


class IngressModel(RuleBasedStateMachine):
    """Ingress against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.door = Door(pending_requests_max=4)
        self.pending: dict[int, int] = {}
        self.fleet: dict[int, int] = {}

    @rule(frames=frames)
    def requests_arrive(self, frames: list[tuple[int, Rows]]) -> None:
        newest: dict[int, int] = {}
        for fleet, frame in frames:
            self.door.arrive(frame, fleet=fleet)
            for client, sequence in frame:
                self.fleet[client] = fleet
                if sequence > self.pending.get(client, 0):
                    newest[client] = sequence  # The last new one in the step.
        assert sorted(self.door.admit()) == sorted(newest.items())
        self.pending |= newest

    @rule(replies=st.dictionaries(st.integers(0, CLIENTS - 1), st.integers(1, 5)))
    def replies_come(self, replies: dict[int, int]) -> None:
        sent = self.door.answer(*replies.items())
        expected: dict[int, Rows] = {}
        for client, sequence in replies.items():
            if self.pending.get(client) == sequence:
                expected.setdefault(self.fleet[client], []).append((client, sequence))
            if 0 < self.pending.get(client, 0) <= sequence:
                del self.pending[client]
        assert sent == expected

    @rule(leader=st.integers(0, 2))
    def leader_changes(self, leader: int) -> None:
        waiting = sorted({self.fleet[client] for client in self.pending})
        expected = [(Address("fleet", fleet), Redirect(leader)) for fleet in waiting]
        assert self.door.redirect(leader) == expected
        self.pending.clear()

    @invariant()
    def pending_is_exact(self) -> None:
        assert self.door.ingress.pending == len(self.pending)

    @invariant()
    def throttled_between_the_two_limits(self) -> None:
        switches = self.door.switches
        assert switches == [i % 2 == 0 for i in range(len(switches))], "on and off in turns"
        throttled = bool(switches) and switches[-1]
        if len(self.pending) >= 4:
            assert throttled
        if len(self.pending) < 2:
            assert not throttled


TestIngressModel = IngressModel.TestCase
