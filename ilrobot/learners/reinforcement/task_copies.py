"""Some copies of a task, stepped one after the other in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.errors import UserError, WorkFailed
from ilrobot.observed import limited, vector_spec
from ilrobot.task_env import TaskEnv

#: What a seed of a copy may be at most; some simulators take no more.
_SEEDS = 2**31 - 1


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

    @classmethod
    def joined(cls, parts: Sequence[VectorStep]) -> VectorStep:
        """Of copies side by side."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.observations for part in parts]),
            np.concatenate([part.after for part in parts]),
            np.concatenate([part.rewards for part in parts]),
            np.concatenate([part.terminal for part in parts]),
            np.concatenate([part.timeout for part in parts]),
            tuple(end for part in parts for end in part.ended),
        )


class Player(Protocol):
    """Steps copies of a task many times; picklable where they are in several processes."""

    def play(self, copies: TaskCopies, *arguments: Any) -> Any:
        """Whatever is made of them."""


class TaskCopies:
    """Copies of a task, each of whose episodes begins from a seed drawn for that copy.

    Attributes:
        envs: The copies.
        task: Spec of the task, with the observations that it gives here.

    Args:
        make: Makes a copy.
        indexes: Their places among all copies, from which their seeds are drawn.
        seed: Of everything that the copies draw.
        success_only: See `TaskVectorEnv`.
        reads: See `TaskVectorEnv`.

    Raises:
        UserError: Its actions are choices, or it has no vector observation.
    """

    def __init__(
        self,
        make: Callable[[], TaskEnv],
        indexes: Iterable[int],
        seed: int,
        *,
        success_only: bool,
        reads: Sequence[str] | None = None,
    ) -> None:
        self._indexes = tuple(indexes)
        self.envs: list[TaskEnv] = []
        try:
            for _ in self._indexes:
                self.envs.append(make())
            self.task = vector_spec(self.envs[0].spec)
            if reads is not None and set(reads) <= set(self.task.observation_names):
                self.task = limited(self.task, reads)
            if self.task.choices is not None:
                raise UserError(
                    f"the actions of {self.task.task} are {self.task.choices} choices, and this "
                    "learner is for continuous ones; take another --task"
                )
        except BaseException:
            self.close()
            raise
        self._success_only = success_only
        self._names = [f.name for f in self.task.observations]
        self._size = sum(f.size for f in self.task.observations)
        count = len(self.envs)
        self._returns = np.zeros(count)
        self._lengths = np.zeros(count, dtype=np.int64)
        self._successes = np.zeros(count, dtype=bool)
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Draw the seeds of further episodes from this one."""
        self._draws = [np.random.default_rng((seed, index)) for index in self._indexes]

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in each copy, (n, O).

        Raises:
            WorkFailed: Something observed is not a finite number.
        """
        return self._finite(np.stack([self._begin(index) for index in range(len(self.envs))]))

    def judges_success(self) -> bool:
        """Whether the task says when it is done, as far as is known by now."""
        return any(env.judges_success for env in self.envs)

    def advance(self, commands: NDArray[np.float32]) -> VectorStep:
        """One step of each copy, physical actions within their limits, (n, A).

        Raises:
            UserError: Success is the reward, and an episode ended of which the task did not judge.
            WorkFailed: Something observed is not a finite number.
        """
        count = len(self.envs)
        after = np.empty((count, self._size), dtype=np.float32)
        observations = np.empty_like(after)
        rewards = np.empty(count, dtype=np.float32)
        terminal = np.zeros(count, dtype=bool)
        timeout = np.zeros(count, dtype=bool)
        ended = []
        for index, env in enumerate(self.envs):
            step = env.step(commands[index])
            after[index] = observations[index] = self._flat(step.observation)
            rewards[index] = float(step.success) if self._success_only else step.reward
            self._returns[index] += rewards[index]
            self._lengths[index] += 1
            self._successes[index] |= step.success
            terminal[index] = step.terminated or (self._success_only and step.success)
            timeout[index] = step.truncated and not terminal[index]
            if terminal[index] or timeout[index]:
                ended.append(self._end(index, env))
                observations[index] = self._begin(index)
        self._finite(after)
        self._finite(observations)
        return VectorStep(observations, after, rewards, terminal, timeout, tuple(ended))

    def played_by(self, player: Player, *arguments: Any) -> Any:
        """What a player makes of these copies; where they are elsewhere, it travels there."""
        return player.play(self, *arguments)

    def close(self) -> None:
        """Free the simulators."""
        for env in self.envs:
            env.close()

    def _begin(self, index: int) -> NDArray[np.float32]:
        self._returns[index] = self._lengths[index] = 0
        self._successes[index] = False
        return self._flat(self.envs[index].reset(int(self._draws[index].integers(_SEEDS))))

    def _end(self, index: int, env: TaskEnv) -> Ended:
        if self._success_only and not env.judges_success:
            raise UserError(
                f"{self.task.task} does not say whether it succeeded, so that success is no "
                "reward; take its own reward (--reward task), or a learnt one"
            )
        success = bool(self._successes[index]) if env.judges_success else None
        return Ended(float(self._returns[index]), int(self._lengths[index]), success)

    def _finite(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same, (n, O), lest a policy be blamed for what its task gives."""
        finite = np.isfinite(seen)
        if not finite.all():
            names = [name for f in self.task.observations for name in f.element_names]
            raise WorkFailed(
                f"task '{self.task.task}' gave an observation that is not a finite number "
                f"({names[int(finite.all(axis=0).argmin())]}); mend the task"
            )
        return seen

    def _flat(self, observation: Observation) -> NDArray[np.float32]:
        values: Sequence[NDArray[Any]] = [observation[name].reshape(-1) for name in self._names]
        return values[0] if len(values) == 1 else np.concatenate(values)
