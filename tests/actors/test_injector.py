"""Fault words carried out on actors that Ray knows nothing of."""

import asyncio
from collections.abc import Callable, Collection

import pytest

from actors.core.config import LoadConfig
from actors.core.ids import Address
from actors.crew import Crew
from actors.faults import Timeline, parse
from actors.injector import LOAD_HAS_ENDED, Injector
from actors.measurements import EventRow
from tests.actors.cast import Actor

HOSTS = 3
PATIENCE_S = 30.0
"""How long a test waits for what must happen; reaching it is a failure."""
LOAD_S = 0.3

CONFIGS = {
    protocol: LoadConfig(protocol=protocol, replicas=HOSTS, crash_model="epoch")
    for protocol in ("jpaxos", "spaxos")
}


def replica(number: int) -> Address:
    return Address("replica", number)


class Stage:
    """A stage whose actors come and go at once."""

    def __init__(self, addresses: Collection[Address]) -> None:
        self.crew = Crew()
        self.log: list[tuple[str, list[Address]]] = []
        self.actors: dict[Address, Actor] = {}
        self.lost: set[int] = set()
        for address in addresses:
            self._join(address)

    def _join(self, address: Address) -> None:
        self.actors[address] = Actor(wait_recovered=True)
        self.crew.join(address, self.actors[address])

    def up(self, addresses: Collection[Address]) -> list[Address]:
        return [address for address in addresses if address in self.crew]

    async def kill(self, addresses: Collection[Address]) -> None:
        self.log.append(("kill", list(addresses)))
        for address in addresses:
            self.crew.leave(address).die()

    def on_node_of(self, host: int) -> list[Address]:
        """Return who lives with a host: its actors and, with the last one, the fleet."""
        fleets = [Address("fleet", 0)] if host == HOSTS - 1 else []
        both = [Address("replica", host), Address("coordinator", host)]
        return [each for each in [*both, *fleets] if each in self.crew]

    async def kill_node(self, host: int) -> bool:
        self.log.append(("kill node", self.on_node_of(host)))
        for address in self.on_node_of(host):
            self.crew.leave(address).die()
        is_new = host not in self.lost
        self.lost.add(host)
        return is_new

    def is_lost(self, address: Address) -> bool:
        return address.number in self.lost

    async def create(self, addresses: Collection[Address]) -> None:
        self.log.append(("create", list(addresses)))
        for address in addresses:
            self._join(address)

    async def admit(self, addresses: Collection[Address], ago_s: float) -> None:
        assert 0 < ago_s < PATIENCE_S
        self.log.append(("admit", list(addresses)))

    async def pause(self, addresses: Collection[Address]) -> None:
        self.log.append(("pause", list(addresses)))
        self.crew.paused.update(addresses)

    async def resume(self, addresses: Collection[Address]) -> None:
        self.log.append(("resume", list(addresses)))
        self.crew.paused.difference_update(addresses)


class Play:
    """Fault words carried out from the beginning of a load to its end, and what came of them."""

    def __init__(
        self,
        words: str,
        protocol: str = "jpaxos",
        begin: Callable[[Stage], None] = lambda _: None,
        window_start_s: float = 0.0,
    ) -> None:
        self.heard: list[Address] = []
        self.events: list[EventRow] = []
        config = CONFIGS[protocol]
        timeline = Timeline(parse(words), window_s=LOAD_S, replicas=HOSTS)

        async def hear(addresses: Collection[Address]) -> None:
            self.heard += addresses

        async def run() -> None:
            roles = ("replica", "coordinator") if protocol == "spaxos" else ("replica",)
            hosts = [Address(role, host) for host in range(HOSTS) for role in roles]
            self.stage = Stage([*hosts, Address("fleet", 0)])
            injector = Injector(
                self.stage,
                timeline,
                config,
                window_start_s=window_start_s,
                before_kill=hear,
                events=self.events,
            )
            begin(self.stage)
            work = injector.run(window_start_s + LOAD_S)
            await asyncio.wait_for(self.stage.crew.guard(work), PATIENCE_S)

        asyncio.run(run())

    @property
    def told(self) -> list[tuple[str, ...]]:
        """What happened to whom, with the details if there are any, in order."""
        assert self.events == sorted(self.events, key=lambda row: row[0])
        return [tuple(filter(None, row[1:])) for row in self.events]


def test_without_words_nothing_happens() -> None:
    assert Play("").told == []


def test_times_count_from_the_window_and_are_told_from_the_load_on() -> None:
    ((time_s, *_),) = Play("0.1 kill host 1", window_start_s=0.1).events
    assert time_s >= 0.2


def test_a_host_is_its_replica_and_its_coordinator_and_is_heard_before_it_is_killed() -> None:
    both = [replica(1), Address("coordinator", 1)]
    play = Play("0 kill host 1", "spaxos")
    assert play.told == [("kill", "host-1")]
    assert play.stage.log == [("kill", both)]
    assert play.heard == both


def test_a_node_is_all_that_lives_there_and_is_heard_before_it_is_killed() -> None:
    everybody = [replica(2), Address("coordinator", 2), Address("fleet", 0)]
    play = Play("0 kill node 2; +0 kill it", "spaxos")
    assert play.told == [("kill", "node-2")]
    assert play.stage.log == [("kill node", everybody), ("kill node", [])]
    assert play.heard == everybody


def test_who_was_to_return_does_not_where_its_node_is_gone() -> None:
    play = Play("0 kill host 1; 0.05 kill node 1; 0.1 restart host 1; +0 kill host 2")
    assert play.told == [("kill", "host-1"), ("kill", "node-1"), ("kill", "host-2")]


def test_who_is_down_cannot_be_hit_and_who_is_up_cannot_return() -> None:
    words = "; ".join(
        f"0.0{time} {verb} replica 1"
        for time, verb in enumerate(["kill", "kill", "pause", "resume", "suspect"], 1)
    )
    play = Play(f"0 restart replica 1; {words}; 0.06 resume replica 2")
    assert play.told == [("kill", "replica-1")]


def test_who_returns_takes_part_before_what_follows_happens() -> None:
    play = Play("0 kill host 1; +0 restart it; +0 kill it", "spaxos")
    both = [replica(1), Address("coordinator", 1)]
    assert play.stage.log == [("kill", both), ("create", both), ("admit", both), ("kill", both)]
    told = [("kill", "host-1"), ("restart", "host-1"), ("recovered", "host-1"), ("kill", "host-1")]
    assert play.told == told


def test_who_never_recovers_is_not_followed_by_anything() -> None:
    def begin(stage: Stage) -> None:
        stage._join = lambda address: stage.crew.join(address, Actor(wait_recovered=False))

    play = Play("0 kill host 1; +0 restart it; +0 kill host 2", begin=begin)
    assert play.told == [("kill", "host-1"), ("restart", "host-1")]


def test_who_is_killed_while_it_returns_has_not_returned() -> None:
    def begin(stage: Stage) -> None:
        create = stage.create

        async def create_in_vain(addresses: Collection[Address]) -> None:
            await create(addresses)
            await stage.kill(addresses)

        stage.create = create_in_vain

    play = Play("0 kill host 1; +0 restart it; +0 kill host 2", begin=begin)
    assert play.told == [("kill", "host-1")]


def test_the_leader_is_who_leads_by_then() -> None:
    def begin(stage: Stage) -> None:
        stage.actors[replica(2)].open["wait_leading"].set_result(5)

    play = Play("0.1 kill replica leader; 0.1 kill replica follower", begin=begin)
    assert play.told == [
        ("view", "replica-2", "view 5"),
        ("kill", "replica-2"),
        ("kill", "replica-0"),
    ]


def test_a_view_that_is_older_than_the_known_one_is_not_told() -> None:
    def begin(stage: Stage) -> None:
        stage.actors[replica(2)].open["wait_leading"].set_result(5)
        stage.actors[replica(1)].open["wait_leading"].set_result(4)

    told = Play("0.1 kill fleet 0", begin=begin).told
    assert [event for event in told if event[0] == "view"][-1] == ("view", "replica-2", "view 5")


def test_a_suspicion_goes_to_the_replica() -> None:
    play = Play("0 suspect replica follower")
    assert play.told == [("suspect", "replica-1")]
    assert play.stage.actors[replica(1)].called("suspect_leader") == [[]]


def test_what_is_due_at_once_and_alike_happens_at_once() -> None:
    """The second of three is killed before the first is gone."""
    order = []

    def begin(stage: Stage) -> None:
        kill = stage.kill

        async def slowly(addresses: Collection[Address]) -> None:
            order.append("begin")
            await asyncio.sleep(0)
            await kill(addresses)
            order.append("end")

        stage.kill = slowly

    Play("0.1 kill host 0; 0.1 kill host 1; 0.1 kill host 2", begin=begin)
    assert order == ["begin"] * HOSTS + ["end"] * HOSTS


# --- Links ----------------------------------------------------------------------------------------


def cuts(play: Play, sender: Address) -> set[Address]:
    """Return to whom a node was told to lose what it sends."""
    return {peer for (peers,) in play.stage.actors[sender].called("cut") for peer in peers}


def slowed(play: Play, sender: Address) -> dict[Address, float]:
    """Return to whom a node was told to delay what it sends, and by how many ms."""
    calls = play.stage.actors[sender].called("slow")
    return {peer: delay_ms for peers, delay_ms in calls for peer in peers}


R0, R1, R2 = map(replica, range(HOSTS))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cut host 0", [{R1, R2}, {R0}, {R0}]),
        ("cut host 0 from host 2", [{R2}, set(), {R0}]),
        ("cut host 0 from host 2 one-way", [{R2}, set(), set()]),
    ],
)
def test_who_sends_on_a_cut_link_loses_it(words: str, expected: list[set[Address]]) -> None:
    play = Play(f"0 {words}")
    assert [cuts(play, each) for each in (R0, R1, R2)] == expected
    assert not play.stage.actors[Address("fleet", 0)].calls


def test_all_nodes_of_two_hosts_are_cut_off_from_each_other() -> None:
    play = Play("0 cut host 0 from host 2", "spaxos")
    there = {R2, Address("coordinator", 2)}
    assert cuts(play, R0) == cuts(play, Address("coordinator", 0)) == there


def test_a_slow_link_is_slow_one_way_and_as_told_last() -> None:
    play = Play("0 slow host 0 by 5ms; 0.05 slow host 0 to host 1 by 7ms")
    assert slowed(play, R0) == {R1: 7.0, R2: 5.0}
    assert slowed(play, R1) == slowed(play, R2) == {}
    details = [detail for *_, detail in play.events]
    assert details == ["by 5ms", "to host 1 by 7ms", LOAD_HAS_ENDED]


def test_who_returns_while_a_link_is_cut_returns_to_a_cut_link() -> None:
    play = Play("0 cut host 0 from host 2; 0.05 slow host 0 by 5ms; 0.1 kill host 0; +0 restart it")
    assert cuts(play, R0) == {R2}
    assert slowed(play, R0) == {R1: 5.0, R2: 5.0}


def test_who_returns_after_all_was_healed_returns_to_whole_links() -> None:
    play = Play("0 kill host 0; 0 cut host 0; 0.05 heal; 0.1 restart host 0")
    assert ("heal",) in play.told
    assert cuts(play, R0) == slowed(play, R0).keys() == set()


def test_who_is_paused_is_told_but_not_waited_for() -> None:
    def begin(stage: Stage) -> None:
        stage.actors[R0].answers["cut"] = ...

    play = Play("0 pause replica 0; 0.05 cut host 0; 0.1 resume replica 0", begin=begin)
    assert play.told[:2] == [("pause", "replica-0"), ("cut", "host-0")]
    assert cuts(play, R0) == {R1, R2}


def test_when_the_load_ends_all_is_undone_that_keeps_hosts_from_catching_up() -> None:
    play = Play("0 pause host 1; 0 cut host 2; 0.1 kill host 0")
    assert play.told[-2:] == [("resume", "replica-1", LOAD_HAS_ENDED), ("heal", LOAD_HAS_ENDED)]
    assert play.events[-2][0] >= LOAD_S
    assert not play.stage.crew.paused
    for up in (R1, R2):
        assert play.stage.actors[up].calls[-1] == ("heal",)
