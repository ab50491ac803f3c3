"""A discriminator: how sure is it that a transition is the expert's?

    min_D  -E_{expert} log D(x) - E_{policy} log(1 - D(x)),   D = σ(z)

The expert's label is 1 and the policy's 0, here and nowhere else; Ho and Ermon 2016 (GAIL, eq. 17)
have it the other way round. The optimum is D* = p_E / (p_E + p_π), z* = log p_E - log p_π.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

from ilrobot.learners.adversarial.rows import Rows
from ilrobot.policies.density import PolicyDensity
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, Range, check_ranges
from ilrobot.rewards.model import RewardModel

#: What a discriminator learns to say.
EXPERT, POLICY = 1.0, 0.0

#: What keeps a discriminator from being sure too soon.
Regularizer = Literal["gradient-penalty", "spectral-norm", "logit-clip", "none"]

#: With ``logit-clip`` no discriminator is surer than σ(5) = 0.993.
LOGIT_CLIP = 5.0

_RANGES = {
    "updates": AT_LEAST_1,
    "batch_size": AT_LEAST_1,
    "learning_rate": Range(0, 1, above=True),
    "penalty": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class DiscriminatorConfig:
    """How a discriminator is trained.

    Attributes:
        updates: Steps of Adam in each round.
        batch_size: Transitions of the expert in each step, and as many of the policy.
        learning_rate: Of Adam.
        regularizer: ``gradient-penalty`` adds `penalty` · E[(‖∇z‖ - 1)²] between expert and policy
            (Gulrajani et al. 2017, eq. 3); ``spectral-norm`` divides each weight by its greatest
            singular value (Miyato et al. 2018); ``logit-clip`` cuts z off at ±5.
        penalty: Weight of the gradient penalty.
    """

    updates: int = 16
    batch_size: int = 256
    learning_rate: float = 1e-3
    regularizer: Regularizer = "gradient-penalty"
    penalty: float = 10.0

    def __post_init__(self) -> None:
        named = {name: f"discriminator_{name}" for name in ("updates", "learning_rate")}
        check_ranges(self, _RANGES, named)


@dataclass(frozen=True)
class Judgement:
    """What a round of training came to.

    Attributes:
        loss: Mean binary cross-entropy, without the penalty; log 2 where it can only guess.
        expert_accuracy: Share of the expert's transitions that it took for the expert's.
        policy_accuracy: Share of the policy's that it took for the policy's.
    """

    loss: float
    expert_accuracy: float
    policy_accuracy: float


@dataclass(frozen=True)
class Error:
    """How much a discriminator errs in one batch.

    Attributes:
        loss: Binary cross-entropy.
        untaught: That of a discriminator of this form whose networks say 0 of everything.
        logits: Of both halves, the expert's first, (N,).
    """

    loss: Tensor
    untaught: Tensor
    logits: Tensor


class Discriminator(nn.Module, abc.ABC):
    """The logit z of a transition, and the reward that is made of it.

    Attributes:
        reward: What is learnt about the task, kept and exported.

    Args:
        reward: See above.
        regularizer: Of all its networks.
    """

    def __init__(self, reward: RewardModel, regularizer: Regularizer) -> None:
        super().__init__()
        self.reward = reward
        self.regularizer = regularizer
        if regularizer == "spectral-norm":
            normalize_spectrum(reward.network)

    @abc.abstractmethod
    def features(self, rows: Rows) -> Tensor:
        """What the networks read, (N, F); last may come what no gradient is taken of."""

    @abc.abstractmethod
    def energy(self, features: Tensor) -> Tensor:
        """What the networks say, (N,)."""

    @abc.abstractmethod
    def offset(self, rows: Rows, policy: PolicyDensity) -> Tensor:
        """What is known of the logit without learning, (N,)."""

    @abc.abstractmethod
    def penalized(self, features: Tensor) -> int:
        """Of how many leading features the gradient is penalised."""

    def left(self) -> RewardModel:
        """A copy of the reward that knows nothing of how it was trained, on the CPU."""
        left, training = RewardModel(self.reward.spec, self.reward.config), self.reward.training
        self.reward.eval()  # else reading a normalised weight changes it
        known = {**self.reward.state_dict()}
        for name, layer in self.reward.network.named_modules():
            if parametrize.is_parametrized(layer):
                known[f"network.{name}.weight"] = layer.weight
        self.reward.train(training)
        left.load_state_dict({name: known[name] for name in left.state_dict()})
        return left.eval()

    def logits(self, rows: Rows, policy: PolicyDensity) -> Tensor:
        """z of each transition under the policy as it is now, (N,)."""
        return self._clipped(self.energy(self.features(rows)) + self.offset(rows, policy))

    def loss(self, expert: Rows, policy_rows: Rows, policy: PolicyDensity) -> Error:
        """How much it errs over both halves."""
        rows = Rows.joined([expert, policy_rows])
        offset = self.offset(rows, policy)
        logits = self._clipped(self.energy(self.features(rows)) + offset)
        count = len(expert)
        return Error(
            _cross_entropy(logits, count), _cross_entropy(self._clipped(offset), count), logits
        )

    def _clipped(self, logits: Tensor) -> Tensor:
        return logits.clamp(-LOGIT_CLIP, LOGIT_CLIP) if self.regularizer == "logit-clip" else logits

    def gradient_penalty(self, expert: Rows, policy_rows: Rows, share: Tensor) -> Tensor:
        """E[(‖∇z‖ - 1)²] at points between pairs of expert and policy.

        Args:
            expert: As many as `policy_rows`.
            policy_rows: See above.
            share: Of the expert in each point, (N, 1) within 0 and 1.
        """
        first, second = self.features(expert).detach(), self.features(policy_rows).detach()
        between = (share * first + (1 - share) * second).requires_grad_()
        (gradient,) = torch.autograd.grad(self.energy(between).sum(), between, create_graph=True)
        norm = gradient[:, : self.penalized(between)].square().sum(dim=1).add(1e-12).sqrt()
        return (norm - 1).square().mean()


def _cross_entropy(logits: Tensor, count: int) -> Tensor:
    """Of logits whose first `count` are the expert's; the expert's and the others count alike."""
    labels = torch.full_like(logits, POLICY)
    labels[:count] = EXPERT
    halves = (count, len(logits) - count)
    weights = torch.cat([logits.new_full((size,), 0.5 / size) for size in halves])
    each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (weights * each).sum()


def normalize_spectrum(network: nn.Module) -> None:
    """Let each linear layer stretch nothing, now and while it is trained."""
    for layer in [module for module in network.modules() if isinstance(module, nn.Linear)]:
        parametrizations.spectral_norm(layer)
