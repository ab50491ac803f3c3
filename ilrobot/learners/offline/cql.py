"""CQL: soft actor-critic whose critics are held down where nothing was done.

Kumar, Zhou, Tucker and Levine 2020, "Conservative Q-learning for offline reinforcement learning",
arXiv:2006.04779, CQL(H):

    Q: E [ (Q - r - γ min Q'(s', a'))² ] / 2 + α E_s [ log ∫ exp Q(s, a) da - Q(s, a_D) ]   (eq. 4)

The integral over all actions within their limits is estimated from as many drawn evenly, from
π(· | s) and from π(· | s'), each by its density (appendix F). The policy and its temperature are
those of soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905), with a Gaussian that is cut off
at the limits in place of one that is squashed by tanh: its mode, which is what acts, is the mean
itself, or the limit that the mean lies beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.experience import Batch
from ilrobot.learners.offline.learner import (
    HIDDEN,
    TARGET_RATE,
    OfflineLearner,
    OfflineMethod,
    follow,
)
from ilrobot.policies.bounded import bounded
from ilrobot.policies.heads.gaussian import GaussianHead, gaussian_nll
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.policies.policy import Policy

#: The policy learns so much slower than the critics: 3e-5 beside 3e-4.
_POLICY_SHARE = 0.1
#: What is rarer under a Gaussian is not drawn: the inverse of its distribution function has no end.
_LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class CqlMethod(OfflineMethod):
    """Settings of `Cql`.

    Attributes:
        alpha: Weight of the conservative term.
        actions: Drawn for the integral from each of the three.
        discount: γ.
    """

    alpha: float = 10.0
    actions: int = 10
    discount: float = 0.99

    name = "cql"
    head = "gaussian"
    learning_rate = 3e-4

    def learner(self, policy: Policy, config: TrainConfig) -> Cql:
        """See `OfflineMethod`."""
        return Cql(policy, self, config.learning_rate)


class Cql(OfflineLearner):
    """See the module.

    Args:
        policy: With a Gaussian head.
        method: Settings.
        learning_rate: Of the critics and the temperature; the policy's is a tenth.
    """

    def __init__(self, policy: Policy, method: CqlMethod, learning_rate: float) -> None:
        super().__init__(policy)
        self._method = method
        size = policy.encoder.size + policy.spec.action.size
        self._critics = self.network("critics", TwinPerceptrons(size, HIDDEN))
        self._slow_critics = self.copied("slow critics", self._critics)
        self._temperature = self.network("temperature", _Temperature())
        values = self._critics.parameters()
        actions = policy.head.parameters()
        self._learns_values = self.adam("critics", values, learning_rate)
        self._learns_actions = self.adam("policy", actions, learning_rate * _POLICY_SHARE)
        warmth = self._temperature.parameters()
        self._learns_temperature = self.adam("temperature", warmth, learning_rate)

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """See `OfflineLearner`."""
        mean, log_std = self._distribution(batch.condition)
        share = torch.empty_like(mean).uniform_(generator=generator)
        drawn, likely = truncated(mean, log_std, share)
        log_density = self.movable(likely).sum(dim=1)
        temperature = self._temperature()
        worth = self._critics(_beside(batch.condition, self.movable(drawn))).amin(dim=0)
        policy_loss = (temperature.detach() * log_density - worth).mean()
        # As much entropy as there are actions to choose (Haarnoja et al. 2018, section 5).
        size = self.movable(torch.ones_like(mean[0])).sum()
        warmth_loss = -temperature * (log_density.detach().mean() - size)

        loss, gap, value = self._critics_loss(batch, mean.detach(), log_std.detach(), generator)
        weights = list(self.policy.head.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(policy_loss, weights), strict=True):
            weight.grad = slope
        self._learns_actions.step()
        self._learns_values.zero_grad()
        self._learns_temperature.zero_grad()
        (loss + warmth_loss).backward()
        self._learns_values.step()
        self._learns_temperature.step()
        follow(self._slow_critics, self._critics, TARGET_RATE)
        return {
            "loss": loss.detach(),
            "value": value,
            "conservative": gap,
            "policy_loss": policy_loss.detach(),
            "temperature": temperature.detach(),
        }

    def _critics_loss(
        self, batch: Batch, mean: Tensor, log_std: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of both critics, its conservative term, and the value of what was done."""
        with torch.no_grad():
            next_mean, next_log_std = self._distribution(batch.following)
            share = torch.empty_like(mean).uniform_(generator=generator)
            following = self.movable(truncated(next_mean, next_log_std, share)[0])
            after = self._slow_critics(_beside(batch.following, following)).amin(dim=0)
            target = batch.rewards + self._method.discount * batch.continues * after
            drawn, log_densities = proposals(
                [(mean, log_std), (next_mean, next_log_std)],
                self._method.actions,
                self._moves,
                generator,
            )
        values = self._critics(_beside(batch.condition, batch.actions))
        count = drawn.shape[1]
        asked = _beside(batch.condition.repeat_interleave(count, dim=0), drawn.flatten(0, 1))
        elsewhere = self._critics(asked).unflatten(1, (len(mean), count))
        gap = log_integral(elsewhere, log_densities).mean(dim=1) - values.mean(dim=1)
        errors = (values - target).square().mean(dim=1) / 2
        loss = (errors + self._method.alpha * gap).sum()
        return loss, gap.detach().mean(), values.detach().mean()

    def _distribution(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        head = self.policy.head
        assert isinstance(head, GaussianHead)
        mean, log_std = head.distribution(condition)
        return mean[:, 0], log_std[:, 0]


def proposals(
    gaussians: list[tuple[Tensor, Tensor]], each: int, moves: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Actions to estimate an integral over [-1, 1]^A from, and what they were drawn by.

    An element that never moved in the data is no part of it: where all data lie in a plane, what
    the critics say of the plane beside the rest would have no bound.

    Args:
        gaussians: Means and log deviations to draw from, (B, A) each, beside evenly.
        each: Draws from each of them.
        moves: 1 for the elements that moved in the data, 0 for the others, (A,).
        generator: Of the draws.

    Returns:
        Actions within the limits and 0 where nothing moves, (B, (1 + G) each, A), and the log of
        their density, (B, (1 + G) each).
    """
    rows, size = gaussians[0][0].shape
    volume = math.log(2) * moves.sum()
    share = torch.empty(rows, each, size, device=gaussians[0][0].device)
    actions = [2 * share.uniform_(generator=generator) - 1]
    densities = [torch.zeros_like(share[..., 0]) - volume]
    for mean, log_std in gaussians:
        share = torch.empty_like(share).uniform_(generator=generator)
        drawn, likely = truncated(mean[:, None], log_std[:, None], share)
        actions.append(drawn)
        densities.append((moves * likely).sum(dim=2))
    return torch.cat(actions, dim=1) * moves, torch.cat(densities, dim=1)


def truncated(mean: Tensor, log_std: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Actions of a Gaussian about the nearest mean within [-1, 1] that is cut off there.

    Args:
        mean: Shape (..., A); beyond a limit its gradient leads back alone, see `bounded`.
        log_std: Of the Gaussian before it is cut off, (..., A).
        share: Which share of all actions are less than the one drawn, element by element within 0
            and 1, of a shape that both fit.

    Returns:
        The actions and the log of their density, element by element.
    """
    mean, std = bounded(mean), log_std.exp()
    below, above = (torch.special.ndtr((limit - mean) / std) for limit in (-1.0, 1.0))
    within = (below + share * (above - below)).clamp(_LEAST_SHARE, 1 - _LEAST_SHARE)
    drawn = mean + std * torch.special.ndtri(within)
    return drawn.clamp(-1, 1), -gaussian_nll(drawn, mean, log_std) - (above - below).log()


def log_integral(values: Tensor, log_densities: Tensor) -> Tensor:
    """log ∫ exp Q(s, a) da, from values at draws: log of the mean of exp(Q - log density).

    Args:
        values: Shape (..., B, N).
        log_densities: Of the draws, (B, N).

    Returns:
        Shape (..., B).
    """
    return torch.logsumexp(values - log_densities, dim=-1) - math.log(values.shape[-1])


def _beside(condition: Tensor, actions: Tensor) -> Tensor:
    return torch.cat([condition, actions], dim=1)


class _Temperature(nn.Module):
    """One positive number, 1 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        """Its value, a scalar."""
        return self.log.exp()
