"""Reinforcement from scratch or from a clone, on a reward of the task or a learnt one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ilrobot.learners.online import reported
from ilrobot.learners.reinforcement.reinforcer import Reinforcer
from ilrobot.learners.reinforcement.rollouts import RewardFunction
from ilrobot.policies.policy import Policy


class ReinforcedLearner:
    """An `ilrobot.learners.online.OnlineLearner`: a reinforcer, and what it is rewarded by.

    Args:
        reinforcer: New.
        reward: In place of the environment's own (None).
        steps: Environment steps of a round, at least; a whole rollout in any case.
    """

    def __init__(
        self, reinforcer: Reinforcer, reward: RewardFunction | None = None, *, steps: int = 1
    ) -> None:
        self.policy: Policy = reinforcer.policy
        self._steps = steps
        self._reinforcer, self._reward = reinforcer, reward

    @property
    def steps(self) -> int:
        """See `OnlineLearner`."""
        return self._reinforcer.steps

    def improve(self) -> dict[str, float]:
        """See `OnlineLearner`."""
        made = self._reinforcer.learn(self._steps, self._reward)
        return {**self._reinforcer.diagnostics, **reported(made.ended)}

    def state(self) -> dict[str, Any]:
        """See `OnlineLearner`."""
        return self._reinforcer.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """See `OnlineLearner`."""
        self._reinforcer.load_state(state)

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`: there is nothing but the policy."""
