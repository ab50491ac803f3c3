"""Several copies of a task, stepped together, as stable-baselines3 sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from ilrobot.actors import Observation
from ilrobot.data.labels import vector_spec
from ilrobot.env import TaskEnv
from ilrobot.errors import UserError

#: What a seed of a copy may be at most; some simulators take no more.
_SEEDS = 2**31 - 1
#: Stands for a missing limit: stable-baselines3 takes no infinite ones, and cuts nothing off here.
_FAR = 1e6


@dataclass(frozen=True)
class Ended:
    """An episode that has ended.

    Attributes:
        ret: Sum of the environment's rewards; where success is the reward, 1 if it came.
        length: Steps.
        success: Whether the task was done at any step (None: nobody judges).
    """

    ret: float
    length: int
    success: bool | None


@dataclass(frozen=True)
class VectorStep:
    """What one step of all copies gave.

    Attributes:
        observations: Where each copy is now, in a new episode where one ended, (n, O) float32.
        after: What followed the action itself, the end of an episode included, (n, O) float32.
        rewards: The environment's own, (n,) float32.
        terminal: The episode ended by itself, (n,) bool.
        timeout: The episode was cut off by its time limit, (n,) bool.
        ended: The episodes that ended.
    """

    observations: NDArray[np.float32]
    after: NDArray[np.float32]
    rewards: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    timeout: NDArray[np.bool_]
    ended: tuple[Ended, ...]


class TaskVectorEnv(VecEnv):
    """Copies of a task with flat observations and physical actions, cut off at their limits.

    Each episode begins from a seed of its own, drawn from `seed`.

    Attributes:
        task: Spec of the task, without its pictures.
        limits: Least and greatest action, (A,) each, infinite where there is none.
        success_only: Whether the reward is 1 for the step that does the task and 0 for all others,
            in place of the environment's, and the episode ends by itself there.

    Args:
        make: Makes a copy.
        count: How many.
        seed: Of everything that the copies draw.
        success_only: See above.

    Raises:
        UserError: Its actions are choices, or it has no vector observation.
    """

    def __init__(
        self,
        make: Callable[[], TaskEnv],
        count: int,
        seed: int,
        *,
        success_only: bool = False,
    ) -> None:
        self._envs: list[TaskEnv] = []
        try:
            for _ in range(count):
                self._envs.append(make())
            self.task = vector_spec(self._envs[0].spec)
            if self.task.choices is not None:
                raise UserError(
                    f"the actions of {self.task.task} are {self.task.choices} choices, and this "
                    "learner is for continuous ones; take another --task"
                )
        except BaseException:
            self.close()
            raise
        self.success_only = success_only
        self.time_limit = self._envs[0].time_limit
        action = self.task.action
        low = np.array(action.low or (-np.inf,) * action.size, dtype=np.float32)
        high = np.array(action.high or (np.inf,) * action.size, dtype=np.float32)
        self.limits = low, high
        self._names = [f.name for f in self.task.observations]
        size = sum(f.size for f in self.task.observations)
        self._draw = np.random.default_rng(seed)
        self._returns = np.zeros(count)
        self._lengths = np.zeros(count, dtype=np.int64)
        self._successes = np.zeros(count, dtype=bool)
        self._pending: NDArray[np.float32] | None = None
        super().__init__(
            count,
            spaces.Box(-np.inf, np.inf, (size,), np.float32),
            spaces.Box(np.maximum(low, -_FAR), np.minimum(high, _FAR), dtype=np.float32),
        )

    @property
    def judges_success(self) -> bool:
        """Whether the task says when it is done, as far as is known by now."""
        return any(env.judges_success for env in self._envs)

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in each copy, (n, O)."""
        return np.stack([self._begin(index) for index in range(self.num_envs)])

    def reseed(self, seed: int) -> None:
        """Draw the seeds of further episodes from this one."""
        self._draw = np.random.default_rng(seed)

    def advance(self, actions: NDArray[np.float32]) -> VectorStep:
        """One step of each copy, physical actions of shape (n, A).

        Raises:
            UserError: Success is the reward, and an episode ended of which the task did not judge.
        """
        commands = np.clip(actions, *self.limits)
        shape = (self.num_envs, self.observation_space.shape[0])  # type: ignore[index]
        after = np.empty(shape, dtype=np.float32)
        observations = np.empty(shape, dtype=np.float32)
        rewards = np.empty(self.num_envs, dtype=np.float32)
        terminal = np.zeros(self.num_envs, dtype=bool)
        timeout = np.zeros(self.num_envs, dtype=bool)
        ended = []
        for index, env in enumerate(self._envs):
            step = env.step(commands[index])
            after[index] = observations[index] = self._flat(step.observation)
            rewards[index] = float(step.success) if self.success_only else step.reward
            self._returns[index] += rewards[index]
            self._lengths[index] += 1
            self._successes[index] |= step.success
            terminal[index] = step.terminated or (self.success_only and step.success)
            timeout[index] = step.truncated and not terminal[index]
            if terminal[index] or timeout[index]:
                ended.append(self._end(index, env))
                observations[index] = self._begin(index)
        return VectorStep(observations, after, rewards, terminal, timeout, tuple(ended))

    def step_async(self, actions: NDArray[Any]) -> None:
        """See `VecEnv`."""
        self._pending = actions

    def step_wait(self) -> Any:
        """See `VecEnv`."""
        assert self._pending is not None
        step = self.advance(self._pending)
        infos: list[dict[str, Any]] = [
            {"terminal_observation": after, "TimeLimit.truncated": bool(timeout)}
            if timeout or terminal
            else {}
            for after, terminal, timeout in zip(
                step.after, step.terminal, step.timeout, strict=True
            )
        ]
        return step.observations, step.rewards, step.terminal | step.timeout, infos

    def close(self) -> None:
        """Free the simulators."""
        for env in self._envs:
            env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """See `VecEnv`."""
        return [getattr(self._envs[i].env, attr_name) for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """See `VecEnv`."""
        for index in self._get_indices(indices):
            setattr(self._envs[index].env, attr_name, value)

    def env_method(
        self, method_name: str, *arguments: Any, indices: Any = None, **keywords: Any
    ) -> list[Any]:
        """See `VecEnv`."""
        chosen = [self._envs[i].env for i in self._get_indices(indices)]
        return [getattr(env, method_name)(*arguments, **keywords) for env in chosen]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """See `VecEnv`; returns and lengths are counted here, so that no Monitor is missed."""
        return [False for _ in self._get_indices(indices)]

    def _begin(self, index: int) -> NDArray[np.float32]:
        self._returns[index] = self._lengths[index] = 0
        self._successes[index] = False
        return self._flat(self._envs[index].reset(int(self._draw.integers(_SEEDS))))

    def _end(self, index: int, env: TaskEnv) -> Ended:
        if self.success_only and not env.judges_success:
            raise UserError(
                f"{self.task.task} does not say whether it succeeded, so that success is no "
                "reward; take its own reward (--reward task), or a learnt one"
            )
        success = bool(self._successes[index]) if env.judges_success else None
        return Ended(float(self._returns[index]), int(self._lengths[index]), success)

    def _flat(self, observation: Observation) -> NDArray[np.float32]:
        values: Sequence[NDArray[Any]] = [observation[name].reshape(-1) for name in self._names]
        return values[0] if len(values) == 1 else np.concatenate(values)
