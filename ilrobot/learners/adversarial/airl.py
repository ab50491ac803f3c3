"""AIRL: a discriminator of such a form that a reward can be taken out of it.

    D = exp f / (exp f + π(a | s)),   z = f(s, a, s') - log π(a | s)
    f = r(s, a) + γ Φ(s') - Φ(s)

Fu, Luo and Levine 2018, "Learning robust rewards with adversarial inverse reinforcement learning",
eq. 4 to 6. π is the policy of now for both halves, whoever acted. The policy learns from
log D - log(1 - D) = z, so that its entropy counts as in the paper; r without its shaping is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.learners.adversarial.discriminator import (
    Discriminator,
    Regularizer,
    normalize_spectrum,
)
from ilrobot.learners.adversarial.rows import Rows
from ilrobot.policies.density import PolicyDensity
from ilrobot.rewards.model import RewardModel, perceptron


class AirlDiscriminator(Discriminator):
    """z = r + γ Φ(s') - Φ(s) - log π; after an end without an absorbing state Φ is 0.

    Args:
        reward: r, of the state alone to be of use where the world changes.
        regularizer: See `Discriminator`.
        discount: γ of the task.
    """

    def __init__(self, reward: RewardModel, regularizer: Regularizer, discount: float) -> None:
        super().__init__(reward, regularizer)
        self.discount = discount
        config = reward.config
        self.potential = perceptron(reward.state_size, config.width, config.layers)
        if regularizer == "spectral-norm":
            normalize_spectrum(self.potential)

    def features(self, rows: Rows) -> Tensor:
        """See `Discriminator`."""
        inputs = self.reward.inputs(
            rows.observations, rows.actions, rows.next_observations, rows.absorbing, rows.terminal
        )
        here = self.reward.state(rows.observations, rows.absorbing)
        after = self.reward.state(rows.next_observations, rows.terminal)
        goes_on = 1 - rows.terminal
        if self.reward.config.absorbing:
            goes_on = torch.ones_like(goes_on)
        return torch.cat([inputs, here, after, goes_on[:, None]], dim=1)

    def energy(self, features: Tensor) -> Tensor:
        """r + γ Φ(s') - Φ(s)."""
        size = self.reward.state_size
        inputs, here, after, goes_on = features.tensor_split([-2 * size - 1, -size - 1, -1], dim=1)
        shaping = self.discount * goes_on * self.potential(after) - self.potential(here)
        return self.reward.score(inputs) + shaping[:, 0]

    def offset(self, rows: Rows, policy: PolicyDensity) -> Tensor:
        """-log π(a | s); in an absorbing state there is one action only."""
        with torch.no_grad():
            density = policy.log_density(rows.observations, rows.actions)
        return -density * (1 - rows.absorbing)

    def penalized(self, features: Tensor) -> int:
        """All but whether the episode goes on."""
        return features.shape[1] - 1
