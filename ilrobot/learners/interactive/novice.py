"""What a policy would do at every tick of some recordings, as if it were given control there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.pictures import small_pictures
from ilrobot.data.recordings import Recordings, lives
from ilrobot.observed import vector_spec
from ilrobot.policies.in_batches import predict_batch
from ilrobot.policies.policy import Policy


def novice_actions(policy: Policy, dataset: Recordings, seed: int = 0) -> NDArray[np.float32]:
    """The first action of a fresh chunk at each tick that was not undone, in physical units.

    Args:
        policy: The novice; on any device, of continuous actions.
        dataset: Recordings with its observations.
        seed: Of the noise, where its head samples.

    Returns:
        Shape (num_frames, *action shape); NaN at ticks that a rewind undid.
    """
    frames = np.flatnonzero(lives(dataset))
    actions = np.full((dataset.num_frames, *policy.spec.action.shape), np.nan, np.float32)
    actions[frames] = predict_batch(policy, histories(policy, dataset, frames), seed=seed)[:, 0]
    return actions


def histories(
    policy: Policy, dataset: Recordings, frames: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """What it saw last at some ticks, oldest first, without what a rewind undid.

    Args:
        policy: Says what it reads.
        dataset: Recordings with its observations.
        frames: Indexes of ticks that were not undone, shape (N,).

    Returns:
        Name to shape (N, n_obs, *shape), pictures small; before an episode its first tick, as
        `ChunkActor` has it.
    """
    living = np.flatnonzero(lives(dataset))
    first = np.searchsorted(living, dataset.starts)
    at = np.searchsorted(living, frames)
    begin = first[np.searchsorted(dataset.starts, frames, side="right") - 1]
    back = np.arange(policy.config.n_obs)[::-1]
    rows = living[np.maximum(at[:, None] - back, begin[:, None])]
    pictures = {
        camera.name: small_pictures(dataset, camera, range(dataset.num_episodes)).numpy()[rows]
        for camera in policy.spec.cameras
    }
    vectors = vector_spec(policy.spec).observations
    return {**{f.name: dataset.column(f.name)[rows] for f in vectors}, **pictures}
