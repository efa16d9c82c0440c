"""Deliberate bugs in the protocols, and the hunt for each: a check that misses one proves little.

A mutant has one method of a core class swapped for a faulty one, within `patched` and nowhere else.
Each breaks one rule that the core states, and leaves the rest alone. A hunt runs the cases that are
likeliest to show it, always in the same order, until one fails.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from actors.core.batch_ids import decode_ids
from actors.core.columns import Columns
from actors.core.config import Config
from actors.core.coordinator import Coordinator
from actors.core.dissemination import Dissemination, highest_stable
from actors.core.effects import Effect, Send
from actors.core.executor import Executor
from actors.core.ids import Instance, ReplicaId, View, origin_of
from actors.core.journal import AnyRecord, Journal, Vote
from actors.core.log import ENTRY_BYTES, Entry, Log
from actors.core.messages import Accept, Accepted, Ack, Prepare, PrepareOk, Propose
from actors.core.ordering import Ordering
from actors.core.paxos import NO_OP, Paxos
from actors.core.quorum import Votes
from actors.core.recovery import Epochs, Recovery
from actors.core.spaxos import SPaxosReplica
from actors.sim.mix import Case, run
from actors.sim.process import Process
from actors.sim.world import World

SEEDS_MAX = 20_000
HUNT_S = 60.0

BOTH = ("jpaxos", "spaxos")


class Swap(NamedTuple):
    """A method of a core class, and what takes its place."""

    owner: type
    method: str
    other: Callable[..., Any]

    @contextmanager
    def made(self) -> Iterator[None]:
        """Swap it while in this context."""
        original = vars(self.owner).get(self.method)
        # A method that was renamed or moved would leave a mutant without its bug.
        assert callable(original), f"{self.owner.__name__} has no {self.method} of its own"
        setattr(self.owner, self.method, self.other)
        try:
            yield
        finally:
            setattr(self.owner, self.method, original)


class Mutant(NamedTuple):
    """A bug, and which cases are likeliest to show it."""

    name: str
    what: str
    """What is wrong, in words for a table."""
    swaps: tuple[Swap, ...]
    mixes: tuple[str, ...]
    protocols: tuple[str, ...] = ("jpaxos",)
    replicas: tuple[int, ...] = (3, 5)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Have the bug in all nodes that are made and run in this context.

        The core's own assertions on what is accepted and decided are off there: a bug must not get
        past the checkers where no assertion happens to stop it.
        """
        with ExitStack() as stack:
            for swap in (*self.swaps, *_UNASSERTED):
                stack.enter_context(swap.made())
            yield


class Catch(NamedTuple):
    """The first case that fails with a mutant."""

    case: Case
    problem: str
    """The first thing that broke: the checker's name, a colon, what it found."""
    seeds: int
    """Cases that were run, this one included."""

    @property
    def caught_by(self) -> str:
        """Name of the checker that objected first."""
        return self.problem.partition(":")[0]


def hunt(mutant: Mutant, seeds_max: int = SEEDS_MAX, seconds: float = HUNT_S) -> Catch | None:
    """Run cases with the bug until one fails that is fine without it; None where none does.

    `seconds`: of wall time; the case under way when they are over is still judged.
    """
    end_s = time.monotonic() + seconds
    for seeds, case in enumerate(itertools.islice(cases(mutant), seeds_max), 1):
        with mutant.patched():
            problems = run(case).problems
        if problems and not run(case).problems:
            return Catch(case, problems[0], seeds)
        if time.monotonic() >= end_s:
            break
    return None


def cases(mutant: Mutant) -> Iterator[Case]:
    """Yield, without end, the cases of a hunt: all that the mutant names take turns."""
    for seed in itertools.count(1):
        for replicas, mix, protocol in itertools.product(
            mutant.replicas, mutant.mixes, mutant.protocols
        ):
            yield Case(seed, protocol, replicas, mix)


# --- No assertions ------------------------------------------------------------------------------


def _accept_anything(self: Entry, view: View, value: bytes) -> None:
    self.accepted_view = view
    self.value = value


def _decide_anything(self: Log, instance: Instance, value: bytes) -> None:
    entry = self.entry(instance)
    self._decided_bytes += (
        len(value) + ENTRY_BYTES - entry.decided * (len(entry.value) + ENTRY_BYTES)
    )
    entry.value = value
    entry.decided = True
    self._advance()


_UNASSERTED = (
    Swap(Entry, "accept", _accept_anything),
    Swap(Log, "decide", _decide_anything),
)


# --- Quorums and votes --------------------------------------------------------------------------


def _is_chosen_by_one_less(self: Entry, majority: int) -> bool:
    return self.votes.view == self.accepted_view and len(self.votes) >= majority - 1


def _is_chosen_whatever_was_accepted(self: Entry, majority: int) -> bool:
    return self.accepted_view >= 0 and len(self.votes) >= majority


def _count_every_vote(self: Votes, view: View, replica: ReplicaId) -> None:
    """Count a repeated vote as one of the next replica that has not voted."""
    if view > self.view:
        self.view = view
        self._voters = 0
    if view == self.view:
        while replica in self:
            replica += 1
        self._voters |= 1 << replica


def _count_stale_accept(self: Paxos, sender: ReplicaId, message: Accept, now: float) -> None:
    self._enter(message.view)
    self._record_votes(message.instance, self.view, (sender,), now)


def _accept_in_lower_view(self: Paxos, sender: ReplicaId, message: Propose, now: float) -> None:
    """Accept what a former leader proposes, where no newer one has proposed anything yet."""
    if message.instance < self._log.start:
        return
    entry = self._log.entry(message.instance)
    if message.view >= self.view:
        _on_propose(self, sender, message, now)
    elif message.view > entry.accepted_view and not entry.decided:
        entry.accept(message.view, message.value)
        self._out.broadcast(self._others, Accept(message.view, message.instance))


def _erase_accepted_on_accept(self: Paxos, sender: ReplicaId, message: Accept, now: float) -> None:
    entry = self._log.find(message.instance)
    if entry is not None and not entry.decided and message.view > entry.accepted_view:
        entry.accepted_view = -1
        entry.value = b""
    _on_accept(self, sender, message, now)


def _move_accepted_up(self: Paxos, sender: ReplicaId, message: Accept, now: float) -> None:
    entry = self._log.find(message.instance)
    if entry is not None and 0 <= entry.accepted_view < message.view:
        entry.accepted_view = message.view
    _on_accept(self, sender, message, now)


def _decide_what_is_proposed(self: Paxos, instance: Instance, value: bytes, now: float) -> None:
    _propose(self, instance, value, now)
    self._log.decide(instance, value)


def _learn_from_any_view(self: Paxos, _view: View, undecided: Instance) -> None:
    for instance in range(self._log.undecided, undecided):
        entry = self._log.find(instance)
        if entry is None or entry.accepted_view < 0:
            return
        self._log.decide(instance, entry.value)


# --- New leaders --------------------------------------------------------------------------------


def _forget_accepted_on_enter(self: Paxos, view: View) -> None:
    if view > self.view:
        for _, entry in self._log.entries_from(self._log.undecided):
            if not entry.decided:
                entry.accepted_view = -1
                entry.value = b""
    _enter(self, view)


def _promise_lower_view(self: Paxos, sender: ReplicaId, message: Prepare) -> None:
    if message.view < self.view:
        self.view = message.view
        self._leading = False
        self._promises = None
    _on_prepare(self, sender, message)


def _count_stale_promise(self: Paxos, sender: ReplicaId, message: PrepareOk, now: float) -> None:
    if self._promises is not None:
        self._promises[sender] = message
        self.try_lead(now)


def _learn_own_alone(self: Paxos, _promises: dict[ReplicaId, PrepareOk]) -> dict[int, Accepted]:
    return {each.instance: each for each in self._log.accepted_from(self._log.undecided)}


def _learn_of_lowest_view(
    self: Paxos, promises: dict[ReplicaId, PrepareOk]
) -> dict[Instance, Accepted]:
    learnt = _learn_own_alone(self, promises)
    for promise in promises.values():
        for accepted in promise.accepted:
            best = learnt.get(accepted.instance)
            if best is None or accepted.view < best.view:
                learnt[accepted.instance] = accepted
    return {i: accepted for i, accepted in learnt.items() if i >= self._log.undecided}


def _learn_but_the_last(
    self: Paxos, promises: dict[ReplicaId, PrepareOk]
) -> dict[Instance, Accepted]:
    learnt = _learnt(self, promises)
    learnt.pop(max(learnt, default=-1), None)
    return learnt


def _leave_gap(self: Paxos, instance: Instance, value: bytes, now: float) -> None:
    self._next = instance + 1
    if value != NO_OP:
        _propose(self, instance, value, now)


def _lead_without_catching_up(self: Paxos, now: float) -> None:
    if self._promises is not None:
        self._promises = {
            replica: PrepareOk(promise.view, 0, promise.accepted, promise.epochs)
            for replica, promise in self._promises.items()
        }
    _try_lead(self, now)


# --- Return after a crash -----------------------------------------------------------------------


def _restore_without_votes(self: Ordering, records: Iterable[AnyRecord]) -> None:
    _restore(self, [record for record in records if not isinstance(record, Vote)])


def _write_nothing(self: Journal, *_: object) -> None:
    """Answer as if the record were on stable storage."""


def _return_at_once(
    self: Recovery, me: ReplicaId, config: Config, epochs: Epochs, out: Any
) -> None:
    _init_recovery(self, me, config, epochs, out)
    self.is_under_way = False


def _goal_without_leader(self: Recovery) -> tuple[View, Instance, list[int]] | None:
    if not self.is_under_way or len(self._answers) < self._majority:
        return None
    return max(answer.message.view for answer in self._answers.values()), 0, []


def _count_every_promise(_self: Paxos, _replica: ReplicaId, _promise: PrepareOk) -> bool:
    return False


def _hold_enough(_self: SPaxosReplica, _held: list[int]) -> bool:
    return True


def _perform_at_once(self: World, process: Process, effect: Effect) -> None:
    if isinstance(effect, Send):
        self._send(process, effect)
    else:
        _perform(self, process, effect)


def _start_with_same_origin(
    self: Coordinator, me: ReplicaId, config: Config, records: Sequence[bytes] = ()
) -> None:
    _init_coordinator(self, me, config, records)
    self._origin = origin_of(me, 1, config.replicas)


# --- Execution and snapshots --------------------------------------------------------------------


def _execute_all(self: Executor, batch: bytes) -> Columns:
    requests = Columns.decode(batch)
    self.batches += 1
    self.digests.fold(batch)
    return self._execute_fresh(requests)


def _restore_without_table(self: Executor, snapshot: bytes) -> None:
    _restore_executor(self, snapshot)
    self.last[:] = 0


def _take_accepted(self: Log) -> Iterator[tuple[Instance, bytes]]:
    """Yield what is accepted, decided or not."""
    while (entry := self.find(self._untaken)) and (entry.decided or entry.accepted_view >= 0):
        instance = self._untaken
        self._untaken += 1
        yield instance, entry.value


# --- Dissemination ------------------------------------------------------------------------------


def _stable_where_one_holds(self: Dissemination, origin: int) -> None:
    self.stable[origin] = highest_stable([held[origin] for held in self._held], 1)
    self._tell_coordinator |= origin == self._coordinator_origin


def _acknowledge_what_others_hold(self: Dissemination) -> None:
    """Acknowledge whatever is known of, though it has yet to be fetched."""
    self._ack_since = None
    known = [max(held) for held in zip(*self._held, strict=True)]
    self._out.broadcast(self._others, Ack(known, self._epochs.vector()))


def _forget_nothing(_self: Dissemination, _replica: ReplicaId) -> None:
    pass


def _learn_of_sender_alone(self: Epochs, sender: ReplicaId, epochs: list[int]) -> bool:
    return not (epochs and self.learn(sender, epochs[sender]))


def _order_repeated_ids(self: SPaxosReplica) -> bool:
    decided = False
    for instance, value in self.ordering.take_decided():
        decided = True
        for batch in decode_ids(value):
            self._ordered[batch.origin].add(batch.sequence)
            self._queue.append((instance, batch))
            if self._dissemination.find(batch) is None:
                self._dissemination.require(batch, self._now)
        self._queue.append((instance, None))
    return decided


# What the faulty methods above fall back on.
_on_propose = Paxos.on_propose
_on_accept = Paxos.on_accept
_on_prepare = Paxos.on_prepare
_propose = Paxos._propose
_enter = Paxos._enter
_learnt = Paxos._learnt
_try_lead = Paxos.try_lead
_restore = Ordering.restore
_restore_executor = Executor.restore
_init_recovery = Recovery.__init__
_init_coordinator = Coordinator.__init__
_perform = World._perform


MUTANTS = (
    Mutant(
        "quorum-short",
        "one vote fewer than a majority decides",
        (Swap(Entry, "is_chosen", _is_chosen_by_one_less),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "vote-for-another-value",
        "votes of a higher view decide the value accepted in a lower one",
        (Swap(Entry, "is_chosen", _is_chosen_whatever_was_accepted),),
        ("views", "network", "plots"),
        replicas=(5,),
    ),
    Mutant(
        "vote-counted-twice",
        "a repeated vote counts as one more",
        (Swap(Votes, "add", _count_every_vote),),
        ("plots", "views"),
        replicas=(5,),
    ),
    Mutant(
        "stale-accept",
        "an Accept of a lower view counts in the present one",
        (Swap(Paxos, "on_accept", _count_stale_accept),),
        ("plots", "views"),
        replicas=(5,),
    ),
    Mutant(
        "accept-in-lower-view",
        "a replica accepts what the leader of a view proposes that it has left",
        (Swap(Paxos, "on_propose", _accept_in_lower_view),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "accepted-erased",
        "an Accept that overtakes its Propose erases the value accepted before",
        (Swap(Paxos, "on_accept", _erase_accepted_on_accept),),
        ("plots",),
        replicas=(5,),
    ),
    Mutant(
        "accepted-moved-up",
        "an Accept that overtakes its Propose gives the value accepted before its own view",
        (Swap(Paxos, "on_accept", _move_accepted_up),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "accepted-forgotten",
        "a replica that enters a higher view forgets what it has accepted",
        (Swap(Paxos, "_enter", _forget_accepted_on_enter),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "decided-when-proposed",
        "the leader executes and answers what it has only proposed",
        (Swap(Paxos, "_propose", _decide_what_is_proposed),),
        ("views", "network", "plots"),
        BOTH,
    ),
    Mutant(
        "executed-when-accepted",
        "every replica executes what it has only accepted",
        (Swap(Log, "take_decided", _take_accepted),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "learnt-from-any-view",
        "a replica takes what it accepted in an old view for what is decided",
        (Swap(Paxos, "learn_decided_below", _learn_from_any_view),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "promise-broken",
        "a replica goes back to a lower view where its candidate asks",
        (Swap(Paxos, "on_prepare", _promise_lower_view),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "promises-ignored",
        "a new leader proposes again only what it has accepted itself",
        (Swap(Paxos, "_learnt", _learn_own_alone),),
        ("views", "network", "plots"),
        BOTH,
    ),
    Mutant(
        "lowest-view-learnt",
        "a new leader takes the value of the lowest view, not the highest",
        (Swap(Paxos, "_learnt", _learn_of_lowest_view),),
        ("views", "network", "plots"),
        replicas=(5, 3),
    ),
    Mutant(
        "last-instance-lost",
        "a new leader overlooks the last instance that was accepted",
        (Swap(Paxos, "_learnt", _learn_but_the_last),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "gap-left",
        "a new leader opens instances beyond a gap and does not fill it",
        (Swap(Paxos, "_propose", _leave_gap),),
        ("views", "plots"),
        replicas=(3,),
    ),
    Mutant(
        "lead-without-catch-up",
        "a new leader begins though its promises know of decisions that it lacks",
        (Swap(Paxos, "try_lead", _lead_without_catching_up),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "votes-not-replayed",
        "a replica that returns does not read its votes (full)",
        (Swap(Ordering, "restore", _restore_without_votes),),
        ("full", "plots-full"),
    ),
    Mutant(
        "votes-not-written",
        "a replica votes without writing it down (full)",
        (Swap(Journal, "vote", _write_nothing),),
        ("full", "plots-full"),
    ),
    Mutant(
        "recovery-skipped",
        "a replica that has forgotten its votes takes part at once (epoch)",
        (Swap(Recovery, "__init__", _return_at_once),),
        ("epoch", "plots-epoch"),
        BOTH,
    ),
    Mutant(
        "recovered-too-early",
        "a replica takes part before it has what the leader had opened (epoch)",
        (Swap(Recovery, "goal", _goal_without_leader),),
        ("plots-epoch", "epoch"),
        replicas=(3,),
    ),
    Mutant(
        "promise-of-former-life",
        "a candidate counts a promise whose maker has forgotten it in a crash (epoch)",
        (Swap(Paxos, "_is_forgotten", _count_every_promise),),
        ("plots-epoch",),
        ("spaxos",),
        replicas=(5,),
    ),
    Mutant(
        "payloads-not-recovered",
        "a replica takes part before it holds again what it has held (epoch)",
        (Swap(SPaxosReplica, "holds_all", _hold_enough),),
        ("plots-epoch",),
        ("spaxos",),
    ),
    Mutant(
        "stale-promise",
        "a candidate counts a promise made to its former candidacy",
        (Swap(Paxos, "on_prepare_ok", _count_stale_promise),),
        ("views", "network", "plots"),
    ),
    Mutant(
        "dedup-dropped",
        "a request that is ordered twice is executed twice",
        (Swap(Executor, "execute", _execute_all),),
        ("views", "network", "plots"),
        BOTH,
    ),
    Mutant(
        "snapshot-without-table",
        "a replica that takes a snapshot forgets what it has executed",
        (Swap(Executor, "restore", _restore_without_table),),
        ("full", "network", "views"),
        BOTH,
    ),
    Mutant(
        "unstable-proposed",
        "the leader proposes ids of batches that one replica alone holds",
        (Swap(Dissemination, "_restabilise", _stable_where_one_holds),),
        ("network",),
        ("spaxos",),
    ),
    Mutant(
        "acknowledged-before-held",
        "a replica acknowledges batches that it has only heard of",
        (Swap(Dissemination, "_acknowledge", _acknowledge_what_others_hold),),
        ("network",),
        ("spaxos",),
    ),
    Mutant(
        "acknowledged-before-durable",
        "a replica acknowledges a payload that a crash loses (full)",
        (Swap(Journal, "payload", _write_nothing),),
        ("full", "plots-full"),
        ("spaxos",),
    ),
    Mutant(
        "origin-reused",
        "a coordinator numbers its batches like its former life (epoch, full)",
        (Swap(Coordinator, "__init__", _start_with_same_origin),),
        ("epoch", "full"),
        ("spaxos",),
    ),
    Mutant(
        "former-holder-counted",
        "a batch counts as held by a replica that has lost it in a crash (epoch)",
        (Swap(Dissemination, "forget_holder", _forget_nothing),),
        ("plots-epoch",),
        ("spaxos",),
        replicas=(5,),
    ),
    Mutant(
        "restarts-not-passed-on",
        "a replica learns of a restart from nobody but who has started again (epoch)",
        (Swap(Epochs, "learn_all", _learn_of_sender_alone),),
        ("plots-epoch",),
        ("spaxos",),
        replicas=(5,),
    ),
    Mutant(
        "sent-before-synced",
        "what a replica sends does not wait for its disk (full)",
        (Swap(World, "_perform", _perform_at_once),),
        ("full", "plots-full"),
        BOTH,
    ),
    Mutant(
        "id-executed-twice",
        "a batch whose id is ordered twice is executed twice",
        (Swap(SPaxosReplica, "_order", _order_repeated_ids),),
        ("views", "network", "plots"),
        ("spaxos",),
    ),
)
"""All of them, those of the ordering first."""
