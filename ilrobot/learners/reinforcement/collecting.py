"""A policy trying: copies of a task stepped by what is drawn from its density."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.rollouts import Rollouts
from ilrobot.learners.reinforcement.running import RunningStatistics
from ilrobot.learners.reinforcement.vector_env import Ended, TaskVectorEnv
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy

#: Steps of each copy at random, before anything is learnt.
_LOOKS = 64


class Collecting:
    """Where each copy of the task is, and what the policy's normalisation has seen.

    While the copies are stepped, only the actor is asked, on the CPU wherever it is trained.

    Attributes:
        env: The copies.
        steps: Environment steps that were asked for so far.

    Args:
        policy: Acts, and is given the normalisation.
        env: The copies.
        seed: Of the noise.
        fit_observations: Whether observations are normalised by all that was seen.
    """

    def __init__(
        self, policy: Policy, env: TaskVectorEnv, seed: int, *, fit_observations: bool
    ) -> None:
        self.env, self.steps = env, 0
        self._policy, self._acting = policy, policy
        if policy.action_normalizer.offset.device.type != "cpu":
            self._acting = copy.deepcopy(policy).cpu()
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        size = env.observation_space.shape[0]
        self._seen = RunningStatistics(size) if fit_observations else None
        self._now: NDArray[np.float32] | None = None

    def rollout(self, ticks: int, *, uniform: bool = False) -> tuple[NDArray[np.float32], Rollouts]:
        """Step each copy so many times.

        Args:
            ticks: How many.
            uniform: Whether normalised actions are drawn evenly within ±1, not from the policy.

        Returns:
            The normalised actions as drawn, copy by copy, (N, A), and what they led to.

        Raises:
            WorkFailed: The policy diverged: an action is no longer finite.
        """
        now = self._begun()
        if self._acting is not self._policy:
            self._acting.load_state_dict(self._policy.state_dict())
        density = PolicyDensity(self._acting)
        copies, size = self.env.num_envs, self.env.task.action.size
        observed = np.empty((ticks, copies, now.shape[1]), dtype=np.float32)
        after = np.empty_like(observed)
        drawn = np.empty((ticks, copies, size), dtype=np.float32)
        executed = np.empty_like(drawn)
        rewards = np.empty((ticks, copies), dtype=np.float32)
        terminal, timeout = np.empty((2, ticks, copies), dtype=bool)
        noise = self._noise((ticks, copies, size), uniform=uniform)
        ended: list[Ended] = []
        for tick in range(ticks):
            observed[tick] = now
            with torch.inference_mode():
                seen, action = torch.from_numpy(now), noise[tick]
                if not uniform:
                    mean, log_std = density.distribution(seen)
                    action = mean + log_std.exp() * action
                physical = density.physical(action, seen).numpy()
            drawn[tick] = action.numpy()
            executed[tick] = np.clip(physical, *self.env.limits)
            if not np.isfinite(executed[tick]).all():
                raise WorkFailed(
                    f"the policy's actions are no longer finite after {self.steps} environment "
                    "steps; train again with a lower --learning-rate, into another --output"
                )
            step = self.env.advance(executed[tick])
            self._now = now = step.observations
            after[tick], rewards[tick] = step.after, step.rewards
            terminal[tick], timeout[tick] = step.terminal, step.timeout
            ended.extend(step.ended)
        self.steps += ticks * copies
        transitions = Transitions(
            observations=by_copy(observed),
            actions=by_copy(executed),
            rewards=by_copy(rewards),
            next_observations=by_copy(after),
            terminal=by_copy(terminal),
            timeout=by_copy(timeout),
            episode=_numbered(terminal | timeout),
        )
        return by_copy(drawn), Rollouts(transitions, tuple(ended))

    def normalize(self, observations: NDArray[np.float32]) -> None:
        """Take observations into the policy's normalisation, (N, O), where it is fitted at all."""
        if self._seen is not None:
            self._seen.update(observations)
            self._seen.write(self._policy.encoder.normalizer)

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, in new episodes."""
        return {
            "steps": self.steps,
            "seen": None if self._seen is None else self._seen.state(),
            "generator": self._generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; the policy knows its normalisation itself."""
        self.steps = int(state["steps"])
        if self._seen is not None:
            self._seen.load_state(state["seen"])
        self._generator.set_state(state["generator"])
        self.env.reseed(int(np.random.default_rng((self._seed, self.steps)).integers(2**31)))
        self._now = None

    def _begun(self) -> NDArray[np.float32]:
        """Where the copies are; at first a look around tells what observations are like."""
        if self._now is None:
            self._now = self.env.reset()
            if self._seen is not None and not self._seen.count:
                seen = [self._now]
                density = PolicyDensity(self._acting)
                for _ in range(_LOOKS):
                    noise = self._noise((self.env.num_envs, self.env.task.action.size))
                    with torch.inference_mode():
                        physical = density.physical(noise, torch.from_numpy(seen[-1])).numpy()
                    seen.append(self.env.advance(physical).observations)
                self.normalize(np.concatenate(seen))
                self._now = self.env.reset()
        return self._now

    def _noise(self, shape: tuple[int, ...], *, uniform: bool = False) -> Tensor:
        if uniform:
            return 2 * torch.rand(shape, generator=self._generator) - 1
        return torch.randn(shape, generator=self._generator)


def by_copy(values: NDArray[Any]) -> NDArray[Any]:
    """(ticks, copies, ...) to (copies · ticks, ...)."""
    return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])


def _numbered(ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of the episode of each step, copy by copy, from where they end, (ticks, copies)."""
    begins = np.zeros(ends.shape, dtype=bool)
    begins[1:] = ends[:-1]
    begins[0] = True
    return np.cumsum(by_copy(begins), dtype=np.int64) - 1
