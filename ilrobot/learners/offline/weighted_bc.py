"""Cloning of the better episodes: of the best alone, or of each by its return.

- ``filtered-bc`` clones the best x % of the steps, counted by the return of their episodes (the
  baseline "10 %BC" of Chen et al. 2021, "Decision transformer", arXiv:2106.01345, section 5.1).
  With 100 % it clones all that was done, whoever did it.
- ``weighted-bc`` draws episodes by exp(G / T) of their return G, as a share of the range of all
  returns (Hong et al. 2023, "Harnessing mixed offline reinforcement learning datasets via
  trajectory weighting", arXiv:2306.13085, eq. 6).

Neither needs a critic, and neither puts parts of episodes together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.experience import Batch
from ilrobot.learners.offline.learner import OfflineLearner, OfflineMethod
from ilrobot.policies.policy import Policy


@dataclass(frozen=True)
class FilteredBcMethod(OfflineMethod):
    """Settings of cloning the best.

    Attributes:
        best: Per cent of the steps, of the best episodes; the last of them is taken whole, and with
            it all of the same return. Below 100 none of the least return is, if any has more.
    """

    best: float = 10.0

    name = "filtered-bc"
    head = "mse"

    def learner(self, policy: Policy, config: TrainConfig) -> Cloning:
        """See `OfflineMethod`."""
        return Cloning(policy, config.learning_rate)

    def weights(self, transitions: Transitions) -> NDArray[np.float64]:
        """1 for the steps of the best episodes, 0 for the others, (N,)."""
        numbers, returns = transitions.returns()
        least = self._least(transitions)
        return np.isin(transitions.episode, numbers[returns >= least]).astype(np.float64)

    def note(self, transitions: Transitions) -> str:
        """See `OfflineMethod`."""
        returns, least = transitions.returns()[1], self._least(transitions)
        chosen = int((returns >= least).sum())
        return f"clones {chosen} of {len(returns)} episodes, those of return {least:.6g} or more"

    def _least(self, transitions: Transitions) -> float:
        """Return from which on an episode is cloned."""
        numbers, returns = transitions.returns()
        order = np.argsort(-returns, kind="stable")
        lengths = np.bincount(np.searchsorted(numbers, transitions.episode))[order]
        before = np.cumsum(lengths) - lengths
        least = float(returns[order][before < self.best / 100 * len(transitions)][-1])
        if self.best < 100 and least == returns.min() < returns.max():
            least = float(returns[returns > least].min())
        return least


@dataclass(frozen=True)
class WeightedBcMethod(OfflineMethod):
    """Settings of cloning by the return.

    Attributes:
        temperature: T, in ranges of the returns.
    """

    temperature: float = 0.1

    name = "weighted-bc"
    head = "mse"

    def learner(self, policy: Policy, config: TrainConfig) -> Cloning:
        """See `OfflineMethod`."""
        return Cloning(policy, config.learning_rate)

    def weights(self, transitions: Transitions) -> NDArray[np.float64]:
        """exp(-(share of the range below the best return) / T), of the step's episode, (N,)."""
        numbers, returns = transitions.returns()
        spread = float(np.ptp(returns)) or 1.0
        weights: NDArray[np.float64] = np.exp((returns - returns.max()) / spread / self.temperature)
        return weights[np.searchsorted(numbers, transitions.episode)]


class Cloning(OfflineLearner):
    """Regression on what was done in the batches that it is given.

    Args:
        policy: Its head owns the loss.
        learning_rate: Adam's.
    """

    def __init__(self, policy: Policy, learning_rate: float) -> None:
        super().__init__(policy)
        self._optimizer = self.adam("policy", policy.head.parameters(), learning_rate)

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """See `OfflineLearner`."""
        counted = torch.ones_like(batch.rewards, dtype=torch.bool)[:, None]
        loss = self.policy.head.loss(batch.condition, batch.actions[:, None], counted).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"loss": loss.detach()}
