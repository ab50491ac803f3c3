"""The update of proximal policy optimisation: Schulman et al. 2017, eq. 7 and 9.

    r(θ) = π_θ(a | o) / π_old(a | o)
    L = E[min(r Â, clip(r, 1 - ε, 1 + ε) Â)] + bonus - c E[(V_θ(o) - V_target)²]

It is ascended over minibatches of one rollout, several times over, as stable-baselines3 does:
advantages are normalised within a minibatch, and an update ends early once it has gone far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ilrobot.learners.reinforcement.actor_critic import ActorCritic
from ilrobot.learners.reinforcement.config import PpoConfig

#: An update ends beyond so many times the divergence that is aimed at, as in Schulman's own code.
_TOO_FAR = 1.5


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


def clipped_update(
    model: ActorCritic, samples: Samples, config: PpoConfig, draw: np.random.Generator
) -> dict[str, float]:
    """Improve policy and value by a rollout.

    Args:
        model: Both, changed in place.
        samples: The rollout.
        config: Passes, minibatches, ε, c and where an update ends.
        draw: The order of the steps in each pass.

    Returns:
        The last ``loss``, the mean ``value_loss``, and how far the policy ``moved`` in the last
        pass: an estimate of KL(π_old ‖ π).
    """
    told: list[Tensor] = []
    begins = 0
    for _ in range(config.epochs):
        order = torch.from_numpy(draw.permutation(len(samples.actions)))
        begins = len(told)
        for part in samples.minibatches(config.batch_size, order.to(samples.actions.device)):
            loss, value_loss, moved = _loss(model, part, config)
            told.append(torch.stack([loss.detach(), value_loss.detach(), moved]))
            if config.target_kl is not None and float(moved) > _TOO_FAR * config.target_kl:
                return _summary(told, begins)
            model.optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(model.parameters, config.gradient)
            model.optimizer.step()
    return _summary(told, begins)


def _loss(model: ActorCritic, part: Samples, config: PpoConfig) -> tuple[Tensor, Tensor, Tensor]:
    """-L, the value's loss, and E[r - 1 - log r] (Schulman 2020, "Approximating KL divergence")."""
    values, log_probabilities, bonus = model.evaluate(part.conditions, part.actions)
    advantages = part.advantages
    if len(advantages) > 1:
        deviation, mean = torch.std_mean(advantages)
        advantages = (advantages - mean) / (deviation + 1e-8)
    log_ratio = log_probabilities - part.log_probabilities
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages).mean()
    value_loss = torch.nn.functional.mse_loss(values, part.targets)
    loss = config.value * value_loss - surrogate
    if bonus is not None:
        loss = loss - bonus.mean()
    with torch.no_grad():
        moved = (ratio - 1 - log_ratio).mean()
    return loss, value_loss, moved


def _summary(told: list[Tensor], begins: int) -> dict[str, float]:
    """Of losses and divergences minibatch by minibatch; the last pass began at `begins`."""
    rows = torch.stack(told).cpu().numpy()
    return {
        "loss": float(rows[-1, 0]),
        "value_loss": float(rows[:, 1].mean()),
        "moved": float(rows[begins:, 2].mean()),
    }
