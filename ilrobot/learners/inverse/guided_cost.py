"""Guided cost learning: maximum entropy inverse reinforcement learning by sampling.

    L(θ) = -1/N Σ_i R_θ(τ_i) + log 1/M Σ_j exp (R_θ(τ_j) - log μ(τ_j))

Finn, Levine and Abbeel 2016, "Guided cost learning: deep inverse optimal control via policy
optimization", equation 3, over demonstrations τ_i, with samples τ_j of the policies of the last
rounds beside demonstrations. The policy is improved by r - log π, whose best policy draws
trajectories with the probability exp R / Z, so that the weights of its samples become equal.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.inverse.partition import (
    effective_samples,
    fused_density,
    joined_density,
    log_partition,
)
from ilrobot.learners.inverse.pieces import Pieces
from ilrobot.learners.online import reported
from ilrobot.learners.reinforcement.reinforcer import Reinforcer
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, Range, check_ranges
from ilrobot.rewards.model import REWARD_FILE, RewardModel

_RANGES = {
    "updates": AT_LEAST_1,
    "batch_size": AT_LEAST_1,
    "piece": AT_LEAST_1,
    "memory": AT_LEAST_1,
    "learning_rate": Range(0, 1, above=True),
    "smoothness": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class GuidedCostConfig:
    """How the reward is learnt.

    Attributes:
        updates: Steps of Adam in each round.
        batch_size: Pieces of demonstrations in each step, and as many of samples.
        learning_rate: Of Adam.
        piece: Steps of a trajectory that are weighed together. Longer ones are truer to the model,
            and fewer of them count.
        smoothness: Weight of the paper's g_lcr, the squared change of the change of r along a
            piece of demonstration or sample (section 5); pieces of fewer than 3 steps have none.
        memory: Rounds whose samples are used, the newest included.
    """

    updates: int = 16
    batch_size: int = 128
    learning_rate: float = 3e-4
    piece: int = 1
    smoothness: float = 0.1
    memory: int = 5

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, {"learning_rate": "reward_learning_rate"})


@dataclass(frozen=True)
class _Sampled:
    """What one round's policy did, and that policy as it was then."""

    pieces: Pieces
    policy: Policy


class GuidedCost:
    """A reward learnt beside the policy that is its sampler.

    It is an `ilrobot.learners.online.OnlineLearner`, and leaves its reward beside the policy.

    Args:
        reward: Untrained, where the policy lies.
        reinforcer: Improves the policy.
        expert: Demonstrated transitions.
        config: How the reward is learnt.
        seed: Of what is drawn for it.

    Raises:
        UserError: A piece is longer than any demonstration, and would be mostly empty.
    """

    def __init__(
        self,
        reward: RewardModel,
        reinforcer: Reinforcer,
        expert: Transitions,
        config: GuidedCostConfig,
        *,
        seed: int,
    ) -> None:
        self.reward, self.reinforcer, self.policy = reward, reinforcer, reinforcer.policy
        self._config = config
        longest = int(np.unique(expert.episode, return_counts=True)[1].max())
        if config.piece > longest:
            raise UserError(
                f"a piece of {config.piece} steps is longer than any demonstration; the longest "
                f"has {longest}: take a shorter --piece"
            )
        self._expert = Pieces.of(expert, config.piece, reward.tensor)
        reward.fit_normalizers(reward.tensor(expert.observations), reward.tensor(expert.actions))
        self._memory: deque[_Sampled] = deque(maxlen=config.memory)
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(reward.parameters(), lr=config.learning_rate)
        self._log_z = torch.zeros((), device=reward.tensor(np.zeros(1)).device)
        self._learnt: dict[str, float] = {}

    @property
    def steps(self) -> int:
        """See `OnlineLearner`."""
        return self.reinforcer.steps

    def improve(self) -> dict[str, float]:
        """A rollout, from which first the reward is learnt and then the policy.

        Raises:
            WorkFailed: One of them diverged.
        """
        made = self.reinforcer.learn(1, self._rewards)
        return {**self._learnt, **reported(made.ended)}

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`."""
        left = copy.deepcopy(self.reward).cpu().eval()
        left.save(folder / REWARD_FILE)

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as tensors and plain values."""
        return {
            "reward": self.reward.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "memory": [
                {"pieces": old.pieces.state(), "policy": old.policy.state_dict()}
                for old in self._memory
            ],
            "log_z": self._log_z,
            "generator": self._generator.get_state(),
            "reinforcer": self.reinforcer.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.reinforcer.load_state(state["reinforcer"])
        self.reward.load_state_dict(state["reward"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._log_z = state["log_z"].to(self._log_z.device)
        self._memory.clear()
        for old in state["memory"]:
            policy = copy.deepcopy(self.policy)
            policy.load_state_dict(old["policy"])
            here = {n: self.reward.tensor(values.numpy()) for n, values in old["pieces"].items()}
            self._memory.append(_Sampled(Pieces(**here), policy))

    def _rewards(self, made: Transitions) -> NDArray[np.float32]:
        """Learn from a new rollout, then say what it is worth: r - log π, (N,)."""
        pieces = Pieces.of(made, self._config.piece, self.reward.tensor)
        self._memory.append(_Sampled(pieces, copy.deepcopy(self.policy).eval()))
        self._learn()
        with torch.no_grad():
            rows = (self.reward.tensor(x) for x in (made.observations, made.actions))
            log_density = PolicyDensity(self.policy).log_density(*rows)
        return np.asarray(self.reward.of(made) - log_density.cpu().numpy(), dtype=np.float32)

    def _learn(self) -> None:
        """A round of the reward."""
        sampled = Pieces.joined([old.pieces for old in self._memory])
        of_samples, of_expert = self._density(sampled), self._density(self._expert)
        config, losses, effective = self._config, [], 0.0
        for _ in range(config.updates):
            shown = self._drawn(len(self._expert))
            drawn = self._drawn(len(sampled))
            demonstrated, tried = self._expert.take(shown), sampled.take(drawn)
            batch = Pieces.joined([demonstrated, tried])
            each = self.reward(*batch.steps())
            returns = batch.summed(each)
            log_density = torch.cat([of_expert[shown], of_samples[drawn]])
            joined = joined_density(returns.detach(), log_density, self._log_z)
            log_z = log_partition(returns, joined)
            loss = log_z - returns[: len(shown)].mean()
            total = loss + config.smoothness * roughness(
                each.reshape(batch.there.shape), batch.there
            )
            self._optimizer.zero_grad()
            total.backward()
            self._optimizer.step()
            self._log_z = log_z.detach()
            losses.append(float(loss.detach()))
            effective = effective_samples(returns[len(shown) :].detach(), of_samples[drawn])
        if not np.isfinite(losses).all():
            raise WorkFailed(
                f"the reward diverged after {self.steps} environment steps; train into another "
                "--output with a lower --reward-learning-rate or shorter pieces"
            )
        self._learnt = {
            "loss": float(np.mean(losses)),
            "log_partition": float(self._log_z),
            "effective_samples": effective / min(len(sampled), config.batch_size),
        }

    def _density(self, pieces: Pieces) -> Tensor:
        """log q of each piece under the policies of all rounds that are remembered, (M,)."""
        observations, actions, _ = pieces.steps()
        with torch.no_grad():
            each = [
                pieces.summed(PolicyDensity(old.policy).log_density(observations, actions))
                for old in self._memory
            ]
        return fused_density(torch.stack(each))

    def _drawn(self, number: int) -> Tensor:
        chosen = torch.randint(number, (self._config.batch_size,), generator=self._generator)
        return chosen.to(self._log_z.device)


def roughness(rewards: Tensor, there: Tensor) -> Tensor:
    """g_lcr: the mean of ((r_{t+1} - r_t) - (r_t - r_{t-1}))² within pieces; both (M, L)."""
    if rewards.shape[1] < 3:
        return rewards.new_zeros(())
    bends = rewards[:, 2:] - 2 * rewards[:, 1:-1] + rewards[:, :-2]
    return (bends.square() * there[:, 2:]).sum() / there[:, 2:].sum().clamp_min(1)
