"""What a policy would do in many situations at once, as numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.pictures import small_shape
from ilrobot.observed import check_pictures
from ilrobot.policies.policy import Policy

_BATCH = 1024


def predict_batch(
    policy: Policy, histories: Mapping[str, NDArray[Any]], *, seed: int = 0
) -> NDArray[Any]:
    """The chunk that the policy would begin in each situation.

    Args:
        policy: On any device; it is left in evaluation mode.
        histories: Observations, oldest first: name to shape (N, n_obs, *shape), physical units.
        seed: Of the noise, where its head samples; the same situations in the same order give the
            same chunks.

    Returns:
        Shape (N, horizon, *action shape), physical units.
    """
    noise = None
    if policy.noise_shape is not None:
        shape = (len(next(iter(histories.values()))), *policy.noise_shape)
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return opinions(policy, histories, noise)[0]


def opinions(
    policy: Policy, histories: Mapping[str, NDArray[Any]], noise: NDArray[np.float32] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same with what each member would do.

    For doubt and novelty of the situations, shape (N,) each, `ilrobot.ensemble` has::

        _, members = opinions(policy, histories)
        spreads = spread(members[:, :, 0], policy.spec, policy.disagreement_scale)
        doubt(spreads), novelty(spreads)

    Args:
        policy: On any device; it is left in evaluation mode.
        histories: As of `predict_batch`.
        noise: Standard normal of shape (N, *noise_shape); None where that is None.

    Returns:
        Chunks of shape (N, horizon, *action shape), and (members, N, horizon, *action shape).

    Raises:
        UserError: Pictures are neither as the camera takes them nor made small by us.
    """
    for camera in policy.spec.cameras:
        check_pictures(camera, histories[camera.name], small_shape(camera))
    policy.eval()
    device = policy.action_normalizer.offset.device
    count = len(next(iter(histories.values())))
    chunks, members = [], []
    for start in range(0, max(count, 1), _BATCH):
        rows = slice(start, start + _BATCH)
        seen = {
            f.name: torch.from_numpy(histories[f.name][rows].astype(f.seen_dtype)).to(device)
            for f in policy.spec.observations
        }
        drawn = None if noise is None else torch.from_numpy(noise[rows]).to(device)
        with torch.inference_mode():
            chunk, each = policy.opinions(seen, drawn)
        chunks.append(chunk.cpu().numpy())
        members.append(each.cpu().numpy())
    return np.concatenate(chunks), np.concatenate(members, axis=1)
