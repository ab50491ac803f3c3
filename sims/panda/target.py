"""Where the arm is commanded to be: a pose that small steps move, and that never winds up."""

import math

import mujoco
import numpy as np

from sims.panda.model import FINGER_LEASH, FINGER_SPEED, FINGER_STROKE, RATE, Array

POSITION_LEASH = 0.05
"""Farthest the commanded position may lie from the achieved one, m."""
ROTATION_LEASH = 0.3
"""Farthest the commanded orientation may turn from the achieved one, rad."""
TILT_LIMIT = math.pi / 4
"""Greatest angle between the commanded approach direction and straight down, rad."""
WORKSPACE_LOW = np.array([0.3, -0.35, 0.012])
WORKSPACE_HIGH = np.array([0.75, 0.35, 0.45])
"""The commanded position stays in this box, m; its floor leaves 5 mm under the finger tips."""

_DOWN = np.array([0.0, 1.0, 0.0, 0.0])
_LEAST_DOWN = math.cos(TILT_LIMIT)


class CommandedPose:
    """Position and orientation of the tool centre point as commanded, in the base frame.

    Args:
        memory: (7,), in which it is kept, so that whoever owns the vector can save it.

    Attributes:
        pose: (7,), quaternion (w first) and position, m: the memory itself.
        position: (3,), m, of the same memory.
    """

    def __init__(self, memory: Array) -> None:
        self.pose = memory
        self._quaternion, self.position = memory[:4], memory[4:]
        self._quaternion[:] = _DOWN
        self._turn = np.empty(4)
        self._turned = np.empty(4)
        self._achieved = np.empty(4)
        self._ahead = np.empty(3)

    def point_down(self, position: Array) -> None:
        """Begin at a position (3,), m, with the fingers down."""
        self.position[:] = position
        self._quaternion[:] = _DOWN

    def move(self, command: Array, position: Array, rotation: Array) -> None:
        """Add a command, within workspace and tilt, and stay on the leash.

        Args:
            command: (6,), a step, m, and a rotation vector, rad; along and about the base's axes.
            position: Achieved, (3,), m.
            rotation: Achieved, (3, 3).
        """
        self._step(command[:3], position)
        self._rotate(command[3:], rotation)

    def _step(self, step: Array, achieved: Array) -> None:
        position = self.position
        position += step
        np.minimum(np.maximum(position, WORKSPACE_LOW), WORKSPACE_HIGH, out=position)
        ahead = position - achieved
        distance = math.sqrt(ahead @ ahead)
        if distance > POSITION_LEASH:
            position[:] = achieved + ahead * (POSITION_LEASH / distance)

    def _rotate(self, turn: Array, achieved: Array) -> None:
        angle = math.sqrt(turn @ turn)
        if angle > 0.0:
            mujoco.mju_axisAngle2Quat(self._turn, turn / angle, angle)
            mujoco.mju_mulQuat(self._turned, self._turn, self._quaternion)
            mujoco.mju_normalize4(self._turned)
            _, x, y, _ = self._turned.tolist()
            # 2 (x² + y²) - 1 is the share of the approach direction that points down.
            if 2.0 * (x * x + y * y) - 1.0 >= _LEAST_DOWN:
                self._quaternion[:] = self._turned

        mujoco.mju_mat2Quat(self._achieved, achieved.ravel())
        mujoco.mju_subQuat(self._ahead, self._quaternion, self._achieved)
        angle = math.sqrt(self._ahead @ self._ahead)
        if angle > ROTATION_LEASH:
            mujoco.mju_quatIntegrate(self._achieved, self._ahead, ROTATION_LEASH / angle)
            self._quaternion[:] = self._achieved


def finger_target(opening: float, before: float, fingers: Array) -> float:
    """The next target of each finger, m: towards an opening, at a finite speed and on a leash.

    Args:
        opening: Commanded, 0 closed to 1 open.
        before: The target of the tick before, m.
        fingers: Achieved, (2,), m.
    """
    travel = FINGER_SPEED / RATE
    target = min(max(opening * FINGER_STROKE, before - travel), before + travel)
    now = 0.5 * float(fingers[0] + fingers[1])
    return min(max(target, now - FINGER_LEASH), now + FINGER_LEASH)
