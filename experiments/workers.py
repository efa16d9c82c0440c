"""Processes that work at the same time: on the cores of this machine, or all over a Ray cluster.

What they do is a process's work and none of its neighbours' business: one that dies takes nothing
else with it. Nothing is begun that there is no room for, so that whoever is told what is begun
knows what is under way.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Any, Protocol, Self, TypeVar

from experiments import ends, open_files
from experiments.errors import Lost, RunFailed

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores of this machine this process may use."""
    return len(os.sched_getaffinity(0))


class Workers(Protocol):
    """Where work is done, between entering and leaving; what is not done by then is given up."""

    @property
    def count(self) -> int:
        """How much can be under way at once; at least 1."""

    def __enter__(self) -> Self:
        """Get ready; raises RunFailed where nothing can be done."""

    def __exit__(self, *_: object) -> None:
        """Give up what is under way."""

    def begin(self, work: Callable[[T], R], given: T) -> "Future[R]":
        """Begin to do `work`, a function of some module; what it is given and returns is copied.

        What cannot be begun has failed, with RunFailed.
        """

    def is_lost(self, ended: "Future[R]") -> bool:
        """Say whether the process that did it was lost."""

    def result(self, ended: "Future[R]") -> R:
        """Return what came of work that has ended, or raise what it raised.

        Raises Lost where it is lost.
        """


def each(
    workers: Workers,
    work: Callable[[T], R],
    wanted: Iterable[T],
    at_once: int | None = None,
    tries: int = 1,
) -> Iterator[tuple[T, "Future[R]"]]:
    """Have `work` done on each that is wanted; yield it with its future, as it ends.

    As many are under way as there is room for, and at most `at_once`. What is wanted is asked for
    only when it can begin. What is lost is begun again, until it was begun `tries` times.
    """
    rest = iter(wanted)
    under_way: dict[Future[R], tuple[T, int]] = {}

    def begin(one: T, tried: int) -> None:
        under_way[workers.begin(work, one)] = one, tried + 1

    def begin_more() -> None:
        with suppress(StopIteration):  # Nothing more is wanted.
            while len(under_way) < min(workers.count, at_once or workers.count):
                begin(next(rest), 0)

    begin_more()
    while under_way:
        ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in ended:
            one, tried = under_way.pop(future)
            if tried < tries and workers.is_lost(future):
                begin(one, tried)
                continue
            begin_more()  # First: whoever is told of the end may take his time.
            yield one, future


class Processes:
    """Processes of this machine, `count` at most: as many as this one may use cores, unless given.

    They end with this process, however it ends.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or cores()
        self._processes: list[_Process] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        open_files.allow_many()  # Each process takes eight.
        self._open.enter_context(ends.sigterm_heard())
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.end()
        self._processes = []
        self._open.close()

    def begin(self, work: Callable[[T], R], given: T) -> "Future[R]":
        """Begin to do `work` in a process, a new one where none is idle.

        Where none can be started there is no room for more than there are; raises RunFailed where
        there is none at all.
        """
        try:
            return self._begin(work, given)
        except OSError as error:
            if not self._processes:
                raise RunFailed(f"no process can be started: {error.strerror}") from error
            self.count = len(self._processes)
            failed: Future[R] = Future()
            failed.set_exception(RunFailed(f"no process can be started for it: {error.strerror}"))
            return failed

    def _begin(self, work: Callable[[T], R], given: T) -> "Future[R]":
        for process in [idle for idle in self._processes if idle.is_idle]:
            try:
                return process.begin(work, given)
            except BrokenProcessPool:
                self._processes.remove(process)
        process = _Process()
        self._processes.append(process)  # First: once it is started, Ctrl-C may come.
        try:
            return process.begin(work, given)
        except OSError:
            self._processes.remove(process)
            raise

    def is_lost(self, ended: "Future[R]") -> bool:
        """Say whether the process that did it has died."""
        return isinstance(ended.exception(), BrokenProcessPool)

    def result(self, ended: "Future[R]") -> R:
        """Return what came of work that has ended."""
        if self.is_lost(ended):
            raise Lost("the process that carried it out has died")
        return ended.result()


class _Process:
    """A process that does one thing at a time; it is started by the first.

    It is an executor of its own, since a process that dies breaks the whole of its executor.
    """

    def __init__(self) -> None:
        # Forked from a process with threads, as Ray has, a child may hang.
        spawn = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(1, spawn, initializer=_end_with_parent)
        self._latest: Future[Any] = Future()

    @property
    def is_idle(self) -> bool:
        """Whether it has done all that was begun."""
        return self._latest.done()

    def begin(self, work: Callable[[T], R], given: T) -> "Future[R]":
        """Begin to do `work`; raises BrokenProcessPool where it has died, OSError at no room."""
        # Not when the executor is made: what Python starts beside the first would undo the keeping.
        with ends.kept_from_children():
            self._latest = future = self._executor.submit(work, given)
        return future

    def end(self) -> None:
        """End it, whatever it does; does not wait for that."""
        # Python has no public way to a process of an executor before 3.14.
        processes = list(self._executor._processes.values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _end_with_parent() -> None:
    """Have this process end when the one that started it has, even if that was killed."""
    Thread(target=_wait_for_parent, name="end-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is no child"
    parent.join()
    os._exit(1)
