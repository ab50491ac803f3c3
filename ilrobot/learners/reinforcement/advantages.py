"""How much better than expected a step turned out, looking ahead by a trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def generalized_advantages(
    rewards: NDArray[np.float32],
    values: NDArray[np.float32],
    ends: NDArray[np.bool_],
    last_values: NDArray[np.float32],
    *,
    discount: float,
    trace: float,
) -> NDArray[np.float32]:
    """Generalised advantages, Schulman et al. 2016, eq. 16.

        δ_t = r_t + γ V(o_{t+1}) - V(o_t)
        Â_t = δ_t + γ λ Â_{t+1}

    Nothing follows the end of an episode.

    Args:
        rewards: Each copy of the task in the order of its steps, (copies, T). What an episode that
            was cut off would still have brought is part of its last reward.
        values: V(o), (copies, T).
        ends: Where an episode ended, (copies, T).
        last_values: V of where each copy is after its last step, (copies,).
        discount: γ.
        trace: λ.

    Returns:
        Shape (copies, T).
    """
    goes_on = discount * ~ends.T
    after = np.concatenate([values[:, 1:], last_values[:, None]], axis=1)
    deltas = rewards.T + goes_on * after.T - values.T
    advantages = np.empty_like(deltas)
    advantage = np.zeros(len(rewards))
    for tick in range(len(deltas) - 1, -1, -1):
        advantage = advantages[tick] = deltas[tick] + trace * goes_on[tick] * advantage
    return np.ascontiguousarray(advantages.T, dtype=np.float32)
