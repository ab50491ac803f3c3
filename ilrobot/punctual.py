"""An actor that may hang, asked in a thread of its own, so that the loop need not wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

from ilrobot.actors import Action, Actor, Decision, Observation

#: Longest that a loop waits for an answer, s; a person takes as long to notice.
PATIENCE = 0.3


class LateAnswer(Exception):
    """The actor has not answered in time."""


class PunctualActor(Actor):
    """Asks an actor and waits no longer than `patience`.

    What is late is never executed: when it comes it is dropped, with the plan it belongs to. What
    was to be seen meanwhile reaches the actor in order, so that its history has no gap.

    Args:
        actor: Who is asked; only this object may use it then.
        patience: Seconds.
    """

    def __init__(self, actor: Actor, patience: float = PATIENCE) -> None:
        self._actor, self._patience = actor, patience
        self._thread = ThreadPoolExecutor(1, "policy")
        self._asked: Future[Decision] | None = None

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; an answer that is still owed is waited for."""
        self._asked = None
        self._thread.submit(self._actor.reset, seed).result()

    def act(self, observation: Observation, now: float) -> Decision:
        """The actor's answer.

        Raises:
            LateAnswer: It has none yet.
        """
        if self._asked is not None:
            if not self._asked.done():
                self.observe(observation)
                raise LateAnswer
            self._asked = None
            self.flush()
        asked = self._thread.submit(self._actor.act, observation, now)
        try:
            return asked.result(self._patience)
        except NotYet:
            if asked.done():  # the actor itself raised a TimeoutError
                raise
            self._asked = asked
            raise LateAnswer from None

    def observe(self, observation: Observation) -> None:
        """See a tick at which somebody else acts."""
        self._thread.submit(self._actor.observe, observation)

    def flush(self) -> None:
        """Forget planned actions."""
        self._thread.submit(self._actor.flush)

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """The world has gone back."""
        self._thread.submit(self._actor.rewind, list(past), executed)
