"""What each step of a recording brought: its reward as recorded, or success."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.episode import Judge, Outcome
from ilrobot.data.recordings import Recordings
from ilrobot.errors import UserError


def recorded_rewards(recordings: Recordings) -> NDArray[np.float32]:
    """The recorded rewards, (num_frames,).

    Raises:
        UserError: There are none; the line says what else the recordings know.
    """
    instead = "record with a task that gives rewards, or import them"
    if recordings.has_column("next.success") and recordings.column("next.success").any():
        instead = "take --reward success, which is recorded"
    values = np.zeros(0, dtype=np.float32)
    if recordings.has_column("next.reward"):
        values = recordings.column("next.reward").reshape(-1).astype(np.float32)
    if not np.isfinite(values).any():
        raise UserError(f"{recordings.path}: has no rewards (in next.reward); {instead}")
    if not np.nan_to_num(values).any():
        raise UserError(f"{recordings.path}: its rewards (next.reward) are all 0; {instead}")
    return values


def successes(recordings: Recordings, useful: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 where the task counts as done, (num_frames,); at the end of what a person called so.

    A person's word counts before the task's: what they called anything else was not done.

    Args:
        recordings: A dataset, or episodes in memory.
        useful: Ticks that count, (num_frames,).

    Raises:
        UserError: No episode succeeded as far as is known.
    """
    done = np.zeros(recordings.num_frames, dtype=bool)
    if recordings.has_column("next.success"):
        done |= recordings.column("next.success").astype(bool).reshape(-1)
    done &= useful
    for number, info in enumerate(recordings.infos):
        start, end = int(recordings.starts[number]), int(recordings.starts[number + 1])
        ticks = start + np.flatnonzero(useful[start:end])
        if info.judge is Judge.PERSON and info.outcome is not Outcome.SUCCESS:
            done[start:end] = False
        if info.outcome is Outcome.SUCCESS and len(ticks) and not done[ticks].any():
            done[ticks[-1]] = True
    if not done.any():
        raise UserError(
            f"{recordings.path}: no episode succeeded as far as is known, so that success is no "
            "reward; judge episodes with `ilrobot edit`, or take the recorded rewards"
        )
    return done.astype(np.float32)
