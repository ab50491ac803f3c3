"""What copies of a task did in a whole rollout, wherever they were stepped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.learners.reinforcement.task_copies import Ended


@dataclass(frozen=True)
class Played:
    """A rollout tick by tick.

    Attributes:
        observations: What each step was decided on, (ticks, n, O) float32.
        drawn: Normalised actions, (ticks, n, A) float32.
        executed: Physical actions within their limits, (ticks, n, A) float32.
        after: What followed, the end of an episode included, (ticks, n, O) float32.
        rewards: The environment's own, (ticks, n) float32.
        terminal: The episode ended by itself, (ticks, n) bool.
        timeout: The episode was cut off by its time limit, (ticks, n) bool.
        now: Where each copy is at last, in a new episode where one ended, (n, O) float32.
        ended: The episodes that ended, each after its tick, in the order of ticks.
    """

    observations: NDArray[np.float32]
    drawn: NDArray[np.float32]
    executed: NDArray[np.float32]
    after: NDArray[np.float32]
    rewards: NDArray[np.float32]
    terminal: NDArray[np.bool_]
    timeout: NDArray[np.bool_]
    now: NDArray[np.float32]
    ended: tuple[tuple[int, Ended], ...]

    @classmethod
    def empty(cls, ticks: int, now: NDArray[np.float32], actions: int) -> Played:
        """Of copies that are there, to be filled; actions of so many elements."""
        steps, size = (ticks, len(now)), now.shape[1]
        return cls(
            observations=np.empty((*steps, size), dtype=np.float32),
            drawn=np.empty((*steps, actions), dtype=np.float32),
            executed=np.empty((*steps, actions), dtype=np.float32),
            after=np.empty((*steps, size), dtype=np.float32),
            rewards=np.empty(steps, dtype=np.float32),
            terminal=np.empty(steps, dtype=bool),
            timeout=np.empty(steps, dtype=bool),
            now=now,
            ended=(),
        )

    @classmethod
    def joined(cls, parts: Sequence[Played]) -> Played:
        """Of copies side by side."""
        if len(parts) == 1:
            return parts[0]
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in _BY_TICK
        }
        ended = sorted((end for part in parts for end in part.ended), key=lambda end: end[0])
        now = np.concatenate([part.now for part in parts])
        return cls(**columns, now=now, ended=tuple(ended))


_BY_TICK = ("observations", "drawn", "executed", "after", "rewards", "terminal", "timeout")
