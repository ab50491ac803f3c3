"""The expert's transitions: which of a dataset count, and that there are enough."""

from __future__ import annotations

import numpy as np

from ilrobot.data.memory import Recordings
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError

#: Fewer cannot be told from anything.
LEAST = 16


def expert_transitions(recordings: Recordings, *, every: int = 1, seed: int = 0) -> Transitions:
    """What was demonstrated or corrected, and executed.

    Args:
        recordings: A dataset.
        every: Keep every so-manieth step of an episode, from a step drawn at random on, as the
            experiments of Ho and Ermon 2016 do.
        seed: Of that drawing.

    Raises:
        UserError: There are too few.
    """
    known = Transitions.of(recordings, rewards=False, taught=True)
    draw = np.random.default_rng(seed)
    kept = []
    for number in np.unique(known.episode):
        steps = np.flatnonzero(known.episode == number)
        kept.append(steps[int(draw.integers(min(every, len(steps)))) :: every])
    found = known.where(np.concatenate(kept))
    if len(found) < LEAST:
        cure = "record more demonstrations"
        if every > 1:
            cure = f"take a smaller --subsample than {every}, or {cure}"
        raise UserError(
            f"{recordings.path}: {len(found)} demonstrated steps remain, and a discriminator needs "
            f"at least {LEAST}; {cure}"
        )
    return found
