"""What a policy would do at every tick of some recordings, as if it were given control there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.branches import DISCARDED
from ilrobot.data.memory import Recordings
from ilrobot.policies.policy import Policy

_BATCH = 1024


def lives(dataset: Recordings) -> NDArray[np.bool_]:
    """Which ticks no rewind undid, shape (num_frames,)."""
    if not dataset.has_column(DISCARDED):
        return np.ones(dataset.num_frames, dtype=bool)
    return ~dataset.column(DISCARDED).astype(bool).reshape(-1)


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
    episode = np.searchsorted(dataset.starts, frames, side="right") - 1
    # A history that reaches before the episode repeats its first tick, as `ChunkActor` does.
    first = np.searchsorted(frames, dataset.starts[:-1])[episode]
    back = np.arange(policy.config.n_obs)[::-1]
    history = frames[np.maximum(np.arange(len(frames))[:, None] - back, first[:, None])]

    device = policy.action_normalizer.offset.device
    generator = torch.Generator().manual_seed(seed)
    columns = {f.name: dataset.column(f.name) for f in policy.spec.observations}
    actions = np.full((dataset.num_frames, *policy.spec.action.shape), np.nan, np.float32)
    policy.eval()
    with torch.inference_mode():
        for start in range(0, len(frames), _BATCH):
            rows = history[start : start + _BATCH]
            noise = None
            if policy.noise_shape is not None:
                noise = torch.randn(len(rows), *policy.noise_shape, generator=generator).to(device)
            seen = {
                name: torch.from_numpy(column[rows].astype(np.float32)).to(device)
                for name, column in columns.items()
            }
            actions[frames[start : start + _BATCH]] = policy(seen, noise)[:, 0].cpu().numpy()
    return actions
