"""What an improving policy did: its transitions, and the episodes that ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.transitions import Transitions
from ilrobot.learners.reinforcement.vector_env import Ended

#: Rewards of a whole rollout at once, in its order, (N,); what is learnt in place of the task's.
RewardFunction = Callable[[Transitions], NDArray[np.floating]]


@dataclass(frozen=True)
class Rollouts:
    """Transitions with the environment's own rewards, whatever was learnt from them.

    Attributes:
        transitions: Copy by copy of the environment, each in the order of its steps; an episode
            that a rollout ends in goes on under another number in the next. Actions are as
            executed, within their limits.
        ended: The episodes that ended.
    """

    transitions: Transitions
    ended: tuple[Ended, ...]

    @classmethod
    def joined(cls, parts: Sequence[Rollouts]) -> Rollouts:
        """One after the other, their episodes numbered anew."""
        transitions, first = [], 0
        for part in parts:
            steps = part.transitions
            columns = {**vars(steps), "episode": steps.episode + first}
            transitions.append(Transitions(**columns))
            first = int(columns["episode"][-1]) + 1
        return cls(
            Transitions.joined(transitions), tuple(end for part in parts for end in part.ended)
        )

    @property
    def returns(self) -> NDArray[np.float64]:
        """Of the episodes that ended, (E,)."""
        return np.array([end.ret for end in self.ended], dtype=np.float64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Of the episodes that ended, (E,)."""
        return np.array([end.length for end in self.ended], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.transitions)
