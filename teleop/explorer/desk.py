"""The process in which questions are worked out, one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ilrobot.errors import WorkFailed
from ilrobot.workers import Workers

State = TypeVar("State")
Answer = TypeVar("Answer")


class Desk:
    """Works for whoever comes first; the server's thread, in which it is asked, never waits.

    A step that has begun is finished, even if nobody wants it any more: steps take seconds, and a
    new process would take as long to load what it needs. If the process dies, the next step has a
    new one.

    Args:
        load: Called in the process when it starts.
    """

    def __init__(self, load: Callable[[], None]) -> None:
        self._load = load
        self._turn = asyncio.Lock()
        self._closed = False
        self._workers = self._start()

    @property
    def busy(self) -> bool:
        """Whether somebody's step is being worked out."""
        return self._turn.locked()

    async def work(self, step: Callable[[None, State], Answer], state: State) -> Answer:
        """One step.

        Raises:
            WorkFailed: The process died, or the desk was closed.
            Exception: Whatever the step raised.
        """
        await self._turn.acquire()
        # Whoever gives up waiting leaves the desk occupied until the step is done.
        task = asyncio.ensure_future(asyncio.to_thread(self._work, step, state))
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        self._workers.close(at_once=True)

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._turn.release()
        if self._closed and not task.cancelled():
            # It failed because the desk was closed, by whom nobody was left who waits for it.
            task.exception()

    def _work(self, step: Callable[[None, State], Answer], state: State) -> Answer:
        try:
            return next(self._workers.map(step, [state]))
        except Exception as error:
            if self._closed:
                raise WorkFailed("the session has ended") from error
            if isinstance(error, WorkFailed):
                self._workers.close()
                self._workers = self._start()
            raise

    def _start(self) -> Workers[None]:
        return Workers(1, self._load, purpose="this page", cure="run it again")
