"""How many processes a verb may use."""

from __future__ import annotations

import math
import os

from ilrobot.errors import UserError

#: More processes than this share no work but only memory.
MOST_WORKERS = 256
#: A process takes as long to begin as it takes to run so many episodes.
_EPISODES_PER_WORKER = 20


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_workers(workers: int) -> None:
    """Refuse a number of processes that nobody means.

    Raises:
        UserError: It is below 1 or above `MOST_WORKERS`.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise UserError(f"--workers must be from 1 to {MOST_WORKERS}, not {workers}")


def worth_starting(episodes: int) -> int:
    """How many processes are worth their start for so many episodes, given the cores."""
    return math.ceil(episodes / _EPISODES_PER_WORKER)


def sharing(asked: int | None, episodes: int) -> int:
    """How many processes share the episodes of an evaluation.

    Args:
        asked: As many (None: the cores, as far as that is worth it).
        episodes: How many there are, at least 1.

    Raises:
        UserError: As of `check_workers`.
    """
    workers = min(cores(), worth_starting(episodes)) if asked is None else asked
    check_workers(workers)
    return workers
