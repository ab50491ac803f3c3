"""What PPO improves: our policy, with a value network beside it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ilrobot.learners.clipped_adamw import ClippedAdamW
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
        actor: The policy.
        critic: Learnt beside it.
        reference: π_ref (None: no leash).
        entropy: w_H.
        leash: w_KL.
        parameters: Of policy and critic.
        optimizer: Adam, with a group for each.

    Args:
        actor: See above.
        critic: See above.
        config: Its learning rates and w_H.
        reference: See above.
        leash: See above.
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
        self.actor, self.critic = actor, critic
        self.reference = reference if leash else None
        self.entropy, self.leash = config.entropy, leash
        self.parameters = [*actor.parameters(), *critic.parameters()]
        rate = config.learning_rate
        groups = [
            {"params": list(actor.parameters()), "lr": rate},
            {"params": list(critic.parameters()), "lr": config.critic_learning_rate or rate},
        ]
        self.optimizer = ClippedAdamW(groups, eps=1e-5, weight_decay=0.0, fused=True)  # Adam
        self._density = PolicyDensity(actor)
        self._reference = None if self.reference is None else PolicyDensity(self.reference)

    @property
    def actor_learns(self) -> bool:
        """Whether the policy learns, or its value alone."""
        return any(parameter.requires_grad for parameter in self.actor.parameters())

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
        if self.entropy:
            bonus = self.entropy * density.entropy(log_std)
        if self._reference is not None:
            away = self.leash * density.divergence(self._reference, conditions, mean, log_std)
            bonus = -away if bonus is None else bonus - away
        values = self.critic(conditions)[:, 0]
        return values, density.log_normalized(actions, mean, log_std), bonus


@dataclass(frozen=True)
class Samples:
    """A rollout as it is learnt from, where the policy lies.

    Attributes:
        conditions: Encoded observations, (N, C).
        actions: Normalised, (N, A).
        log_probabilities: log π_old(a | o), (N,).
        advantages: Â, (N,).
        targets: V_target, (N,).
    """

    conditions: Tensor
    actions: Tensor
    log_probabilities: Tensor
    advantages: Tensor
    targets: Tensor

    def minibatches(self, size: int, order: Tensor) -> list[Samples]:
        """All of it in an order, (N,), cut into parts of a size; the last may be smaller."""
        columns = (column.index_select(0, order).split(size) for column in vars(self).values())
        return [Samples(*part) for part in zip(*columns, strict=True)]
