"""The arm's facts: its URDF, joints, servo gains, workspace, and the scene around it.

The URDF, its meshes, masses and joint limits are PyBullet's (``pybullet_data/franka_panda``,
Apache-2.0). Frames: the base frame stands on the table, z up, x away from the arm. The tool
centre point (TCP) is the URDF's ``panda_grasptarget``, 7 mm above the finger tips; its z axis is
the approach direction and its y axis the direction in which the fingers open.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE = 20
"""Control rate, Hz."""
PHYSICS_DT = 0.002
"""Integration step of both engines, s."""
CHUNKS = 5
"""Joint targets change this often within a tick; between changes they are held."""
SUBSTEPS = 5
"""Integration steps per chunk: ``CHUNKS * SUBSTEPS * PHYSICS_DT`` is one tick of 50 ms."""

ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")
TCP_LINK = "panda_grasptarget"
HOME = np.array([0.0, 0.0, 0.0, -2.2, 0.0, 2.2, 0.785398])
"""Arm joints, rad, from which every inverse-kinematics solution of a reset starts."""

POSTURE_LOW = np.array([-1.5, -1.2, -1.2, -3.0, -1.3, 1.0, -1.6])
POSTURE_HIGH = np.array([1.5, 1.6, 1.2, -0.3, 1.3, 3.75, 2.9])
"""Inverse kinematics keeps the joints in these bounds, rad: elbow up and wrist below, so that a
wild command cannot leave the arm folded into a branch from which it does not come back."""

SERVO_LAG = 0.03
"""Time constant of the joint servos, s: each error decays as exp(-t / SERVO_LAG)."""
ARM_STIFFNESS = np.array([6000.0, 6000.0, 6000.0, 6000.0, 2000.0, 2000.0, 2000.0])
"""N m/rad; MuJoCo's servos need it, PyBullet's are velocity constraints with the same lag."""
ARM_TORQUE = np.full(7, 87.0)
"""Greatest torque, N m. The URDF gives the wrist 12, but also 0.1 kg m² to each link around it,
a placeholder some ten times too large: with 12 N m the wrist would swing for seconds."""
ARM_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
"""Greatest speed of the joint targets, rad/s (URDF)."""
FINGER_STIFFNESS = 2000.0
"""N/m."""
FINGER_FORCE = 20.0
"""Greatest force of one finger, N (URDF)."""
FINGER_STROKE = 0.04
"""Travel of one finger from closed to open, m (URDF)."""
FINGER_SPEED = 0.1
"""Greatest speed of the finger targets, m/s."""
FINGER_LEASH = 0.01
"""Farthest the finger target may run from the finger, m; its stiffness makes this 20 N."""

CUBE_HALF = 0.0225
"""Half the edge of the cube, m."""
CUBE_MASS = 0.1
"""kg."""
FINGER_FRICTION = 1.0
TABLE_FRICTION = 0.5
TABLE_CENTRE = (0.5, 0.0, -0.05)
TABLE_HALF = (0.4, 0.6, 0.05)

FINGER_BOX_HALF = (0.0087, 0.0072, 0.027)
"""The finger's bounding box, m; its inner face lies in the plane y = 0 of the finger's link."""

WHITE = (0.92, 0.92, 0.92, 1.0)
DARK = (0.25, 0.25, 0.28, 1.0)
SKY = (0.88, 0.91, 0.95, 1.0)
WOOD = (0.72, 0.66, 0.58, 1.0)
RED = (0.85, 0.2, 0.15, 1.0)
BLUE = (0.15, 0.3, 0.75, 1.0)
GREEN = (0.2, 0.75, 0.3, 0.6)

CUBE_COLOURS = (RED, BLUE)

IMAGE_WIDTH, IMAGE_HEIGHT = 320, 240


@dataclass(frozen=True)
class Camera:
    """Where a camera stands and what it sees.

    Attributes:
        eye: Its position, m; in the TCP's frame if it rides on the hand, else in the base frame.
        look_at: The point in the middle of its picture, m, in the same frame.
        up: The direction that is up in its picture, in the same frame.
        fov: Vertical field of view, degrees.
        on_hand: Whether it moves with the hand.
    """

    eye: tuple[float, float, float]
    look_at: tuple[float, float, float]
    up: tuple[float, float, float]
    fov: float
    on_hand: bool = False

    def axes(self) -> Array:
        """(3, 3): columns right, up and backward of the picture, as OpenGL and MuJoCo have them."""
        backward = np.subtract(self.eye, self.look_at)
        right = np.cross(self.up, backward)
        columns = (right, np.cross(backward, right), backward)
        return np.stack([column / np.linalg.norm(column) for column in columns], axis=1)


CAMERAS = {
    "front": Camera((1.3, 0.7, 0.7), (0.32, 0.0, 0.22), (0.0, 0.0, 1.0), 45.0),
    # On the side of the hand that is away from the arm: it sees both finger tips, what is between
    # them and what they come down on; forward is up in its picture.
    "wrist": Camera((0.08, 0.0, -0.08), (0.035, 0.0, 0.03), (1.0, 0.0, 0.0), 75.0, on_hand=True),
}
"""By name; the first is the one that a person watches."""


@dataclass(frozen=True)
class Scene:
    """What stands around the arm.

    Attributes:
        cubes: How many cubes lie on the table: a red one, a blue one.
        goal: Whether a translucent ball marks a goal; nothing collides with it.
        fixture: Adds bodies to the scene's `mujoco.MjSpec`; PyBullet has its own of the same boxes.
    """

    cubes: int = 0
    goal: bool = False
    fixture: Callable[[Any], None] | None = None


def urdf_folder() -> Path:
    """The folder with ``panda.urdf`` and its meshes; found without importing PyBullet."""
    found = importlib.util.find_spec("pybullet_data")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the Panda's URDF comes with pybullet: pip install pybullet", name="pybullet"
        )
    return Path(found.origin).parent / "franka_panda"
