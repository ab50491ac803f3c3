"""How many processes a verb may use."""

from __future__ import annotations

import os

from ilrobot.errors import UserError

#: More processes than this share no work but only memory.
MOST_WORKERS = 256


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
