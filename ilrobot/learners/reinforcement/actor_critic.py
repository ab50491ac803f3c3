"""What PPO improves: our policy, with a value network beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy

#: Observations far out of what the normalisation was fitted to would swamp the value.
FARTHEST = 10.0


class Critic(nn.Module):
    """V(o) from what the policy's encoder gives: two layers of tanh, orthogonal at first.

    Args:
        policy: Whose encoder; its weights are no part of this.
        width: Features of a layer.
    """

    def __init__(self, policy: Policy, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(policy.encoder.size, width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, 1),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight, 1.0 if layer.out_features == 1 else 2**0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, condition: Tensor) -> Tensor:
        """Encoded observations, (B, C) to (B, 1)."""
        value: Tensor = self.layers(condition.clamp(-FARTHEST, FARTHEST))
        return value


class ActorCritic:
    """A policy's density and a `Critic` of encoded observations, under one optimiser.

    In the place of PPO's entropy bonus stands

        w_H H(π(· | o)) - w_KL KL(π(· | o) ‖ π_ref(· | o)).

    The policy stays in evaluation mode: a density must not change by what is dropped out.

    Attributes:
        critic: Learnt beside the policy.
        parameters: Of both.
        optimizer: Adam, with a group for each.

    Args:
        actor: What is improved.
        critic: See above.
        config: Its learning rates and w_H.
        reference: π_ref (None: no leash).
        leash: w_KL.
    """

    def __init__(
        self,
        actor: Policy,
        critic: Critic,
        config: PpoConfig,
        *,
        reference: Policy | None = None,
        leash: float = 0.0,
    ) -> None:
        self.critic = critic
        self.parameters = [*actor.parameters(), *critic.parameters()]
        rate = config.learning_rate
        groups = [
            {"params": list(actor.parameters()), "lr": rate},
            {"params": list(critic.parameters()), "lr": config.critic_learning_rate or rate},
        ]
        self.optimizer = torch.optim.Adam(groups, eps=1e-5, fused=True)
        self._density = PolicyDensity(actor)
        self._reference = None if reference is None or not leash else PolicyDensity(reference)
        self._entropy, self._leash = config.entropy, leash

    def evaluate(self, conditions: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Value, log-probability and bonus of each step, (B,).

        Args:
            conditions: Encoded observations, (B, C).
            actions: Normalised, (B, A).

        Returns:
            V(o), log π(a | o), and what is added to the objective (None: nothing).
        """
        density = self._density
        mean, log_std = density.given(conditions)
        bonus: Tensor | None = None
        if self._entropy:
            bonus = self._entropy * density.entropy(log_std)
        if self._reference is not None:
            away = self._leash * density.divergence(self._reference, conditions, mean, log_std)
            bonus = -away if bonus is None else bonus - away
        values = self.critic(conditions)[:, 0]
        return values, density.log_normalized(actions, mean, log_std), bonus
