"""Transitions as offline learners read them: encoded once, normalised, drawn in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.policies.policy import Policy

#: Transitions that are encoded at once.
_PART = 65_536


@dataclass(frozen=True)
class Batch:
    """Transitions in normalised units.

    Attributes:
        condition: Encoded observations, (B, C).
        actions: Within [-1, 1], (B, A).
        rewards: Scaled as the learner wants them, (B,).
        following: Encoded observations after them, (B, C).
        continues: 0 where the episode ended by itself, else 1, (B,).
    """

    condition: Tensor
    actions: Tensor
    rewards: Tensor
    following: Tensor
    continues: Tensor


class Experience:
    """All transitions in one table, so that a batch is one gather.

    Args:
        transitions: In physical units; without rewards those are 0.
        policy: Whose encoder and normalisation make the batches; see `fit_normalizers`.
        weights: How often each is drawn beside the others, (N,), at least 0 (None: all alike).
    """

    def __init__(
        self,
        transitions: Transitions,
        policy: Policy,
        weights: NDArray[np.floating[Any]] | None = None,
    ) -> None:
        count = len(transitions)
        rewards = transitions.rewards
        with torch.no_grad():
            condition = _encoded(policy, transitions.observations)
            actions = policy.action_normalizer(torch.from_numpy(transitions.actions)).clamp(-1, 1)
            columns = (
                condition,
                actions,
                torch.zeros(count) if rewards is None else torch.from_numpy(rewards),
                _encoded(policy, transitions.next_observations),
                torch.from_numpy(1 - transitions.terminal.astype(np.float32)),
            )
        self._table = torch.cat([c.reshape(count, -1) for c in columns], dim=1)
        self._sizes = (condition.shape[1], actions.shape[1], 1, condition.shape[1], 1)
        self._cumulated = None if weights is None else torch.from_numpy(np.cumsum(weights))

    def __len__(self) -> int:
        return len(self._table)

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self._table.device

    def to(self, device: torch.device) -> Experience:
        """Move it, in place."""
        self._table = self._table.to(device)
        if self._cumulated is not None:
            self._cumulated = self._cumulated.to(device)
        return self

    def sample(self, size: int, generator: torch.Generator) -> Batch:
        """Draw with replacement; the generator lies on `device`."""
        device = self.device
        if self._cumulated is None:
            index = torch.randint(len(self), (size,), generator=generator, device=device)
        else:
            draws = torch.rand(size, generator=generator, device=device, dtype=torch.float64)
            index = torch.searchsorted(self._cumulated, draws * self._cumulated[-1], right=True)
            index.clamp_(max=len(self) - 1)
        return self.take(index)

    def take(self, index: Tensor) -> Batch:
        """Those of these indexes, (B,) int64."""
        rows = self._table.index_select(0, index)
        condition, actions, rewards, following, continues = rows.split(self._sizes, dim=1)
        return Batch(condition, actions, rewards[:, 0], following, continues[:, 0])


def fit_normalizers(policy: Policy, transitions: Transitions) -> None:
    """Standardise observations, and map an action's limits to -1 and 1.

    Where the task states none, the limits are the least and greatest action there was. An element
    of the action that never moved stays where it was.
    """
    policy.encoder.normalizer.fit(transitions.observations)
    size = policy.spec.action.size
    low, high = transitions.actions.min(axis=0), transitions.actions.max(axis=0)
    stated_low = np.array(policy.spec.action.low or (-np.inf,) * size)
    stated_high = np.array(policy.spec.action.high or (np.inf,) * size)
    stated = np.isfinite(stated_low) & np.isfinite(stated_high)
    least, most = np.where(stated, stated_low, low), np.where(stated, stated_high, high)
    policy.action_normalizer.adopt(
        (least + most) / 2, (most - least) / 2, low.astype(np.float64), high.astype(np.float64)
    )


def _encoded(policy: Policy, observations: NDArray[np.float32]) -> Tensor:
    parts = torch.from_numpy(observations).split(_PART)
    return torch.cat([policy.encoder.encode(part[:, None]) for part in parts])
