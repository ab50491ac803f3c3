"""Our policy in the place of stable-baselines3's, with a value network beside it."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

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


class ActorCritic(ActorCriticPolicy):
    """What `stable_baselines3.PPO` improves: normalised actions of a `Policy`, and a `Critic`.

    In place of the entropy, which PPO adds to its objective with weight 1 here, stands

        w_H H(π(· | o)) - w_KL KL(π(· | o) ‖ π_ref(· | o)),

    so that PPO itself need not know of a leash. Its observations are encoded ones, which stay the
    same through all epochs of an update. The policy stays in evaluation mode: a density must not
    change by what is dropped out.

    Args:
        observation_space: See `ActorCriticPolicy`.
        action_space: See `ActorCriticPolicy`.
        lr_schedule: See `ActorCriticPolicy`.
        actor: What is improved.
        critic: Learnt beside it.
        entropy: w_H.
        reference: π_ref (None: no leash).
        leash: w_KL.
        critic_learning_rate: Of the critic (None: the actor's).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        *,
        actor: Policy,
        critic: Critic,
        entropy: float,
        reference: Policy | None,
        leash: float,
        critic_learning_rate: float | None = None,
        **keywords: Any,
    ) -> None:
        self._parts, self._critic_rate = (actor, critic), critic_learning_rate
        super().__init__(observation_space, action_space, lr_schedule, **keywords)
        self.density = PolicyDensity(actor)
        self.reference = None if reference is None or not leash else PolicyDensity(reference)
        self._entropy, self._leash = entropy, leash

    def _build(self, lr_schedule: Any) -> None:
        self.actor, self.critic = self._parts
        rate = lr_schedule(1)
        groups = [
            {"params": list(self.actor.parameters()), "lr": rate},
            {"params": list(self.critic.parameters()), "lr": self._critic_rate or rate},
        ]
        self.optimizer = torch.optim.Adam(groups, eps=1e-5, fused=True)

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Value, log-probability and regulariser, each (B,) or (B, 1); see `ActorCriticPolicy`."""
        mean, log_std = self.density.given(obs)
        log_probability = self.density.log_normalized(actions, mean, log_std)
        bonus = torch.zeros_like(log_probability)
        if self._entropy:
            bonus = self._entropy * self.density.entropy(log_std)
        if self.reference is not None:
            away = self.density.divergence(self.reference, obs, mean, log_std)
            bonus = bonus - self._leash * away
        return self.predict_values(obs), log_probability, bonus

    def predict_values(self, obs: Any) -> Tensor:
        """See `ActorCriticPolicy`."""
        value: Tensor = self.critic(obs)
        return value

    def set_training_mode(self, mode: bool) -> None:
        """See the class: there is only one mode."""
