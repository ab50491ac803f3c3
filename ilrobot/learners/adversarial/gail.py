"""GAIL: match the expert's occupancy of states and actions.

    min_π max_D  E_expert log D(s, a) + E_π log(1 - D(s, a)) - λ H(π)

Ho and Ermon 2016, "Generative adversarial imitation learning", eq. 15, with the expert's label 1.
The policy's reward is a form of D that suits how episodes end, see `RewardConfig.termination_bias`;
λ is the entropy bonus of the policy's learner.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.learners.adversarial.discriminator import Discriminator
from ilrobot.learners.adversarial.rows import Rows
from ilrobot.policies.density import PolicyDensity


class GailDiscriminator(Discriminator):
    """z is the score of the reward's own network, which is all that there is."""

    def features(self, rows: Rows) -> Tensor:
        """See `Discriminator`."""
        return self.reward.inputs(
            rows.observations, rows.actions, rows.next_observations, rows.absorbing, rows.terminal
        )

    def energy(self, features: Tensor) -> Tensor:
        """See `Discriminator`."""
        return self.reward.score(features)

    def offset(self, rows: Rows, policy: PolicyDensity) -> Tensor:
        """Nothing is known."""
        return torch.zeros_like(rows.terminal)

    def penalized(self, features: Tensor) -> int:
        """All of them."""
        return features.shape[1]
