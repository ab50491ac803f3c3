"""TD3+BC: twin critics, and a policy between what they like and what was done.

Fujimoto and Gu 2021, "A minimalist approach to offline reinforcement learning", arXiv:2106.06860:

    π = argmax E_{(s, a) ~ D} [ λ Q(s, π(s)) - (π(s) - a)² ],   λ = α / mean |Q(s, a)|   (eq. 5)

on normalised states, with the critics of TD3 (Fujimoto, van Hoof and Meger 2018,
arXiv:1802.09477, algorithm 1): the lesser of two, smoothed by clipped noise on the target's action,
and a policy that is changed at every second step. As in the authors' program λ is taken where
the policy acts, |Q(s, π(s))|, and the policy's gradient is the first critic's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.experience import Batch
from ilrobot.learners.offline.learner import (
    HIDDEN,
    TARGET_RATE,
    OfflineLearner,
    OfflineMethod,
    follow,
    scale_by_returns,
)
from ilrobot.policies.bounded import bounded
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.policies.policy import Policy

#: Of TD3: noise on the target's actions and its bound, steps for one of the policy.
NOISE, NOISE_BOUND, DELAY = 0.2, 0.5, 2


@dataclass(frozen=True)
class Td3BcMethod(OfflineMethod):
    """Settings of `Td3Bc`.

    Attributes:
        alpha: How much the critic counts beside what was done.
        discount: γ.
    """

    alpha: float = 2.5
    discount: float = 0.99

    name = "td3-bc"
    head = "mse"

    def learner(self, policy: Policy, config: TrainConfig) -> Td3Bc:
        """See `OfflineMethod`."""
        return Td3Bc(policy, self, config.learning_rate)

    def reward_scale(self, transitions: Transitions) -> float:
        """See `scale_by_returns`; the policy does not care, and its critics learn sooner."""
        return scale_by_returns(transitions)


class Td3Bc(OfflineLearner):
    """See the module.

    Args:
        policy: With a regressing head.
        method: Settings.
        learning_rate: Of critics and policy.
    """

    def __init__(self, policy: Policy, method: Td3BcMethod, learning_rate: float) -> None:
        super().__init__(policy)
        self._alpha, self._discount = method.alpha, method.discount
        size = policy.encoder.size + policy.spec.action.size
        self._critics = self.network("critics", TwinPerceptrons(size, HIDDEN))
        self._slow_critics = self.copied("slow critics", self._critics)
        self._slow_head = self.copied("slow head", policy.head)
        self._learns_values = self.adam("critics", self._critics.parameters(), learning_rate)
        self._learns_actions = self.adam("policy", policy.head.parameters(), learning_rate)

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """See `OfflineLearner`."""
        target = self.target(batch, generator)
        values = self._critics(torch.cat([batch.condition, batch.actions], dim=1))
        loss = (values - target).square().mean(dim=1).sum()
        self._learns_values.zero_grad()
        loss.backward()
        self._learns_values.step()
        report = {"loss": loss.detach(), "value": values.detach().mean()}
        if step % DELAY == 0:
            report |= self._improve(batch)
        return report

    @torch.no_grad()
    def target(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """r + γ min Q'(s', π'(s') + noise), (B,)."""
        noise = torch.empty_like(batch.actions).normal_(generator=generator)
        noise.mul_(NOISE).clamp_(-NOISE_BOUND, NOISE_BOUND)
        actions = self.movable((self._slow_head(batch.following)[:, 0] + noise).clamp_(-1, 1))
        values = self._slow_critics(torch.cat([batch.following, actions], dim=1)).amin(dim=0)
        return batch.rewards + self._discount * batch.continues * values

    def policy_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-λ Q(s, π(s)) + (π(s) - a)², and the latter alone, both means over the batch."""
        wanted = self.policy.head(batch.condition)[:, 0]
        acts = self.movable(bounded(wanted))
        values = self._critics.first(torch.cat([batch.condition, acts], dim=1))
        away = (wanted - batch.actions).square().mean()
        return away - balance(values, self._alpha) * values.mean(), away

    def _improve(self, batch: Batch) -> dict[str, Tensor]:
        loss, away = self.policy_loss(batch)
        weights = list(self.policy.head.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        self._learns_actions.step()
        follow(self._slow_critics, self._critics, TARGET_RATE)
        follow(self._slow_head, self.policy.head, TARGET_RATE)
        return {"policy_loss": loss.detach(), "away": away.detach()}


def balance(values: Tensor, alpha: float) -> Tensor:
    """λ = α / mean |Q|, which takes no gradient."""
    return alpha / values.detach().abs().mean().clamp(min=_LEAST)


#: Values that are all 0, as at the beginning, are worth nothing, and not infinitely much.
_LEAST = 1e-6
