"""An ensemble at the ticks of some recordings, chunk by chunk as it would drive through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.drawing import noise_generator
from ilrobot.data.recordings import Recordings, lives
from ilrobot.ensemble import doubt, novelty, spread
from ilrobot.errors import UserError
from ilrobot.learners.interactive.novice import histories
from ilrobot.policies.in_batches import opinions
from ilrobot.policies.policy import Policy


@dataclass(frozen=True)
class Replay:
    """What an ensemble wanted, and how sure it was.

    Attributes:
        frames: Indexes of the ticks, ascending, shape (N,).
        actions: Shape (N, *action shape), in physical units.
        doubt: See `ilrobot.ensemble`, shape (N,).
        novelty: Shape (N,).
    """

    frames: NDArray[np.int64]
    actions: NDArray[np.float32]
    doubt: NDArray[np.float64]
    novelty: NDArray[np.float64]


def replay(policy: Policy, dataset: Recordings, ticks: NDArray[np.bool_], seed: int) -> Replay:
    """Let it act at these ticks and see the others, but for those that a rewind undid.

    As under a gate its plan is flushed where it has no control. It is what `Policy.actor` does with
    one `act` after the other, reset with ``seed + episode``, but asked in batches.

    Args:
        policy: Of several members.
        dataset: Recordings with its observations.
        ticks: At which it acts, shape (num_frames,).
        seed: Of the noise, where its heads sample.

    Raises:
        UserError: It has one member, or there are no such ticks.
    """
    if policy.config.members < 2:
        raise UserError(
            "a policy whose doubt is to be known must be an ensemble, and this one is a single "
            "net; train it with --members 5"
        )
    frames = np.flatnonzero(lives(dataset))
    acts = ticks[frames]
    if not acts.any():
        raise UserError(f"{dataset.path}: there is no tick to see how sure the policy is")
    episode = np.searchsorted(dataset.starts, frames, side="right") - 1
    begins = acts & ~((np.r_[-1, episode[:-1]] == episode) & np.r_[False, acts[:-1]])
    index = np.arange(len(frames))
    since = index - np.maximum.accumulate(np.where(begins, index, 0))
    plans = acts & (since % policy.config.execute == 0)

    noise = None
    if policy.noise_shape is not None:
        own, counts = np.unique(episode[plans], return_counts=True)
        draws = [
            noise_generator(seed + int(e)).standard_normal(
                (count, *policy.noise_shape), dtype=np.float32
            )
            for e, count in zip(own, counts, strict=True)
        ]
        noise = np.concatenate(draws)
    chunks, members = opinions(policy, histories(policy, dataset, frames[plans]), noise)
    plan = np.cumsum(plans)[acts] - 1
    element = since[acts] % policy.config.execute
    spreads = spread(members[:, plan, element], policy.spec, policy.disagreement_scale)
    return Replay(frames[acts], chunks[plan, element], doubt(spreads), novelty(spreads))
