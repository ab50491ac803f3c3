"""Push: slide a cube over the table to a goal."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.model import Array, Scene
from sims.tasks import cube
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

CUBE_LOW = (0.42, -0.12)
CUBE_HIGH = (0.58, 0.12)
"""The cube starts between these corners, m; around them is room to stand behind it."""
GOAL_LOW = (0.4, -0.2)
GOAL_HIGH = (0.6, 0.2)
"""The goal lies between these corners, m."""
LEAST_DISTANCE = 0.1
"""The goal is at least this far from the cube's start, m."""
RADIUS = 0.02
"""The task is done while the cube's centre is this near the goal, m, seen from above."""
LIFTED = 0.01
"""And while it is no further than this above where it is when the cube stands on the table, m."""


class PandaPushEnv(PandaEnv):
    """Slide a cube of 4.5 cm to within 2 cm of a goal on the table; see `PandaEnv`.

    ``environment_state`` (7,): x, y, z [m] of the cube's centre, cos 4ψ and sin 4ψ of its yaw,
    then x, y [m] of the goal.
    Start: cube in 16×24 cm, yaw within ±0.6 rad; goal in 20×40 cm, at least 10 cm from the cube.
    Reward: −1 + 0.25 (1 − tanh(5 d)) + 0.75 (1 − tanh(5 e)), with d the distance from TCP to cube
    and e that from cube to goal; 0 on success.
    """

    scene = Scene(cubes=1, goal=True)
    task_frame = ("cube", "goal")
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {
            "names": [*cube.NAMES, "goal_x", "goal_y"],
            "units": [*cube.UNITS, "m", "m"],
            "frame": "base",
        },
        "action": ACTION_METADATA,
    }

    def _environment_bounds(self) -> tuple[Array, Array]:
        margin = 1e-6
        low = np.concatenate([cube.LOW, np.array(GOAL_LOW) - margin])
        return low, np.concatenate([cube.HIGH, np.array(GOAL_HIGH) + margin])

    def _environment_state(self) -> NDArray[np.float32]:
        state = np.empty(7, dtype=np.float32)
        state[:3] = self.engine.cube_positions[0]
        state[3:5] = cube.symmetric_yaw(self.engine.cube_rotations[0])
        state[5:] = self._goal[:2]
        return state

    def _place(self) -> Array:
        pose = cube.draw_pose(self.np_random, CUBE_LOW, CUBE_HIGH)
        self._goal[2] = panda.CUBE_HALF
        while True:
            self._goal[:2] = self.np_random.uniform(GOAL_LOW, GOAL_HIGH)
            if np.hypot(*(self._goal[:2] - pose[:2])) >= LEAST_DISTANCE:
                return pose[None]

    def _distance(self) -> float:
        return float(np.hypot(*(self._goal[:2] - self.engine.cube_positions[0, :2])))

    def _success(self) -> bool:
        above = float(self.engine.cube_positions[0, 2]) - panda.CUBE_HALF
        return self._distance() <= RADIUS and above <= LIFTED

    def _reward(self) -> float:
        ahead = self.engine.cube_positions[0] - self.engine.tcp_position
        near = 1.0 - math.tanh(5.0 * math.sqrt(ahead @ ahead))
        return -1.0 + 0.25 * near + 0.75 * (1.0 - math.tanh(5.0 * self._distance()))
