"""What goes wrong in a case, and when: single faults at drawn times, and plots.

A plot is a sequence of faults. Each waits for the one before it and, where it says so, for the
system to get into a certain state: so plots reach corners where independent faults hardly meet.

Everything is drawn before the system runs, and whatever is left out, the draw is the same.
"""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

from actors.core.ids import Address, ReplicaId
from actors.core.registry import ReplicaNode
from actors.sim.system import System
from actors.sim.world import World

FAULTS_S = 0.2
WAIT_MAX_S = 0.1
"""How long a fault waits for a state that does not come about."""
POLL_S = 0.000_5
"""How often it is looked whether it has."""

Action = Callable[[], None]
Condition = Callable[[], bool]


def _always() -> bool:
    return True


def _nothing() -> None:
    pass


class Fault(NamedTuple):
    """A fault to come."""

    at_s: float
    words: str
    act: Action
    when: Condition = _always
    """The state that it waits for, from its time on."""
    follows: bool = False
    """Whether its time counts from when the fault before it has happened: as in a plot."""


class Schedule:
    """Has faults happen in a world. Their positions are their numbers."""

    def __init__(self, world: World, faults: Sequence[Fault]) -> None:
        self.faults = faults
        self.plots_ended = 0
        self._world = world
        self._plots = sum(map(self._is_last_of_plot, range(len(faults))))
        self._is_over = False

    def begin(self, without: Collection[int] = ()) -> None:
        """Have the faults happen, but not those of these numbers."""
        for number, fault in enumerate(self.faults):
            if not fault.follows:
                self._plan(number, without)

    @property
    def has_plots_left(self) -> bool:
        """Whether a plot has not come to its end."""
        return self.plots_ended < self._plots

    def end(self) -> None:
        """Have no more faults happen."""
        self._is_over = True

    def _plan(self, number: int, without: Collection[int]) -> None:
        fault = self.faults[number]
        began_s = self._world.now if fault.follows else 0.0
        due_s = began_s + fault.at_s
        self._world.at(due_s, lambda: self._happen(number, without, due_s + WAIT_MAX_S))

    def _happen(self, number: int, without: Collection[int], until_s: float) -> None:
        fault, now = self.faults[number], self._world.now
        if self._is_over:
            return
        if now < until_s and not fault.when():
            self._world.at(now + POLL_S, lambda: self._happen(number, without, until_s))
            return
        if number not in without:
            fault.act()
        if self._is_followed(number):
            self._plan(number + 1, without)
        self.plots_ended += self._is_last_of_plot(number)

    def _is_followed(self, number: int) -> bool:
        return number + 1 < len(self.faults) and self.faults[number + 1].follows

    def _is_last_of_plot(self, number: int) -> bool:
        return self.faults[number].follows and not self._is_followed(number)


class Drawing:
    """Draws the faults of a case and has what they need at hand."""

    def __init__(self, system: System, mix: str, rng: random.Random) -> None:
        self.restarts = 0
        """How many hosts that were not back have been started again."""
        self._system = system
        self._world = system.world
        self._rng = rng
        self._hosts = range(system.config.replicas)
        self._majority = system.config.majority
        self._down_max = system.config.replicas - self._majority
        self._any_may_crash = system.config.crash_model == "full"
        self.faults = list(self._draw(mix))
        """`mix`: one of `mix.MIXES`, but not "all"."""

    # --- Mixes ---

    def _draw(self, mix: str) -> Iterator[Fault]:
        # What the first seven draw must not change: seeds that failed are kept as tests.
        draws: dict[str, Callable[[], Iterator[Fault]]] = {
            "none": lambda: iter(()),
            "network": lambda: self._some(2, 6, (self._cut, self._cut, self._slow, self._suspect)),
            "views": lambda: self._some(4, 12, (self._suspect, self._suspect, self._cut)),
            "crash": self._crashes,
            "epoch": self._returns,
            "full": self._returns,
            "slow": lambda: self._some(2, 6, (self._pause, self._busy, self._clock, self._suspect)),
            "plots": self._plots_of_views,
            "plots-epoch": self._plots_of_returns,
            "plots-full": self._plots_of_returns,
        }
        yield from draws[mix]()

    def _some(
        self, least: int, most: int, kinds: Sequence[Callable[[], Iterator[Fault]]]
    ) -> Iterator[Fault]:
        for _ in range(self._rng.randint(least, most)):
            yield from self._rng.choice(kinds)()

    def _crashes(self) -> Iterator[Fault]:
        """Crash up to f hosts for good, amid suspicions."""
        yield from self._crashes_for_good()
        yield from self._some(0, 4, (self._suspect, self._cut))

    def _crashes_for_good(self) -> Iterator[Fault]:
        for host in self._rng.sample(self._hosts, self._rng.randint(1, self._down_max)):
            yield Fault(self._time(), f"crash host {host}", partial(self._take_out, host))

    def _returns(self) -> Iterator[Fault]:
        """Crash hosts that come back; with their journals perhaps all of them at once."""
        if self._any_may_crash and self._rng.random() < 0.4:
            at_s = self._time()
            yield Fault(at_s, "crash all hosts", self._system.crash_all)
            for host in self._hosts:
                yield self._return(host, at_s)
        for _ in range(self._rng.randint(1, 4)):
            yield from self._crash_and_return()
        yield from self._some(0, 5, (self._suspect, self._suspect, self._cut))

    def _plots_of_views(self) -> Iterator[Fault]:
        yield from self._plots(
            2,
            (
                self._struggle,
                self._struggle,
                self._passed_over,
                self._overtaken,
                self._candidate_crashes,
                self._snapshot_breaks_off,
            ),
        )
        yield from self._some(0, 3, (self._suspect,))
        if self._rng.random() < 0.2:
            yield from self._crashes_for_good()

    def _plots_of_returns(self) -> Iterator[Fault]:
        plots = [
            self._passed_over,
            self._candidate_crashes,
            self._snapshot_breaks_off,
            self._holders_crash,
            self._coordinator_returns,
        ]
        if self._any_may_crash:
            plots += [self._disks_fill]
        else:  # Who returns has forgotten.
            plots += [self._promise_outlived, self._promise_outlived, self._late_holder_crashes]
        yield from self._plots(1, plots)
        yield from self._some(0, 1, (self._suspect, self._crash_and_return))

    def _plots(self, most: int, kinds: Sequence[Callable[[], Iterator[Fault]]]) -> Iterator[Fault]:
        """Draw up to so many plots, at least one, of which each begins when the last one ends."""
        for plot in range(self._rng.randint(1, most)):
            for fault in self._rng.choice(kinds)():
                yield fault if plot == 0 else fault._replace(follows=True)

    # --- Single faults ---

    def _time(self) -> float:
        return self._rng.uniform(0.0, FAULTS_S)

    def _host(self) -> ReplicaId:
        return self._rng.choice(self._hosts)

    def _cut(self) -> Iterator[Fault]:
        """Divide the hosts in two, or cut one link, for a while; clients reach all."""
        at_s, host, one_way = self._time(), self._host(), self._rng.random() < 0.4
        other = self._rng.choice([None, *(h for h in self._hosts if h != host)])
        words = f"cut host {host} from {'all' if other is None else f'host {other}'}"
        words += " one-way" if one_way else ""
        yield Fault(at_s, words, partial(self._system.cut, host, other, one_way=one_way))
        until_s = at_s + self._rng.uniform(0.01, FAULTS_S / 2)
        yield Fault(until_s, "heal all cuts", self._system.reconnect)

    def _slow(self) -> Iterator[Fault]:
        host, by_s = self._host(), self._rng.choice((0.005, 0.03, 0.1))
        words = f"slow host {host} by {by_s * 1e3:g} ms"
        yield Fault(self._time(), words, partial(self._system.slow, host, None, by_s))

    def _suspect(self) -> Iterator[Fault]:
        host = self._host()
        yield Fault(self._time(), f"suspect replica {host}", partial(self._system.suspect, host))

    def _crash_and_return(self) -> Iterator[Fault]:
        at_s, host = self._time(), self._host()
        part = self._rng.choice(self._system.nodes_of(host))
        who = host if self._rng.random() < 0.7 else part
        yield Fault(at_s, f"crash {_named(who)}", partial(self._take_out, who))
        yield self._return(host, at_s)

    def _return(self, host: ReplicaId, after_s: float) -> Fault:
        at_s = after_s + self._rng.uniform(0.0, FAULTS_S / 2)
        return Fault(at_s, f"restart host {host}", partial(self._bring_back, host))

    def _pause(self) -> Iterator[Fault]:
        at_s, host = self._time(), self._host()
        yield Fault(at_s, f"pause host {host}", partial(self._system.pause, host))
        until_s = at_s + self._rng.uniform(0.005, FAULTS_S / 2)
        yield Fault(until_s, f"resume host {host}", partial(self._system.resume, host))

    def _busy(self) -> Iterator[Fault]:
        host, event_s = self._host(), self._rng.choice((0.0002, 0.001))
        words = f"host {host} takes {event_s * 1e3:g} ms for each event"
        yield Fault(self._time(), words, partial(self._system.slow_down, host, event_s))

    def _clock(self) -> Iterator[Fault]:
        host, rate = self._host(), self._rng.choice((0.8, 0.95, 1.05, 1.25))
        ahead_s = self._rng.choice((0.0, 0.0, 1.0))
        words = f"clock of host {host} goes at {rate:g}, {ahead_s:g} s ahead"
        yield Fault(self._time(), words, partial(self._system.set_clock, host, rate, ahead_s))

    def _take_out(self, who: ReplicaId | Address) -> None:
        """Crash it, unless more hosts would be down or returning than the model stands."""
        itself = who if isinstance(who, int) else who.number
        down = sum(not self._system.is_back(host) for host in self._but(itself))
        if self._any_may_crash or down < self._down_max:
            self._system.crash(who)

    def _bring_back(self, host: ReplicaId) -> None:
        if not self._system.is_back(host) and self._system.may_return(host):
            self.restarts += 1
            self._system.restart(host)

    # --- Plots among views ---

    def _struggle(self) -> Iterator[Fault]:
        """Have hosts lead one after the other, each cut off in another way as it begins."""
        host = self._host()
        yield self._prelude(host)
        for turn in range(self._rng.randint(2, 5)):
            if turn:
                waits = self._rng.choice((_always, self._has_opened(host), self._is_ahead(host)))
                host = self._host()
                yield self._suspicion(host, self._soon(0.04), waits)
            others = self._but(host)
            is_due = self._rng.choice((self._leads(host), self._follow(others, host)))
            yield self._reconnection(0.0, is_due)
            yield from self._cut_around(host, others)
        yield self._reconnection(self._soon(0.04))

    def _cut_around(self, host: ReplicaId, others: list[ReplicaId]) -> Iterator[Fault]:
        for _ in range(self._rng.choice((0, 1, 1, 2))):
            some = self._rng.sample(others, self._rng.randint(1, len(others)))
            match self._rng.choice(("mute", "deaf", "apart", "late")):
                case "mute":
                    yield self._division([host], some, one_way=True)
                case "deaf":
                    yield self._division(some, [host], one_way=True)
                case "apart":
                    yield self._division([host, *self._but(host, *some)], some)
                case "late":
                    yield self._slowness(some[0], self._rng.choice((0.01, 0.03)))

    def _passed_over(self) -> Iterator[Fault]:
        """Let nobody hear what a leader opens, have it ordered anew, and that leader lead again.

        In S-Paxos ids get ordered twice in this way.
        """
        first, second, *_ = self._shuffled()
        yield self._prelude(first)
        yield self._division([first], self._but(first), one_way=True, when=self._leads(first))
        cut_off = self._division([first], self._but(first), when=self._has_opened(first))
        yield cut_off._replace(at_s=self._rng.uniform(0.0, 0.02))
        yield self._suspicion(second)
        yield self._reconnection(self._soon(0.02), self._leads(second))
        yield self._suspicion(first)

    def _overtaken(self) -> Iterator[Fault]:
        """Let some of those who accepted a value hear a vote of the next view, but not its leader.

        The first leader alone knows the value decided. The second one does not, and proposes it
        anew: only the first hears that, and votes. Both are cut off, and the others choose a third.
        """
        hosts = self._shuffled()
        first, second, *thirds = hosts[: self._majority]
        rest = hosts[self._majority :]
        others = [*thirds, *rest]
        yield self._prelude(first)
        yield self._division([first, second, *thirds], rest, when=self._leads(first))
        if thirds:
            yield self._division([second], thirds)
        yield self._reconnection(0.0, self._is_ahead(first, [second, *thirds]))
        yield self._division([first], self._but(first))
        yield self._suspicion(second)
        promised = self._follow(others, second, self._majority - 1)
        yield self._division([second], others, one_way=True, when=promised)
        yield self._reconnection(0.0, self._leads(second))
        yield self._division([second], others, one_way=True)
        yield self._division([first], others, when=self._is_sent("Accept"))
        yield self._suspicion(self._rng.choice(rest), self._soon(0.01))
        yield self._reconnection(self._rng.uniform(0.02, 0.05))

    # --- Plots among crashes ---

    def _candidate_crashes(self) -> Iterator[Fault]:
        """Crash a candidate when somebody has promised, who takes over; it may return."""
        candidate, voter, *_ = self._shuffled()
        yield self._prelude(candidate)
        yield self._crash(candidate, 0.0, self._follow([voter], candidate))
        yield self._suspicion(voter, self._soon(0.01))
        yield from self._comeback(candidate, self._soon(0.03))

    def _snapshot_breaks_off(self) -> Iterator[Fault]:
        """Crash a host that was away as it asks for a snapshot or takes it, or who is asked."""
        host, other, *_ = self._shuffled()
        at_s = self._rng.uniform(0.0, FAULTS_S / 4)
        away_s = self._rng.uniform(0.02, 0.08)
        if self._system.may_return(host) and self._rng.random() < 0.5:
            yield self._crash(host, at_s)._replace(follows=False)
            yield from self._comeback(host, away_s)
        else:
            cut_off = self._division([host], self._but(host))
            yield cut_off._replace(at_s=at_s, follows=False)
            yield self._reconnection(away_s)
        if self._rng.random() < 0.5:  # Before or after what it writes then is synced.
            who, words = host, f"wait until replica {host} takes a snapshot"
            yield Fault(0.0, words, _nothing, self._has_installed(host), follows=True)
            yield self._crash(who, self._rng.uniform(0.0, self._world.sync_max_s))
        else:
            who = self._rng.choice((host, host, other))
            yield self._crash(who, self._soon(0.002), self._is_sent("FetchSnapshot"))
        yield from self._comeback(who, self._soon(0.02))

    def _coordinator_returns(self) -> Iterator[Fault]:
        """Crash a coordinator, or its replica, again and again, each time for a moment."""
        host = self._host()
        yield self._prelude(self._host())
        for _ in range(self._rng.randint(2, 4)):
            yield self._crash(self._rng.choice(self._system.nodes_of(host)), self._soon(0.02))
            yield from self._comeback(host, self._soon(0.01))

    def _disks_fill(self) -> Iterator[Fault]:
        """Leave no room on the disks of as many replicas as may stop for good."""
        yield self._prelude(self._host())
        for host in self._rng.sample(self._hosts, self._rng.randint(1, self._down_max)):
            act = partial(self._world.fill_disk, Address("replica", host))
            at_s = self._rng.uniform(0.0, 0.03)
            yield Fault(at_s, f"fill the disk of replica {host}", act, follows=True)

    def _promise_outlived(self) -> Iterator[Fault]:
        """Crash a voter that has promised; it returns to the older view and votes there.

        Then its candidate gets the promises of others, and must not count the one of the voter.
        """
        leader, candidate, voter, *rest = self._shuffled()
        partners = rest[: self._majority - 2]
        yield self._prelude(leader)
        yield self._division([candidate], [leader, *rest], when=self._leads(leader))
        yield self._suspicion(candidate)
        yield self._crash(Address("replica", voter), 0.0, self._follow([voter], candidate))
        yield from self._comeback(voter, self._soon(0.01))
        yield self._reconnection(self._soon(0.005), self._is_back(voter))
        yield self._division([candidate, *partners], self._but(candidate, *partners))
        yield self._reconnection(self._soon(0.02), self._leads(candidate))

    def _holders_crash(self) -> Iterator[Fault]:
        """Crash those who alone hold a batch: first one and, when it is back, all the others."""
        hosts = self._shuffled()
        first, *others = hosts[: self._majority]
        rest = hosts[self._majority :]
        yield self._prelude(rest[0])
        yield self._division([first, *others], rest, one_way=True, when=self._leads(rest[0]))
        yield self._crash(Address("replica", first), self._rng.uniform(0.005, 0.02))
        yield self._reconnection()
        yield self._division(others, rest, one_way=True)
        yield from self._comeback(first, self._soon(0.01))
        yield from self._crash_together(others, 0.0, self._is_back(first))

    def _late_holder_crashes(self) -> Iterator[Fault]:
        """Crash those who will hold a batch: one returns before all of the others have it.

        Its origin has heard that the first held it, and not that it has returned since.
        """
        hosts = self._shuffled()
        first, origin, *late = hosts[: self._majority]
        rest = hosts[self._majority :]
        yield self._prelude(rest[0])
        yield self._division(
            [first, origin], [*late, *rest], one_way=True, when=self._leads(rest[0])
        )
        yield self._crash(Address("replica", first), self._rng.uniform(0.005, 0.02))
        yield self._reconnection()
        yield self._division([origin], [*late, *rest], one_way=True)
        yield self._division([first], [origin], one_way=True)
        yield self._division(late, rest, one_way=True)
        yield from self._comeback(first, self._soon(0.01))
        yield self._reconnection(0.0, self._is_back(first))
        yield self._division([origin, *late], rest, one_way=True)
        yield self._division([first], [origin], one_way=True)
        yield from self._crash_together([origin, *late], self._rng.uniform(0.01, 0.06))

    def _crash_together(
        self, hosts: Iterable[ReplicaId], after_s: float, when: Condition = _always
    ) -> Iterator[Fault]:
        """Crash replicas at once, not their coordinators, and bring them back."""
        for host in hosts:
            yield self._crash(Address("replica", host), after_s, when)
            after_s, when = 0.0, _always
        yield self._reconnection(self._soon(0.02))
        for host in hosts:
            yield from self._comeback(host, self._soon(0.01))

    # --- Steps of a plot ---

    def _soon(self, within_s: float) -> float:
        """Draw a time, quite often none at all."""
        return self._rng.choice((0.0, self._rng.uniform(0.0, within_s)))

    def _shuffled(self) -> list[ReplicaId]:
        return self._rng.sample(self._hosts, len(self._hosts))

    def _but(self, *hosts: ReplicaId) -> list[ReplicaId]:
        return [host for host in self._hosts if host not in hosts]

    def _prelude(self, host: ReplicaId) -> Fault:
        """Begin a plot with making a host lead."""
        at_s = self._rng.uniform(0.0, FAULTS_S / 4)
        return Fault(at_s, f"suspect replica {host}", partial(self._system.suspect, host))

    def _suspicion(self, host: ReplicaId, after_s: float = 0.0, when: Condition = _always) -> Fault:
        act = partial(self._system.suspect, host)
        return Fault(after_s, f"suspect replica {host}", act, when, follows=True)

    def _division(
        self,
        hosts: Sequence[ReplicaId],
        others: Sequence[ReplicaId],
        *,
        one_way: bool = False,
        when: Condition = _always,
    ) -> Fault:
        def act() -> None:
            for host in hosts:
                for other in others:
                    self._system.cut(host, other, one_way=one_way)

        words = f"cut hosts {_listed(hosts)} from {_listed(others)}{' one-way' if one_way else ''}"
        return Fault(0.0, words, act, when, follows=True)

    def _slowness(self, host: ReplicaId, by_s: float) -> Fault:
        act = partial(self._system.slow, host, None, by_s)
        return Fault(0.0, f"slow host {host} by {by_s * 1e3:g} ms", act, follows=True)

    def _reconnection(self, after_s: float = 0.0, when: Condition = _always) -> Fault:
        return Fault(after_s, "heal all cuts", self._system.reconnect, when, follows=True)

    def _crash(self, who: ReplicaId | Address, after_s: float, when: Condition = _always) -> Fault:
        act = partial(self._take_out, who)
        return Fault(after_s, f"crash {_named(who)}", act, when, follows=True)

    def _comeback(self, host: ReplicaId, after_s: float) -> Iterator[Fault]:
        """Bring a host back where hosts may come back."""
        if self._system.may_return(host):
            act = partial(self._bring_back, host)
            yield Fault(after_s, f"restart host {host}", act, follows=True)

    # --- What a step waits for ---

    def _replica(self, host: ReplicaId) -> ReplicaNode | None:
        return cast(ReplicaNode | None, self._world.nodes.get(Address("replica", host)))

    def _leads(self, host: ReplicaId) -> Condition:
        return lambda: (replica := self._replica(host)) is not None and replica.ordering.leads

    def _follow(self, hosts: Sequence[ReplicaId], leader: ReplicaId, number: int = 1) -> Condition:
        """Wait until so many are in a view of the leader: they have promised, if not more."""

        def follow() -> bool:
            replicas = filter(None, map(self._replica, hosts))
            return sum(replica.ordering.leader == leader for replica in replicas) >= number

        return follow

    def _is_back(self, host: ReplicaId) -> Condition:
        return partial(self._system.is_back, host)

    def _has_opened(self, leader: ReplicaId) -> Condition:
        """Wait until a leader has some instances open, or leads no more."""
        some = min(self._rng.choice((1, 2, 2, 3)), self._system.config.window)

        def has_opened() -> bool:
            replica = self._replica(leader)
            return (
                replica is None
                or not replica.ordering.leads
                or replica.ordering.open_instances >= some
            )

        return has_opened

    def _is_ahead(self, leader: ReplicaId, behind: Sequence[ReplicaId] = ()) -> Condition:
        """Wait until a leader knows of more decisions than those behind, or leads no more."""
        behind = behind or self._but(leader)

        def is_ahead() -> bool:
            replica = self._replica(leader)
            if replica is None or not replica.ordering.leads:
                return True
            others = [other for host in behind if (other := self._replica(host)) is not None]
            known = max((other.ordering.log.undecided for other in others), default=0)
            return replica.ordering.log.undecided > known

        return is_ahead

    def _has_installed(self, host: ReplicaId) -> Condition:
        """Wait until a replica takes a snapshot."""
        counts: list[float] = []

        def has_installed() -> bool:
            if (replica := self._replica(host)) is not None:
                counts.append(replica.counts()["snapshots_installed"])
            return bool(counts) and counts[-1] > counts[0]

        return has_installed

    def _is_sent(self, kind: str) -> Condition:
        """Wait until a message of that name has been sent since this was first asked."""
        counts: list[int] = []

        def is_sent() -> bool:
            counts.append(self._world.sent[kind])
            return counts[-1] > counts[0]

        return is_sent


def _named(who: ReplicaId | Address) -> str:
    return f"host {who}" if isinstance(who, int) else str(who)


def _listed(hosts: Iterable[ReplicaId]) -> str:
    return ", ".join(map(str, hosts))
