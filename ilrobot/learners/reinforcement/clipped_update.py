"""The update of proximal policy optimisation: Schulman et al. 2017, eq. 7 and 9.

    r(θ) = π_θ(a | o) / π_old(a | o)
    L = E[min(r Â, clip(r, 1 - ε, 1 + ε) Â)] + bonus - c E[(V_θ(o) - V_target)²]

It is ascended over minibatches of one rollout, several times over, as stable-baselines3 does:
advantages are normalised within a minibatch, and an update ends early once it has gone far.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ilrobot.learners.reinforcement.actor_critic import ActorCritic, Samples
from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.learners.reinforcement.explicit_gradient import ExplicitGradient

#: An update ends beyond so many times the divergence that is aimed at, as in Schulman's own code.
_TOO_FAR = 1.5


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
    on_cpu = samples.actions.device.type == "cpu"
    gradient = ExplicitGradient(model, config) if on_cpu else AutogradGradient(model, config)
    told: list[Tensor] = []
    begins = 0
    for _ in range(config.epochs):
        order = torch.from_numpy(draw.permutation(len(samples.actions)))
        begins = len(told)
        for part in samples.minibatches(config.batch_size, order.to(samples.actions.device)):
            told.append(gradient(part))
            if config.target_kl is not None and told[-1][2] > _TOO_FAR * config.target_kl:
                return _summary(told, begins)
            model.optimizer.move(config.gradient)
    return _summary(told, begins)


class AutogradGradient:
    """Leaves the gradient of a minibatch in the weights, wherever they lie.

    Args:
        model: Where its actor requires no gradient, the critic alone learns.
        config: ε and c.
    """

    def __init__(self, model: ActorCritic, config: PpoConfig) -> None:
        self._model, self._config = model, config

    def __call__(self, part: Samples) -> Tensor:
        """-L, the value's loss, and E[r - 1 - log r], (3,).

        The last estimates KL(π_old ‖ π) (Schulman 2020, "Approximating KL divergence").
        """
        config = self._config
        values, log_probabilities, bonus = self._model.evaluate(part.conditions, part.actions)
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
        self._model.optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            return torch.stack([loss, value_loss, (ratio - 1 - log_ratio).mean()])


def _summary(told: list[Tensor], begins: int) -> dict[str, float]:
    """Of losses and divergences minibatch by minibatch; the last pass began at `begins`."""
    rows = torch.stack(told).cpu().numpy()
    return {
        "loss": float(rows[-1, 0]),
        "value_loss": float(rows[:, 1].mean()),
        "moved": float(rows[begins:, 2].mean()),
    }
