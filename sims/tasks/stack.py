"""Stack: set one cube upon another and let go."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.model import Array, Scene
from sims.tasks import cube
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

CUBE_LOW = (0.4, -0.18)
CUBE_HIGH = (0.6, 0.18)
"""Both cubes start between these corners, m."""
LEAST_DISTANCE = 0.12
"""The cubes start at least this far apart, m: room for an open gripper."""
RADIUS = 0.02
"""The red cube stands on the blue one while its centre is this near above that one's, m."""
HEIGHT_TOLERANCE = 0.005
"""And while its centre is this near one edge higher, m."""
RELEASED = 0.85
"""And while the gripper is open at least so far; holding the cube it is at 0.56, across its corners
at 0.80."""


class PandaStackEnv(PandaEnv):
    """Set the red cube of 4.5 cm upon the blue one and let go of it; see `PandaEnv`.

    ``environment_state`` (10,): for the red cube, then for the blue one, x, y, z [m] of its centre,
    cos 4ψ and sin 4ψ of its yaw.
    Start: both in 20×36 cm, at least 12 cm apart, yaws within ±0.6 rad.
    Reward: −1 + 0.2 (1 − tanh(5 d)) + 0.7 (1 − tanh(5 e)), with d the distance from TCP to red cube
    and e that from red cube to its place upon the blue one; 0 on success.
    """

    scene = Scene(cubes=2)
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {
            "names": [f"{colour}_{name}" for colour in ("red", "blue") for name in cube.NAMES],
            "units": [*cube.UNITS, *cube.UNITS],
            "frame": "base",
        },
        "action": ACTION_METADATA,
    }

    def _environment_bounds(self) -> tuple[Array, Array]:
        return np.tile(cube.LOW, 2), np.tile(cube.HIGH, 2)

    def _environment_state(self) -> NDArray[np.float32]:
        state = np.empty((2, 5), dtype=np.float32)
        state[:, :3] = self.engine.cube_positions
        for row, rotation in zip(state, self.engine.cube_rotations, strict=True):
            row[3:] = cube.symmetric_yaw(rotation)
        return state.ravel()

    def _place(self) -> Array:
        while True:
            poses = np.stack([cube.draw_pose(self.np_random, CUBE_LOW, CUBE_HIGH) for _ in "rb"])
            if np.hypot(*(poses[1, :2] - poses[0, :2])) >= LEAST_DISTANCE:
                return poses

    def _lacking(self) -> Array:
        """From the red cube's centre to its place, m."""
        red, blue = self.engine.cube_positions
        ahead: Array = blue - red
        ahead[2] += 2.0 * panda.CUBE_HALF
        return ahead

    def _success(self) -> bool:
        x, y, z = self._lacking().tolist()
        opening = float(self.engine.fingers.sum()) / (2 * panda.FINGER_STROKE)
        return math.hypot(x, y) <= RADIUS and abs(z) <= HEIGHT_TOLERANCE and opening >= RELEASED

    def _reward(self) -> float:
        ahead, away = self._lacking(), self.engine.cube_positions[0] - self.engine.tcp_position
        near = 1.0 - math.tanh(5.0 * math.sqrt(away @ away))
        return -1.0 + 0.2 * near + 0.7 * (1.0 - math.tanh(5.0 * math.sqrt(ahead @ ahead)))
