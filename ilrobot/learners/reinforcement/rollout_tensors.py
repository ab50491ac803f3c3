"""A rollout as stable-baselines3 learns from it, in tensors where the policy lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor


class RolloutTensors(RolloutBuffer):
    """`RolloutBuffer` that is filled at once, with encoded observations, and copies nothing twice.

    Its advantages are its own; a minibatch is one gather per tensor, with no way over numpy.

    Args:
        args: See `RolloutBuffer`.
        critic_trace: See `PpoConfig`.
        keywords: See `RolloutBuffer`.
    """

    _conditions: Tensor
    _samples: tuple[Tensor, ...]

    def __init__(self, *args: Any, critic_trace: float | None = None, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._critic_trace = critic_trace

    def fill(
        self,
        conditions: Tensor,
        actions: NDArray[np.float32],
        rewards: NDArray[np.float32],
        ends: NDArray[np.bool_],
        values: Tensor,
        log_probabilities: Tensor,
        last_values: Tensor,
    ) -> None:
        """Take a rollout, copy by copy of the task and each in the order of its steps.

        Args:
            conditions: Encoded observations, (N, C).
            actions: Normalised, (N, A).
            rewards: What is learnt from, (N,); what an episode that was cut off would still have
                brought is part of its last one.
            ends: Where an episode ended, (N,).
            values: V(o), (N,).
            log_probabilities: log π(a | o), (N,).
            last_values: V of where each copy is now, (copies,).
        """
        self.reset()
        self._conditions = conditions
        by_tick = [np.ascontiguousarray(self._by_tick(x)) for x in (actions, rewards, ends)]
        self.actions, self.rewards, ended = by_tick
        self.values = self._by_tick(values.cpu().numpy())
        self.log_probs = self._by_tick(log_probabilities.cpu().numpy())
        self.episode_starts[1:] = ended[:-1]
        self.pos, self.full = self.buffer_size, True
        self.compute_returns_and_advantage(last_values, ended[-1])
        if self._critic_trace is not None:
            advantages, trace = self.advantages.copy(), self.gae_lambda
            self.gae_lambda = self._critic_trace
            self.compute_returns_and_advantage(last_values, ended[-1])
            self.advantages, self.gae_lambda = advantages, trace
        flat = [self.actions, self.values, self.log_probs, self.advantages, self.returns]
        tensors = (torch.from_numpy(self.swap_and_flatten(x)).to(self.device) for x in flat)
        drawn, *rest = tensors
        self._samples = (conditions, drawn, *(x.flatten() for x in rest))
        # As `get` leaves them, for those who look at them afterwards.
        self.values, self.returns = (self.swap_and_flatten(x) for x in (self.values, self.returns))

    def get(self, batch_size: int | None = None) -> Iterator[RolloutBufferSamples]:  # type: ignore[override]
        """Minibatches of the rollout in a drawn order."""
        count = len(self._conditions)
        order = torch.from_numpy(np.random.permutation(count)).to(self.device)  # noqa: NPY002
        for part in order.split(batch_size or count):
            yield RolloutBufferSamples(*(x.index_select(0, part) for x in self._samples))

    def _by_tick(self, values: NDArray[Any]) -> NDArray[Any]:
        """(copies · ticks, ...) to (ticks, copies, ...)."""
        return values.reshape(self.n_envs, self.buffer_size, *values.shape[1:]).swapaxes(0, 1)
