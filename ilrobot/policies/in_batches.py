"""What a policy would do in many situations at once, as numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    chunks = [chunk for chunk, _ in _in_batches(policy, histories, seed)]
    return torch.cat(chunks).cpu().numpy()


def member_actions(
    policy: Policy, histories: Mapping[str, NDArray[Any]], *, seed: int = 0
) -> NDArray[Any]:
    """The first action of each member's chunk; arguments as of `predict_batch`.

    For doubt and novelty of the situations::

        actions = member_actions(policy, histories)
        spreads = spread(actions, policy.spec, policy.disagreement_scale)
        doubt(spreads), novelty(spreads)  # of ilrobot.ensemble, shape (N,) each

    Returns:
        Shape (members, N, *action shape), physical units.
    """
    chunks = [members[:, :, 0] for _, members in _in_batches(policy, histories, seed)]
    return torch.cat(chunks, dim=1).cpu().numpy()


def _in_batches(
    policy: Policy, histories: Mapping[str, NDArray[Any]], seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """What `Policy.opinions` gives, batch by batch."""
    policy.eval()
    device = policy.action_normalizer.offset.device
    generator = np.random.default_rng(seed)
    count = len(next(iter(histories.values())))
    for start in range(0, max(count, 1), _BATCH):
        rows = slice(start, min(start + _BATCH, count))
        noise = None
        if policy.noise_shape is not None:
            shape = (rows.stop - start, *policy.noise_shape)
            drawn = generator.standard_normal(shape, dtype=np.float32)
            noise = torch.from_numpy(drawn).to(device)
        with torch.inference_mode():
            yield policy.opinions(
                {
                    f.name: torch.from_numpy(histories[f.name][rows].astype(np.float32)).to(device)
                    for f in policy.spec.observations
                },
                noise,
            )
