"""Clients: one request at a time each, tried again elsewhere, timed from its first try."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.client import RETRY, Clients, share_of_clients
from actors.core.columns import U32, U32s
from actors.core.config import LoadConfig
from actors.core.effects import Send, SetTimer
from actors.core.errors import RemoteProtocolError
from actors.core.histogram import merge, percentile_s
from actors.core.ids import Address, Role
from actors.core.messages import Alive, Message, Redirect, Replies, Requests
from actors.services.null import NullWorkload
from actors.sim.network import Network
from actors.sim.system import System
from tests.actors.core.wired import columns, coordinator, replica, rows

Sent = dict[Address, list[tuple[int, int]]]
TIMEOUT_S = 2.0


class Fleet:
    """One fleet's clients, driven by hand."""

    def __init__(self, talk_to: Role = "coordinator", fleet: int = 0, **settings: int) -> None:
        config = LoadConfig(**{"clients": 6, "client_timeout_ms": TIMEOUT_S * 1e3, **settings})
        self.clients = Clients(fleet, config, NullWorkload(config), talk_to)
        self.now = 10.0
        self.retry_at = 0.0
        self.frames: list[int] = []
        """How many requests each frame held that was sent."""

    def start(self) -> Sent:
        self.clients.start(self.now)
        return self.drain()

    def drain(self) -> Sent:
        """Return the (client, sequence) of every request sent, by host."""
        sent: Sent = {}
        while effects := self.clients.drain():
            for effect in effects:
                if isinstance(effect, SetTimer):
                    assert effect.name == RETRY
                    self.retry_at = effect.at
                    continue
                assert isinstance(effect, Send)
                assert isinstance(effect.message, Requests)
                found = [(c, s) for c, s, _ in rows(effect.message.requests)]
                self.frames.append(len(found))
                sent.setdefault(effect.to[0], []).extend(found)
        return sent

    def give(self, sender: Address, *messages: Message) -> Sent:
        for message in messages:
            self.clients.on_message(sender, message, self.now)
        return self.drain()

    def reply(self, sender: Address, *answered: tuple[int, int]) -> Sent:
        return self.give(sender, replies(*answered))

    def pass_time(self, seconds: float) -> Sent:
        """Let the retry timer expire as often as it does; return all that was sent."""
        end = self.now + seconds
        sent: Sent = {}
        while self.retry_at <= end:
            self.now = self.retry_at
            self.clients.on_timer(RETRY, self.now)
            for host, found in self.drain().items():
                sent.setdefault(host, []).extend(found)
        self.now = end
        return sent

    def latencies_s(self) -> Sequence[float]:
        table = self.clients.record.table()
        counts = merge(table.buckets, table.counts)
        return [percentile_s(counts, q) for q in (0, 100)] if counts.any() else []


def replies(*answered: tuple[int, int]) -> Replies:
    return Replies(columns(*((c, s, b"reply") for c, s in answered)).encode())


# --- Closed loops -------------------------------------------------------------------------------


def test_every_client_sends_its_first_request_spread_over_the_coordinators() -> None:
    assert Fleet().start() == {
        coordinator(0): [(0, 1), (3, 1)],
        coordinator(1): [(1, 1), (4, 1)],
        coordinator(2): [(2, 1), (5, 1)],
    }


def test_clients_that_follow_the_leader_all_ask_the_first_replica() -> None:
    assert Fleet("replica").start() == {replica(0): [(c, 1) for c in range(6)]}


def test_a_reply_brings_the_next_request_of_its_client_alone() -> None:
    fleet = Fleet()
    fleet.start()
    assert fleet.reply(coordinator(1), (4, 1)) == {coordinator(1): [(4, 2)]}


def test_replies_of_several_frames_in_one_step_bring_one_frame() -> None:
    fleet = Fleet()
    fleet.start()
    fleet.frames.clear()
    sent = fleet.give(coordinator(1), replies((1, 1)), replies((4, 1)))
    assert sent == {coordinator(1): [(1, 2), (4, 2)]}
    assert fleet.frames == [2]


@pytest.mark.parametrize(("rows_max", "frames"), [(0, [6]), (1, [1] * 6), (4, [4, 2])])
def test_request_frames_hold_no_more_rows_than_a_frame_may(
    rows_max: int, frames: list[int]
) -> None:
    fleet = Fleet("replica", requests_per_frame_max=rows_max)
    fleet.start()
    assert fleet.frames == frames


@given(st.integers(1, 300), st.integers(1, 20))
def test_fleets_share_the_clients_evenly(clients: int, fleets: int) -> None:
    config = LoadConfig(clients=clients, fleets=fleets)
    shares = [share_of_clients(config, fleet) for fleet in range(fleets)]
    assert [client for share in shares for client in share] == list(range(clients))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_fleet_without_clients_sends_nothing() -> None:
    fleet = Fleet(clients=1, fleets=2, fleet=0)
    assert fleet.start() == {}
    assert fleet.pass_time(10) == {}


def test_a_fleet_is_its_share_of_the_clients() -> None:
    fleet = Fleet(fleet=1, fleets=2)
    assert sorted(client for sent in fleet.start().values() for client, _ in sent) == [3, 4, 5]
    assert fleet.reply(coordinator(0), (0, 1)) == {}, "a client of another fleet"
    fleet.reply(coordinator(0), (3, 1))
    assert fleet.clients.acknowledged().tolist() == [1, 0, 0]


# --- Trying again -------------------------------------------------------------------------------


def test_a_client_that_hears_nothing_tries_another_host_with_the_same_sequence() -> None:
    fleet = Fleet()
    fleet.start()
    fleet.reply(coordinator(1), (1, 1), (4, 1))
    fleet.reply(coordinator(0), (0, 1), (3, 1))
    fleet.reply(coordinator(2), (2, 1))
    fleet.now += TIMEOUT_S / 2
    fleet.reply(coordinator(1), (1, 2), (4, 2))
    fleet.reply(coordinator(0), (0, 2), (3, 2))
    fleet.reply(coordinator(2), (2, 2))
    assert fleet.pass_time(TIMEOUT_S * 0.75) == {coordinator(0): [(5, 1)]}
    assert fleet.clients.retried == 1


def test_a_client_stays_with_the_host_that_answered_its_retry() -> None:
    fleet = Fleet(clients=1)
    fleet.start()
    assert fleet.pass_time(TIMEOUT_S * 1.25) == {coordinator(1): [(0, 1)]}
    assert fleet.reply(coordinator(1), (0, 1)) == {coordinator(1): [(0, 2)]}


def test_retries_go_round_all_hosts() -> None:
    fleet = Fleet(clients=1)
    fleet.start()
    sent = fleet.pass_time(TIMEOUT_S * 4)
    assert list(sent) == [coordinator(1), coordinator(2), coordinator(0)]
    assert {row for found in sent.values() for row in found} == {(0, 1)}


def test_latency_counts_from_the_first_try() -> None:
    fleet = Fleet(clients=1)
    fleet.start()
    fleet.pass_time(TIMEOUT_S * 1.5)
    fleet.reply(coordinator(1), (0, 1))
    assert fleet.latencies_s() == pytest.approx([TIMEOUT_S * 1.5] * 2, rel=0.01)


def test_every_request_has_one_latency() -> None:
    fleet = Fleet(clients=2)
    fleet.start()
    for sequence in range(1, 6):
        fleet.now += 0.1
        fleet.reply(coordinator(0), (0, sequence))
    fleet.reply(coordinator(1), (1, 1), (1, 1))
    assert fleet.clients.record.table().completed.sum() == 6
    assert fleet.clients.counts()["completed"] == 6


def test_a_late_duplicate_reply_is_ignored() -> None:
    fleet = Fleet()
    fleet.start()
    fleet.reply(coordinator(1), (1, 1))
    assert fleet.reply(coordinator(2), (1, 1)) == {}
    assert fleet.clients.counts()["completed"] == 1
    assert fleet.clients.outstanding == 6


def test_a_late_duplicate_behind_the_awaited_reply_does_not_hide_it() -> None:
    fleet = Fleet()
    fleet.start()
    fleet.reply(coordinator(1), (1, 1))
    sent = fleet.give(coordinator(1), replies((1, 2)), replies((1, 1)))
    assert sent == {coordinator(1): [(1, 3)]}


def test_a_reply_twice_in_one_step_completes_one_request() -> None:
    fleet = Fleet()
    fleet.start()
    assert fleet.give(coordinator(1), replies((1, 1)), replies((1, 1))) == {
        coordinator(1): [(1, 2)]
    }
    assert fleet.clients.counts()["completed"] == 1


def test_who_stops_sends_nothing_new_but_still_retries() -> None:
    fleet = Fleet(clients=2)
    fleet.start()
    fleet.clients.stop()
    assert fleet.reply(coordinator(0), (0, 1)) == {}
    assert fleet.pass_time(TIMEOUT_S * 1.25) == {coordinator(2): [(1, 1)]}
    fleet.reply(coordinator(2), (1, 1))
    assert fleet.clients.outstanding == 0
    assert fleet.clients.acknowledged().tolist() == [1, 1]


def test_who_stops_before_sending_has_nothing_outstanding() -> None:
    fleet = Fleet()
    fleet.clients.start(fleet.now)
    fleet.clients.stop()
    assert fleet.drain() == {}
    assert fleet.clients.acknowledged().tolist() == [0] * 6


# --- Following the leader -----------------------------------------------------------------------


def test_a_redirect_turns_every_client_that_asked_there_at_once() -> None:
    fleet = Fleet("replica")
    fleet.start()
    fleet.reply(replica(0), (2, 1))
    sent = fleet.give(replica(0), Redirect(2))
    assert sent == {replica(2): [(0, 1), (1, 1), (2, 2), (3, 1), (4, 1), (5, 1)]}
    assert fleet.reply(replica(2), (2, 2)) == {replica(2): [(2, 3)]}


def test_a_redirect_of_a_host_that_is_not_asked_changes_nothing() -> None:
    fleet = Fleet("replica")
    fleet.start()
    assert fleet.give(replica(1), Redirect(2)) == {}
    assert fleet.reply(replica(0), (2, 1)) == {replica(0): [(2, 2)]}


def test_when_the_leader_falls_silent_all_clients_move_together() -> None:
    fleet = Fleet("replica")
    fleet.start()
    fleet.now += TIMEOUT_S / 2
    assert fleet.reply(replica(0), (0, 1)) == {replica(0): [(0, 2)]}
    assert fleet.pass_time(TIMEOUT_S / 2) == {replica(1): [(0, 2), *((c, 1) for c in range(1, 6))]}
    assert fleet.pass_time(TIMEOUT_S * 0.75) == {}, "all have as long at the next host"
    assert fleet.reply(replica(0), (0, 2)) == {replica(1): [(0, 3)]}


def test_no_redirect_leads_back_to_a_host_that_has_just_been_given_up_on() -> None:
    """Whoever has not noticed yet that the leader is silent is asked again, and then knows more."""
    fleet = Fleet("replica", clients=2)
    fleet.start()
    fleet.pass_time(TIMEOUT_S)
    assert fleet.give(replica(1), Redirect(0)) == {}
    assert fleet.pass_time(TIMEOUT_S / 4) == {replica(1): [(0, 1)]}, "one asks for all"
    assert fleet.give(replica(1), Redirect(2)) == {replica(2): [(0, 1), (1, 1)]}


def test_whoever_answers_the_one_that_asks_for_all_is_asked_by_all() -> None:
    fleet = Fleet("replica", clients=3)
    fleet.start()
    fleet.pass_time(TIMEOUT_S)
    fleet.give(replica(1), Redirect(0))
    fleet.pass_time(TIMEOUT_S / 4)
    assert fleet.reply(replica(1), (0, 1)) == {replica(1): [(1, 1), (2, 1), (0, 2)]}
    assert fleet.pass_time(TIMEOUT_S * 0.9) == {}


def test_a_host_that_was_given_up_on_is_asked_again_after_two_timeouts() -> None:
    fleet = Fleet("replica", clients=1)
    fleet.start()
    fleet.pass_time(TIMEOUT_S)
    fleet.give(replica(1), Redirect(2))
    fleet.give(replica(2), Redirect(0))
    fleet.now += TIMEOUT_S * 1.9
    assert fleet.give(replica(2), Redirect(0)) == {}
    fleet.now += TIMEOUT_S * 0.1
    assert fleet.give(replica(2), Redirect(0)) == {replica(0): [(0, 1)]}


def test_a_host_that_knows_no_leader_for_a_timeout_is_left_but_not_as_silent() -> None:
    """It may lead by the time that another host points to it."""
    fleet = Fleet("replica", clients=1)
    fleet.start()
    fleet.pass_time(TIMEOUT_S)
    for _ in range(3):
        assert fleet.give(replica(1), Redirect(0)) == {}
        assert list(fleet.pass_time(TIMEOUT_S / 4)) == [replica(1)]
    assert list(fleet.pass_time(TIMEOUT_S / 4)) == [replica(2)]
    assert fleet.give(replica(2), Redirect(1)) == {replica(1): [(0, 1)]}


def test_two_hosts_that_point_to_each_other_are_asked_once_per_retry_timer() -> None:
    fleet = Fleet("replica", clients=1)
    fleet.start()
    assert fleet.give(replica(0), Redirect(1)) == {replica(1): [(0, 1)]}
    assert fleet.give(replica(1), Redirect(0)) == {}
    assert fleet.pass_time(TIMEOUT_S / 4) == {replica(1): [(0, 1)]}
    assert fleet.give(replica(1), Redirect(0)) == {replica(0): [(0, 1)]}
    assert fleet.give(replica(0), Redirect(1)) == {}


def test_a_redirect_back_is_followed_at_once_if_the_host_has_answered_in_between() -> None:
    """It has led, and then knows who leads after it."""
    fleet = Fleet("replica", clients=1)
    fleet.start()
    fleet.give(replica(0), Redirect(1))
    fleet.reply(replica(1), (0, 1))
    assert fleet.give(replica(1), Redirect(0)) == {replica(0): [(0, 2)]}


def test_a_late_reply_shows_that_a_host_that_was_given_up_on_is_up() -> None:
    fleet = Fleet("replica", clients=2)
    fleet.start()
    fleet.pass_time(TIMEOUT_S)
    assert fleet.reply(replica(0), (0, 1)) == {replica(1): [(0, 2)]}
    assert fleet.give(replica(1), Redirect(0)) == {replica(0): [(0, 2), (1, 1)]}


def test_a_new_leader_that_asks_for_requests_again_gets_them_at_once() -> None:
    fleet = Fleet("replica", clients=1)
    fleet.start()
    fleet.give(replica(0), Redirect(1))
    for _ in range(2):
        assert fleet.give(replica(1), Redirect(1)) == {replica(1): [(0, 1)]}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=30))
def test_whatever_redirects_came_every_client_gets_on(bounces: list[tuple[int, int]]) -> None:
    """However wrong the hosts were: from now on all but one are silent or point to that one."""
    fleet = Fleet("replica")
    fleet.start()
    for number, (host, leader) in enumerate(bounces):
        fleet.give(replica(host), Redirect(leader))
        fleet.pass_time(TIMEOUT_S * (number % 3) / 8)
    asked: set[int] = set()
    for _ in range(4 * 4):  # A timeout for each host, and one more.
        sent = fleet.pass_time(TIMEOUT_S / 4)
        if replica(1) in sent:
            sent |= fleet.give(replica(1), Redirect(2))
        asked.update(client for client, _ in sent.get(replica(2), []))
    assert asked == set(range(6))


@pytest.mark.parametrize("client_timeout_ms", [400, 500])
def test_a_crash_of_the_leader_costs_no_more_than_noticing_it_and_asking_again(
    client_timeout_ms: int,
) -> None:
    """However few of the others know by the time that the clients give up on the leader."""
    config = LoadConfig(clients=50, client_timeout_ms=client_timeout_ms, suspect_timeout_ms=500)
    system = System(config, Network(delay_max_s=0.001))
    system.world.run(1.0)
    system.crash(0)
    system.world.run(0.01)  # What was under way arrives.
    noticing_s, asking_s = 0.75, client_timeout_ms / 4e3
    assert system.run_until(system.completed + 1, noticing_s + asking_s)


def test_who_is_spread_over_coordinators_follows_no_redirect() -> None:
    fleet = Fleet()
    fleet.start()
    assert fleet.give(coordinator(0), Redirect(1)) == {}


# --- Wrong peers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [Alive(0, 0, 0), Redirect(3), Redirect(-1), Replies(b""), Replies(b"x" * 9), replies((6, 1))],
    ids=str,
)
def test_what_no_correct_host_sends_is_refused(message: Message) -> None:
    fleet = Fleet()
    fleet.start()
    with pytest.raises(RemoteProtocolError):
        fleet.give(coordinator(0), message)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=4),
        max_size=30,
    )
)
def test_whatever_replies_come_each_request_completes_once_and_in_order(
    steps: list[list[tuple[int, int]]],
) -> None:
    fleet = Fleet("replica")
    fleet.start()
    answered = [0] * 6
    for step in steps:
        sent = fleet.give(replica(0), *(replies(row) for row in step))
        completing = {client for client, sequence in step if sequence == answered[client] + 1}
        for client in completing:
            answered[client] += 1
        expected = sorted((client, answered[client] + 1) for client in completing)
        assert sorted(row for found in sent.values() for row in found) == expected
    acknowledged: U32s = fleet.clients.acknowledged()
    assert acknowledged.tolist() == answered
    assert acknowledged.dtype == U32
    assert fleet.clients.record.table().completed.sum() == np.sum(answered)
