"""Statistics of what is seen bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.policies.normalize import Normalizer


class RunningStatistics:
    """Mean, variance and range of vectors that arrive in batches.

    Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances", eq. 1.5.

    Args:
        size: Elements of a vector.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self._squares = np.zeros(size)
        self._low = np.full(size, np.inf)
        self._high = np.full(size, -np.inf)

    def update(self, values: NDArray[Any]) -> None:
        """See vectors of shape (N, size)."""
        values = values.astype(np.float64)
        count, mean = len(values), values.mean(axis=0)
        way, total = mean - self.mean, self.count + count
        self._squares += values.var(axis=0) * count + way**2 * self.count * count / total
        self.mean += way * count / total
        self.count = total
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation, (size,)."""
        deviation: NDArray[np.float64] = np.sqrt(self._squares / max(1, self.count))
        return deviation

    def write(self, normalizer: Normalizer) -> None:
        """Make a policy's normaliser that of all that was seen."""
        normalizer.adopt(self.mean, self.std, self._low, self._high)

    def state(self) -> dict[str, Any]:
        """As plain values and tensors."""
        columns = (self.mean, self._squares, self._low, self._high)
        return {"count": self.count, "columns": torch.from_numpy(np.stack(columns))}

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.count = int(state["count"])
        columns = state["columns"].numpy().copy()
        self.mean, self._squares, self._low, self._high = columns


class RewardScale:
    """Divides rewards by the standard deviation of the discounted return so far.

    So that values are of the size of one whatever the rewards are (Engstrom et al. 2020,
    "Implementation matters in deep policy gradients", table 1: reward scaling). Rewards keep their
    sign. What is more than ten times that is cut: the first success of a sparse reward would be.

    Args:
        copies: Environments that are stepped together.
        discount: γ.
    """

    def __init__(self, copies: int, discount: float) -> None:
        self._discount = discount
        self._returns = np.zeros(copies)
        self._seen = RunningStatistics(1)

    def __call__(
        self,
        rewards: NDArray[Any],
        ends: NDArray[np.bool_],
        whole: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """See a rollout, and scale it.

        Args:
            rewards: Shape (T, copies).
            ends: Where episodes end, (T, copies).
            whole: What is not cut, because it stands for all that would follow, (T, copies).
        """
        sums = np.empty(rewards.shape)
        for step, (reward, end) in enumerate(zip(rewards, ends, strict=True)):
            self._returns = self._discount * self._returns + reward
            sums[step] = self._returns
            self._returns[end] = 0.0
        self._seen.update(sums.reshape(-1, 1))
        scale = max(float(self._seen.std[0]), _LEAST)
        scaled = rewards / scale
        cut = np.clip(scaled, -_MOST, _MOST)
        return (cut if whole is None else np.where(whole, scaled, cut)).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """As plain values and tensors."""
        return {"seen": self._seen.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; new episodes begin."""
        self._returns[:] = 0.0
        self._seen.load_state(state["seen"])


#: Rewards that are all alike are not blown up, nor is the first success of a sparse reward.
_LEAST, _MOST = 1e-4, 10.0
