"""Reach: bring the tool centre point to a goal in the air."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda.model import Array, Scene
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

GOAL_LOW = (0.35, -0.25, 0.05)
GOAL_HIGH = (0.65, 0.25, 0.4)
"""The goal lies in this box, m."""
RADIUS = 0.02
"""The task is done within this distance of the goal, m."""


class PandaReachEnv(PandaEnv):
    """Bring the tool centre point within 2 cm of a goal; see `PandaEnv`.

    ``environment_state`` (3,): x, y, z [m] of the goal, drawn from a box of 30×50×35 cm.
    Reward: −tanh(5 d), with d the distance to the goal [m]; 0 on success.
    """

    scene = Scene(goal=True)
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {
            "names": ["goal_x", "goal_y", "goal_z"],
            "units": ["m", "m", "m"],
            "frame": "base",
        },
        "action": ACTION_METADATA,
    }

    def _environment_bounds(self) -> tuple[Array, Array]:
        return np.array(GOAL_LOW) - 1e-6, np.array(GOAL_HIGH) + 1e-6

    def _environment_state(self) -> NDArray[np.float32]:
        return self._goal.astype(np.float32)

    def _place(self) -> Array:
        self._goal[:] = self.np_random.uniform(GOAL_LOW, GOAL_HIGH)
        return np.empty((0, 3))

    def _distance(self) -> float:
        ahead = self._goal - self.engine.tcp_position
        return math.sqrt(ahead @ ahead)

    def _success(self) -> bool:
        return self._distance() <= RADIUS

    def _reward(self) -> float:
        return -math.tanh(5.0 * self._distance())
