"""Copies of a task that another process steps meanwhile."""

from __future__ import annotations

import pickle
import signal
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from typing import Any

from ilrobot import workers
from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.task_copies import TaskCopies
from ilrobot.task_env import TaskEnv

#: How long a process may take to free its simulators, s.
_PATIENCE = 5.0
#: Whoever ends a whole group of processes wants the first one to end them, and to keep what it has.
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CopiesElsewhere:
    """`TaskCopies` in a process of their own, which is asked first and answers later.

    It ends when this process does, however it ends.

    Args:
        make: Makes a copy; picklable.
        indexes: See `TaskCopies`.
        seed: See `TaskCopies`.
        success_only: See `TaskCopies`.
        reads: See `TaskCopies`.
    """

    def __init__(
        self,
        make: Callable[[], TaskEnv],
        indexes: Iterable[int],
        seed: int,
        *,
        success_only: bool,
        reads: Sequence[str] | None = None,
    ) -> None:
        self._there, asked = workers.CONTEXT.Pipe()
        given = asked, make, tuple(indexes), seed, success_only, reads
        self._process = workers.CONTEXT.Process(target=_serve, args=given, daemon=True)  # type: ignore[attr-defined]
        with workers.deaf_to(*_ENDINGS):
            self._process.start()
        asked.close()

    def ask(self, method: str, *arguments: Any) -> None:
        """Let a method of `TaskCopies` be called; each question is followed by `answer`."""
        with suppress(BrokenPipeError, ConnectionResetError):  # its last answer says why
            self._there.send((method, arguments))

    def answer(self) -> Any:
        """What it returned.

        Raises:
            WorkFailed: The process died.
            Exception: Whatever was raised there, which ends it.
        """
        try:
            found = self._there.recv()
        except (EOFError, ConnectionResetError) as error:
            raise WorkFailed(
                "a process that steps copies of the task died (out of memory?); take fewer "
                "--copies, or go on with --resume"
            ) from error
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """End the process."""
        self._there.close()
        self._process.join(_PATIENCE)
        self._process.kill()


def _serve(
    asked: Connection,
    make: Callable[[], TaskEnv],
    indexes: tuple[int, ...],
    seed: int,
    success_only: bool,
    reads: Sequence[str] | None,
) -> None:
    """Answer until nobody asks any more."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            copies = TaskCopies(make, indexes, seed, success_only=success_only, reads=reads)
            with closing(copies):
                while True:
                    method, arguments = asked.recv()
                    asked.send(getattr(copies, method)(*arguments))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            asked.send(_portable(error))


def _portable(error: Exception) -> Exception:
    """An error as it can be told to another process, with where it was raised."""
    where = "".join(traceback.format_exception(error))
    try:
        found = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its constructor asks for that it does not keep
        found = RuntimeError(f"{type(error).__name__}: {error}")
    assert isinstance(found, Exception)
    found.add_note(f"\nIn another process:\n{where}")
    return found
