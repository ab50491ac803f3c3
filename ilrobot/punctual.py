"""An actor that may hang, asked in a thread of its own, so that the loop need not wait for it."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any

from ilrobot.actors import Action, Actor, Decision, LateAnswer, Observation

#: Longest that a loop waits for an answer, s; a person takes as long to notice.
PATIENCE = 0.3
#: Longest that it waits for one that is only noted while somebody else acts, s: nobody feels it.
GLANCE = 0.01

_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class PunctualActor(Actor):
    """Asks an actor and waits no longer than `patience`.

    What is late is never executed: when it comes it is dropped, with the plan it belongs to. What
    was to be seen meanwhile reaches the actor in order, so that its history has no gap. What the
    actor raises, whenever it does, is raised by the next call of this one. One that hangs for ever
    does not keep the process alive.

    Args:
        actor: Who is asked; only this object may use it then.
        patience: Seconds.
    """

    def __init__(self, actor: Actor, patience: float = PATIENCE) -> None:
        self._actor, self._patience = actor, patience
        self._owed: Future[Any] | None = None
        self._unheard: deque[Future[Any]] = deque()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=_work, args=(self._jobs,), name="policy", daemon=True).start()
        weakref.finalize(self, self._jobs.put, None)

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; where that is late, `act` has no answer until it is done."""
        self._owed = None
        begun = self._submit(self._actor.reset, seed)
        wait([begun], self._patience)
        self._raise_what_failed()
        if not begun.done():
            self._owed = begun

    def act(self, observation: Observation, now: float) -> Decision:
        """The actor's answer.

        Raises:
            LateAnswer: It has none yet.
        """
        return self._ask(observation, now, self._patience)

    def glance(self, observation: Observation, now: float) -> Decision:
        """The actor's answer where somebody else acts and hardly anything may be waited for.

        Raises:
            LateAnswer: It has none yet.
        """
        return self._ask(observation, now, min(GLANCE, self._patience))

    def observe(self, observation: Observation) -> None:
        """See a tick at which somebody else acts."""
        self._submit(self._actor.observe, observation)
        self._raise_what_failed()

    def flush(self) -> None:
        """Forget planned actions."""
        self._submit(self._actor.flush)
        self._raise_what_failed()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """The world has gone back."""
        self._submit(self._actor.rewind, list(past), executed)
        self._raise_what_failed()

    def _ask(self, observation: Observation, now: float, patience: float) -> Decision:
        if self._owed is not None:
            if not self._owed.done():
                self.observe(observation)
                raise LateAnswer
            self._owed = None
            self.flush()
        asked: Future[Decision] = self._submit(self._actor.act, observation, now)
        wait([asked], patience)
        answered = asked.done()
        self._raise_what_failed()
        if not answered:
            self._owed = asked
            raise LateAnswer
        return asked.result()

    def _submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._unheard.append(future)
        self._jobs.put((future, call, args))
        return future

    def _raise_what_failed(self) -> None:
        while self._unheard and self._unheard[0].done():
            self._unheard.popleft().result()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    """Do one job after the other; it knows no `PunctualActor`, so that one may be forgotten."""
    while (job := jobs.get()) is not None:
        future, call, args = job
        try:
            future.set_result(call(*args))
        except BaseException as error:
            future.set_exception(error)
        del job, future, call, args
