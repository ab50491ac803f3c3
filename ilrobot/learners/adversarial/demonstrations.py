"""The expert's transitions: which of a dataset count, and that there are enough."""

from __future__ import annotations

import numpy as np

from ilrobot.data.recordings import Recordings
from ilrobot.data.transitions import Transitions
from ilrobot.learners.enough import check_enough
from ilrobot.rewards.config import RewardConfig
from ilrobot.spec import Spec


def expert_transitions(
    recordings: Recordings,
    *,
    every: int = 1,
    seed: int = 0,
    ends: bool = False,
    reads: Spec | None = None,
) -> Transitions:
    """What was demonstrated or corrected, and executed; not what was said while a policy drove.

    Args:
        recordings: A dataset.
        every: Keep every so-manieth step of an episode, from a step drawn at random on, as the
            experiments of Ho and Ermon 2016 do.
        seed: Of that drawing.
        ends: Keep every step by which an episode ended by itself, too: of a few demonstrations of
            which each ends once, no end might be left. They are then `every` times too many.
        reads: See `Transitions.of`.

    Raises:
        UserError: There are too few, or what is to be read is not among them.
    """
    known = Transitions.of(recordings, rewards=False, taught=True, reads=reads)
    draw = np.random.default_rng(seed)
    kept = [np.zeros(0, np.int64)]
    for number in np.unique(known.episode):
        steps = np.flatnonzero(known.episode == number)
        kept.append(steps[int(draw.integers(min(every, len(steps)))) :: every])
        if ends:
            kept[-1] = np.union1d(kept[-1], steps[known.terminal[steps]])
    found = known.where(np.concatenate(kept))
    cure = "record more demonstrations"
    if every > 1:
        cure = f"take a smaller --subsample than {every}, or {cure}"
    check_enough(len(found), recordings.path, "demonstrated steps", cure)
    return found


def endings(recordings: Recordings) -> str:
    """How demonstrations end or differ in length (empty: all last until the same time is over)."""
    known = Transitions.of(recordings, rewards=False, taught=True)
    episodes, lengths = np.unique(known.episode, return_counts=True)
    ended = int(known.terminal.sum())
    if ended:
        return f"{ended} of {len(episodes)} demonstrations end by themselves"
    if lengths.min() == lengths.max():
        return ""
    return f"demonstrations are {lengths.min()} to {lengths.max()} steps long"


def ending_note(recordings: Recordings, reward: RewardConfig) -> str:
    """What a reward of one sign does to demonstrations whose ends mean something (empty: nothing).

    A reward that is always positive pays for every further step, one that is always negative for an
    early end, whatever the expert did (Kostrikov et al. 2019, section 4.1).
    """
    if reward.termination_bias == "none" or reward.absorbing:
        return ""
    found = endings(recordings)
    if not found:
        return ""
    does = {
        "survive": "positive and pays for never ending",
        "finish": "negative and pays for ending",
    }
    return (
        f"{found}, and a reward with --termination-bias {reward.termination_bias} is always "
        f"{does[reward.termination_bias]}; take --absorbing, or --termination-bias none"
    )
