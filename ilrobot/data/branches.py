"""Rewinds in a recording: what was done before the person went back is kept, but discarded.

``control.branch`` counts how often the world had gone back before a tick, and
``control.discarded`` marks the ticks that led nowhere. What is left of an episode is contiguous:
the state after its last tick before a rewind is the one that the next branch begins at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BRANCH = "control.branch"
DISCARDED = "control.discarded"
#: Number of the takeover that a tick belongs to, from 0 in each episode (-1: nobody took over).
TAKEOVER = "control.intervention_id"

#: Columns that recordings made before there were rewinds do not have, nor some later ones.
LATER = (BRANCH, DISCARDED, "next.terminated")


def discarded(length: int, rewinds: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which of an episode's ticks were undone, (length,).

    Args:
        length: Number of ticks.
        rewinds: For each rewind the tick that it went back to and how many there were by then.
    """
    marks = np.zeros(length, dtype=bool)
    for first, end in rewinds:
        marks[first:end] = True
    return marks


def surviving(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Which ticks were not undone, (T,), for columns of time first."""
    if DISCARDED in columns:
        return ~columns[DISCARDED].astype(bool).reshape(-1)
    return np.ones(len(next(iter(columns.values()), ())), dtype=bool)


def takeovers(columns: Mapping[str, NDArray[Any]]) -> int:
    """How often somebody took over in what is left of an episode."""
    numbers = columns[TAKEOVER].reshape(-1)[surviving(columns)]
    return len(np.unique(numbers[numbers >= 0]))
