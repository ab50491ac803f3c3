"""A policy trying: copies of a task stepped by what is drawn from its density."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.transitions import Transitions
from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.played import Played
from ilrobot.learners.reinforcement.rollout_actor import ActionsDiverged, RolloutActor
from ilrobot.learners.reinforcement.rollouts import Rollouts
from ilrobot.learners.reinforcement.running import RunningStatistics
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
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
        copies = self.env.num_envs
        noise = self._noise((ticks, copies, self.env.task.action.size), uniform=uniform)
        played = self._played(now, noise, at_random=uniform)
        self._now = played.now
        self.steps += ticks * copies
        transitions = Transitions(
            observations=by_copy(played.observations),
            actions=by_copy(played.executed),
            rewards=by_copy(played.rewards),
            next_observations=by_copy(played.after),
            terminal=by_copy(played.terminal),
            timeout=by_copy(played.timeout),
            episode=_numbered(played.terminal | played.timeout),
        )
        return by_copy(played.drawn), Rollouts(transitions, tuple(end for _, end in played.ended))

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
                shape = (_LOOKS, self.env.num_envs, self.env.task.action.size)
                looked = self._played(self._now, self._noise(shape), at_random=True)
                seen = np.concatenate([looked.observations, looked.now[None]])
                self.normalize(seen.reshape(-1, seen.shape[2]))
                self._now = self.env.reset()
        return self._now

    def _played(
        self, now: NDArray[np.float32], noise: NDArray[np.float32], *, at_random: bool
    ) -> Played:
        actor = RolloutActor(self._acting, self.env.limits, at_random=at_random)
        try:
            return self.env.play(actor, now, noise)
        except ActionsDiverged as error:
            raise WorkFailed(
                f"the policy's actions are no longer finite after {self.steps} environment steps; "
                "train again with a lower --learning-rate, into another --output"
            ) from error

    def _noise(self, shape: tuple[int, ...], *, uniform: bool = False) -> NDArray[np.float32]:
        if uniform:
            return (2 * torch.rand(shape, generator=self._generator) - 1).numpy()
        return torch.randn(shape, generator=self._generator).numpy()


def by_copy(values: NDArray[Any]) -> NDArray[Any]:
    """(ticks, copies, ...) to (copies · ticks, ...)."""
    return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])


def _numbered(ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of the episode of each step, copy by copy, from where they end, (ticks, copies)."""
    begins = np.zeros(ends.shape, dtype=bool)
    begins[1:] = ends[:-1]
    begins[0] = True
    return np.cumsum(by_copy(begins), dtype=np.int64) - 1
