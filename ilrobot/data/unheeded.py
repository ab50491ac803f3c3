"""What a source says of success where nobody judged its episodes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from ilrobot.data.episode import Outcome
from ilrobot.data.memory import Recordings

#: Longer lists of episodes are no line any more.
_MOST_RANGES = 20


def unheeded_successes(recordings: Recordings) -> str:
    """A line where ``next.success`` tells apart episodes of unknown outcome (empty: it does not).

    They all teach: the flag is true in few of the public Push-T demonstrations, which all are what
    a person showed.
    """
    if not recordings.has_column("next.success"):
        return ""
    reached = recordings.column("next.success").astype(bool).reshape(-1)
    unknown = [n for n, info in enumerate(recordings.infos) if info.outcome is Outcome.UNKNOWN]
    starts = recordings.starts
    others = [n for n in unknown if not reached[starts[n] : starts[n + 1]].any()]
    if not others or len(others) == len(unknown):
        return ""
    ranges = _ranges(others)
    named = " ".join(ranges) if len(ranges) <= _MOST_RANGES else "..."
    return (
        f"next.success is true in {len(unknown) - len(others)} of {len(unknown)} episodes of "
        f"unknown outcome, and all of them teach; if the others failed: ilrobot edit "
        f"{shlex.quote(str(recordings.path))} outcome --episodes {named} --outcome failure"
    )


def _ranges(numbers: Sequence[int]) -> list[str]:
    """(1, 2, 3, 7) as ("1-3", "7")."""
    runs = np.split(np.array(numbers), np.flatnonzero(np.diff(numbers) != 1) + 1)
    return [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
