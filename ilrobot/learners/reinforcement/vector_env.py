"""Several copies of a task, stepped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ilrobot.learners.reinforcement.copies_elsewhere import CopiesElsewhere
from ilrobot.learners.reinforcement.played import Played
from ilrobot.learners.reinforcement.task_copies import Ended, Player, TaskCopies, VectorStep
from ilrobot.task_env import TaskEnv

__all__ = ["Ended", "TaskVectorEnv", "VectorStep"]


class TaskVectorEnv:
    """Copies of a task with flat observations and physical actions, cut off at their limits.

    Each episode begins from a seed of its own, drawn from `seed` for its copy, so that it does not
    show how many processes there are.

    Attributes:
        num_envs: How many copies there are.
        observation_space: Of one copy, (O,), without limits.
        task: Spec of the task, with the observations that it gives here.
        limits: Least and greatest action, (A,) each, infinite where there is none.
        time_limit: Steps after which an episode is cut off (None: it has no limit).
        success_only: Whether the reward is 1 for the step that does the task and 0 for all others,
            in place of the environment's, and the episode ends by itself there.

    Args:
        make: Makes a copy; picklable where there are several processes.
        count: How many.
        seed: Of everything that the copies draw.
        success_only: See above.
        reads: Names of the observations to give, in this order (None: all vectors of the task, as
            it has them; so, too, where it lacks one, which is for the caller to refuse).
        processes: How many share the copies, this one included; no more than there are copies.

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
        reads: Sequence[str] | None = None,
        processes: int = 1,
    ) -> None:
        shares = np.array_split(np.arange(count), min(processes, count))
        self._parts = [slice(int(share[0]), int(share[-1]) + 1) for share in shares]
        self._elsewhere: list[CopiesElsewhere] = []
        how: dict[str, Any] = {"success_only": success_only, "reads": reads}
        try:
            for share in shares[1:]:
                self._elsewhere.append(CopiesElsewhere(make, share.tolist(), seed, **how))
            self._here = TaskCopies(make, shares[0].tolist(), seed, **how)
        except BaseException:
            for copies in self._elsewhere:
                copies.close()
            raise
        self.num_envs, self.success_only = count, success_only
        self.task, self.time_limit = self._here.task, self._here.envs[0].time_limit
        action = self.task.action
        low = np.array(action.low or (-np.inf,) * action.size, dtype=np.float32)
        high = np.array(action.high or (np.inf,) * action.size, dtype=np.float32)
        self.limits = low, high
        size = sum(f.size for f in self.task.observations)
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    @property
    def judges_success(self) -> bool:
        """Whether the task says when it is done, as far as is known by now."""
        return any(self._asked("judges_success", [()] * len(self._parts)))

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in each copy, (n, O)."""
        return np.concatenate(self._asked("reset", [()] * len(self._parts)))

    def reseed(self, seed: int) -> None:
        """Draw the seeds of further episodes from this one."""
        self._asked("reseed", [(seed,)] * len(self._parts))

    def advance(self, actions: NDArray[np.float32]) -> VectorStep:
        """One step of each copy, physical actions of shape (n, A).

        Raises:
            UserError: Success is the reward, and an episode ended of which the task did not judge.
            WorkFailed: A process died.
        """
        commands = np.clip(actions, *self.limits)
        return VectorStep.joined(self._asked("advance", [(commands[p],) for p in self._parts]))

    def play(self, player: Player, now: NDArray[np.float32], noise: NDArray[np.float32]) -> Played:
        """A whole rollout, in which no process waits for another.

        Args:
            player: Such as a `RolloutActor`.
            now: Where the copies are, (n, O).
            noise: What is drawn for each tick of each copy, (ticks, n, A).

        Raises:
            UserError: Success is the reward, and an episode ended of which the task did not judge.
            WorkFailed: A process died.
        """
        given = [(player, part, now[part], noise) for part in self._parts]
        return Played.joined(self._asked("played_by", given))

    def close(self) -> None:
        """Free the simulators."""
        self._here.close()
        for copies in self._elsewhere:
            copies.close()

    def _asked(self, method: str, given: list[tuple[Any, ...]]) -> list[Any]:
        """What each share of the copies answers; this process works on its own meanwhile."""
        for copies, arguments in zip(self._elsewhere, given[1:], strict=True):
            copies.ask(method, *arguments)
        mine = getattr(self._here, method)(*given[0])
        return [mine, *(copies.answer() for copies in self._elsewhere)]
