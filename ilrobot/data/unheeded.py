"""What a source says of success where nobody judged its episodes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import Outcome
from ilrobot.data.recordings import Recordings


def reached(recordings: Recordings) -> NDArray[np.bool_]:
    """In which episodes ``next.success`` is true at some tick, (num_episodes,)."""
    if not recordings.has_column("next.success"):
        return np.zeros(recordings.num_episodes, dtype=bool)
    flags = recordings.column("next.success").astype(bool).reshape(-1)
    starts = recordings.starts
    return np.array([flags[start:end].any() for start, end in pairwise(starts)], dtype=bool)


def unheeded_successes(recordings: Recordings) -> str:
    """A line where ``next.success`` tells apart episodes of unknown outcome (empty: it does not).

    They all teach: the flag is true in few of the public Push-T demonstrations, which all are what
    a person showed.
    """
    flagged = reached(recordings)
    unknown = [n for n, info in enumerate(recordings.infos) if info.outcome is Outcome.UNKNOWN]
    others = [n for n in unknown if not flagged[n]]
    if not others or len(others) == len(unknown):
        return ""
    return (
        f"next.success is true in {len(unknown) - len(others)} of {len(unknown)} episodes of "
        f"unknown outcome, and all of them teach; if the others failed: ilrobot edit "
        f"{shlex.quote(str(recordings.path))} outcome --episodes {' '.join(_ranges(others))} "
        "--outcome failure"
    )


def _ranges(numbers: Sequence[int]) -> list[str]:
    """(1, 2, 3, 7) as ("1-3", "7")."""
    runs = np.split(np.array(numbers), np.flatnonzero(np.diff(numbers) != 1) + 1)
    return [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
