"""Processes that share independent pieces of work, such as the episodes of an evaluation."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

from ilrobot.errors import WorkFailed

#: Pieces of work given out ahead for each process, so that a slow one keeps no other idle.
_AHEAD = 8
#: Spawned: a forked child would inherit torch's thread pool in an undefined state.
CONTEXT: BaseContext = multiprocessing.get_context("spawn")

S = TypeVar("S")
A = TypeVar("A")
R = TypeVar("R")


#: What reaches a whole group of processes of which the first one acts: Ctrl-C, and the end of a
#: terminal. A pool ends its processes by SIGTERM, so that they must hear that.
_OF_A_GROUP = (signal.SIGINT, signal.SIGHUP)


@contextmanager
def deaf_to(*signals: signal.Signals) -> Iterator[None]:
    """A process that is started here does not hear of these, for its parent acts.

    It shall ignore them as soon as it runs; the parent hears of them when this ends.
    """
    resource_tracker.ensure_running()  # which would begin with the process, and unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def no_setup() -> None:
    """The setup of work that needs none."""


class Workers(Generic[S]):
    """A pool of processes, each with a setup of its own, kept until it is closed.

    They start at once and make their setup, so that what this takes (seconds, where torch and a
    simulator are loaded) is paid once and beside whatever the caller does meanwhile. They compute
    in one thread each. They end when this process does, however it ends.

    Args:
        count: How many.
        setup: Makes what the work needs, in each process; picklable.
        purpose: What they work for, in the message if one of them dies.
        cure: What to do then.
    """

    def __init__(self, count: int, setup: Callable[[], S], *, purpose: str, cure: str) -> None:
        self.count = count
        self._died = f"a worker process of {purpose} died (out of memory?); {cure}"
        others = set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(count, CONTEXT, _begin, (setup,))
        # A process starts for each of these; the first real work tells what a setup says wrong.
        with deaf_to(*_OF_A_GROUP):
            for _ in range(count):
                self._pool.submit(_get_ready)
        self._processes: set[BaseProcess] = set(multiprocessing.active_children()) - others

    def map(self, work: Callable[[S, A], R], items: Iterable[A]) -> Iterator[R]:
        """What `work` gives for each item, in the order of the items.

        Args:
            work: Takes the process's setup and an item; a function of a module.
            items: Shared out one by one; of a long line only the next few are taken at a time.

        Raises:
            WorkFailed: A process died.
            Exception: Whatever `setup` or `work` raised.
        """
        try:
            left = iter(items)
            waiting: deque[Future[R]] = deque()
            while True:
                for item in islice(left, self.count * _AHEAD - len(waiting)):
                    waiting.append(self._pool.submit(_run, work, item))
                if not waiting:
                    return
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise WorkFailed(self._died) from error

    def close(self, *, at_once: bool = False) -> None:
        """End the processes; `at_once` does not wait for the work that runs."""
        if at_once:
            for process in self._processes:
                process.terminate()
        # Waited for in either case: the pool's thread and the interpreter's end would close the
        # same pipe, and the end print that it is closed.
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Workers[S]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Nobody wants the results any more: Ctrl-C shall not wait for the work that runs.
        self.close(at_once=error is not None)


_setup: Callable[[], Any] | None = None
_made: Any = None


def _begin(setup: Callable[[], Any]) -> None:
    global _setup
    for number in _OF_A_GROUP:  # of one that was started later than the others
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is loaded later
    _setup = setup


def _get_ready() -> None:
    global _made
    if _made is None:
        assert _setup is not None
        _made = _setup()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)


def _run(work: Callable[[Any, A], R], item: A) -> R:
    _get_ready()
    return work(_made, item)


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
