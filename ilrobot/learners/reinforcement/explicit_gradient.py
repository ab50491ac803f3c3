"""The gradient of PPO's objective on the CPU, written down.

With z = (a - μ) / σ and the ratio r of eq. 7 of Schulman et al. 2017

    ∂ log π / ∂μ = z / σ,   ∂ log π / ∂ log σ = z² - 1,   ∂r / ∂ log π = r,

and r Â has a gradient where the clipped ratio does not promise less.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ilrobot.learners.reinforcement.actor_critic import FARTHEST, ActorCritic, Samples
from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.learners.reinforcement.explicit_density import ExplicitDensity
from ilrobot.learners.reinforcement.explicit_layers import Array, explicit


class ExplicitGradient:
    """Leaves the gradient of a minibatch in the weights, as `AutogradGradient` does.

    Args:
        model: On the CPU; where its actor requires no gradient, the critic alone learns.
        config: ε and c.
    """

    def __init__(self, model: ActorCritic, config: PpoConfig) -> None:
        self._model, self._config = model, config
        self._actor_learns = model.actor_learns
        self._density = ExplicitDensity(model.actor, _gradient)
        self._critic = explicit(model.critic.layers, _gradient)
        reference = model.reference
        self._reference = None if reference is None else ExplicitDensity(reference)
        self._moving = (model.actor.action_normalizer.spread > 0).float().numpy()

    @np.errstate(over="ignore", invalid="ignore")  # the weights are looked at after an update
    def __call__(self, part: Samples) -> Tensor:
        """-L, the value's loss, and how far the policy moved, (3,); see `clipped_update`."""
        config, model, moving = self._config, self._model, self._moving
        conditions, actions, known, advantages, targets = (x.numpy() for x in vars(part).values())
        count = np.float32(len(actions))
        if len(advantages) > 1:
            deviation = advantages.std(ddof=1) + np.float32(1e-8)
            advantages = (advantages - advantages.mean()) / deviation
        mean, log_std = self._density.given(conditions)
        precision = np.exp(-log_std)
        z = (actions - mean) * precision
        each = (z**2 / 2 + log_std + np.float32(math.log(2 * math.pi) / 2)) * moving
        log_ratio = -each.sum(axis=1) - known
        ratio = np.exp(log_ratio)
        free = ratio * advantages
        clipped = np.clip(ratio, 1 - config.clip, 1 + config.clip) * advantages
        error = self._critic.forward(np.clip(conditions, -FARTHEST, FARTHEST))[:, 0] - targets
        value_loss = np.mean(error**2)
        loss = config.value * value_loss - np.minimum(free, clipped).mean()

        if self._actor_learns:
            ascent = (np.where(free <= clipped, free, 0) / count)[:, None]
            to_mean = -ascent * z * precision
            to_log_std = -ascent * (z**2 - 1)
        if model.entropy:
            bonus = ((log_std + np.float32((1 + math.log(2 * math.pi)) / 2)) * moving).sum(axis=1)
            loss -= model.entropy * bonus.mean()
            if self._actor_learns:
                to_log_std -= np.float32(model.entropy) / count
        if self._reference is not None:
            away, away_mean, away_log_std = _divergence(
                mean, log_std, *self._reference.given(conditions)
            )
            loss += model.leash * (away * moving).sum(axis=1).mean()
            if self._actor_learns:
                to_mean += np.float32(model.leash) / count * away_mean
                to_log_std += np.float32(model.leash) / count * away_log_std
        if self._actor_learns:
            self._density.backward(to_mean * moving, to_log_std * moving)
        self._critic.backward(np.float32(2 * config.value) / count * error[:, None])
        return torch.tensor([loss, value_loss, np.mean(ratio - 1 - log_ratio)])


def _divergence(
    mean: Array, log_std: Array, other_mean: Array, other_log_std: Array
) -> tuple[Array, Array, Array]:
    """KL(N(mean, std²) ‖ N(other_mean, other_std²)) by element, by the mean and by the log std."""
    precision = np.exp(-2 * other_log_std)
    share, way = np.exp(2 * log_std) * precision, mean - other_mean
    away = other_log_std - log_std + (share + way**2 * precision - 1) / 2
    return away, way * precision, share - 1


def _gradient(weight: Tensor) -> Tensor:
    """Where the gradient of a weight lies; of one that does not learn it is thrown away."""
    if not weight.requires_grad:
        weight.grad = None
        return torch.empty_like(weight)
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
