"""Lift: grasp a cube and raise it."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.model import Array, Scene
from sims.tasks import cube
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

CUBE_LOW = (0.4, -0.15)
CUBE_HIGH = (0.6, 0.15)
"""The cube starts between these corners, m."""
LIFT = 0.10
"""The task is done while the cube's centre is this far above its rest, m."""


class PandaLiftEnv(PandaEnv):
    """Grasp a cube of 4.5 cm by friction and raise it by 10 cm; see `PandaEnv`.

    ``environment_state`` (5,): x, y, z [m] of the cube's centre, cos 4ψ and sin 4ψ of its yaw.
    Start: the cube anywhere in 20×30 cm, its yaw within ±0.6 rad.
    Reward: −1 + 0.25 (1 − tanh(5 d)) + 0.75 min(h / 10 cm, 1), with d the distance from TCP to
    cube and h the cube's height above rest; 0 on success.
    """

    scene = Scene(cubes=1)
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {"names": cube.NAMES, "units": cube.UNITS, "frame": "base"},
        "action": ACTION_METADATA,
    }

    def _environment_bounds(self) -> tuple[Array, Array]:
        return cube.LOW, cube.HIGH

    def _environment_state(self) -> NDArray[np.float32]:
        state = np.empty(5, dtype=np.float32)
        state[:3] = self.engine.cube_positions[0]
        state[3:] = cube.symmetric_yaw(self.engine.cube_rotations[0])
        return state

    def _place(self) -> Array:
        return cube.draw_pose(self.np_random, CUBE_LOW, CUBE_HIGH)[None]

    def _height(self) -> float:
        return float(self.engine.cube_positions[0, 2]) - panda.CUBE_HALF

    def _success(self) -> bool:
        return self._height() >= LIFT

    def _reward(self) -> float:
        ahead = self.engine.cube_positions[0] - self.engine.tcp_position
        near = 1.0 - math.tanh(5.0 * math.sqrt(ahead @ ahead))
        return -1.0 + 0.25 * near + 0.75 * min(max(self._height() / LIFT, 0.0), 1.0)
