"""IQL: a value that is an upper expectile of what was done, and cloning by the advantage.

Kostrikov, Nair and Levine 2022, "Offline reinforcement learning with implicit Q-learning",
arXiv:2110.06169:

    V: E [ |τ - 1(u < 0)| u² ],   u = min Q'(s, a) - V(s)                               (eq. 5)
    Q: E [ (r + γ V(s') - Q(s, a))² ]                                                   (eq. 6)
    π: E [ -min(exp(β u), 100) log π(a | s) ]                                           (eq. 7)

No action is ever asked for that was not done. Rewards are scaled by the range of the returns, and
the policy's learning rate falls by half a cosine, as in the authors' program for locomotion. π is a
Gaussian of one fixed deviation, so that -log π is the squared error and with β = 0 it is cloning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.policies.policy import Policy

#: Greatest weight of a step.
MOST_WEIGHT = 100.0


@dataclass(frozen=True)
class IqlMethod(OfflineMethod):
    """Settings of `Iql`.

    Attributes:
        expectile: τ of the value; 0.5 is the mean of what was done, 1 its best.
        beta: β, how sharply better steps are preferred.
        discount: γ.
    """

    expectile: float = 0.7
    beta: float = 3.0
    discount: float = 0.99

    name = "iql"
    head = "mse"

    def learner(self, policy: Policy, config: TrainConfig) -> Iql:
        """See `OfflineMethod`."""
        return Iql(policy, self, config.learning_rate)

    def reward_scale(self, transitions: Transitions) -> float:
        """See `scale_by_returns`."""
        return scale_by_returns(transitions)


class Iql(OfflineLearner):
    """See the module.

    Args:
        policy: With a regressing head.
        method: Settings.
        learning_rate: Of all networks.
    """

    def __init__(self, policy: Policy, method: IqlMethod, learning_rate: float) -> None:
        super().__init__(policy)
        self._method = method
        condition, action = policy.encoder.size, policy.spec.action.size
        twins = TwinPerceptrons(condition + action, HIDDEN, normalize=True)
        self._critics = self.network("critics", twins)
        self._slow_critics = self.copied("slow critics", self._critics)
        self._value = self.network("value", perceptron(condition))
        values = [*self._critics.parameters(), *self._value.parameters()]
        self.adam("values", values, learning_rate)
        self.adam("policy", policy.head.parameters(), learning_rate)

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """See `OfflineLearner`."""
        both = torch.cat([batch.condition, batch.actions], dim=1)
        with torch.no_grad():
            done = self._slow_critics(both).amin(dim=0)
            after = self._value(batch.following)[:, 0]
            target = batch.rewards + self._method.discount * batch.continues * after
        value = self._value(batch.condition)[:, 0]
        advantage = done - value
        value_loss = expectile_loss(advantage, self._method.expectile).mean()
        values = self._critics(both)
        loss = (values - target).square().mean(dim=1).sum()

        weights = advantage_weights(advantage.detach(), self._method.beta)
        counted = torch.ones_like(batch.rewards, dtype=torch.bool)[:, None]
        surprise = self.policy.head.loss(batch.condition, batch.actions[:, None], counted)
        policy_loss = (weights * surprise).mean()

        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        (value_loss + loss + policy_loss).backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        follow(self._slow_critics, self._critics, TARGET_RATE)
        return {
            "loss": loss.detach(),
            "value": values.detach().mean(),
            "value_loss": value_loss.detach(),
            "policy_loss": policy_loss.detach(),
            "weight": weights.mean(),
        }


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """|τ - 1(u < 0)| u², whose minimiser is the expectile τ of what u is measured from (eq. 4)."""
    return torch.where(difference < 0, 1 - expectile, expectile) * difference.square()


def advantage_weights(advantage: Tensor, beta: float) -> Tensor:
    """min(exp(β u), 100)."""
    return torch.exp((beta * advantage).clamp(max=math.log(MOST_WEIGHT)))


def perceptron(size: int) -> nn.Sequential:
    """A value of a condition: two hidden layers, one number."""
    first, second = HIDDEN
    return nn.Sequential(
        nn.Linear(size, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, 1),
    )
