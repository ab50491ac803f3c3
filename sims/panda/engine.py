"""What a task needs of a physics engine."""

import os
import sys
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sims.panda.model import Array, Scene


class Engine(Protocol):
    """One arm, a table and a `Scene`, at rest between ticks.

    Lengths in m, angles in rad, poses in the base frame. The arrays named here are filled in
    place by ``reset``, ``step`` and ``set_state``; copy them to keep them.

    Attributes:
        tcp_position: (3,).
        tcp_rotation: (3, 3), columns are the axes of the tool centre point.
        fingers: (2,), how far each finger has opened.
        cube_positions: (n, 3), as many as the scene has cubes.
        cube_rotations: (n, 3, 3).
    """

    tcp_position: Array
    tcp_rotation: Array
    fingers: Array
    cube_positions: Array
    cube_rotations: Array

    def reset(self, arm: Array, finger: float, cubes: Array) -> None:
        """Stand still with joints ``arm`` (7,) and both fingers opened by ``finger``.

        ``cubes`` (n, 3) is x, y, yaw of each cube; they lie flat on the table.
        """

    def place(self, body: str, position: Array, yaw: float) -> None:
        """Stand a fixture's body, free or fixed to the world, at ``position`` (3,), m, at rest."""

    def pose(self, name: str) -> tuple[Array, Array]:
        """Position (3,) and rotation (3, 3) of something of the fixture, filled in place, too."""

    def slide(self) -> Array:
        """How far the drawer is open, (1,), m, filled in place, too."""

    def step(self, start: Array, end: Array) -> None:
        """Simulate one tick, the joint targets (9,) moving evenly from ``start`` to ``end``."""

    def set_goal(self, position: Array) -> None:
        """Move the marker of the goal; it is a picture and no part of the state."""

    def get_state(self) -> Array:
        """Everything the coming ticks depend on, as one vector of fixed length."""

    def set_state(self, state: Array) -> None:
        """Return to a vector that ``get_state`` gave."""

    def render(self, camera: str) -> NDArray[np.uint8]:
        """What the camera of that name in `sims.panda.model.CAMERAS` sees, (240, 320, 3)."""

    def show(self) -> None:
        """Bring the window up to date, where there is one."""

    def close(self) -> None:
        """Free the simulator."""


def make_engine(name: str, scene: Scene, *, window: bool) -> Engine:
    """The engine ``mujoco`` or ``pybullet``, with a window on the screen if asked for.

    Raises:
        ValueError: for another name, and for a window where there is no display.
    """
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if window and sys.platform == "linux" and not any(map(os.environ.get, displays)):
        # Both engines would end the whole process.
        raise ValueError("render_mode 'human' needs a display, and there is none; use 'rgb_array'")
    if name == "mujoco":
        from sims.panda.engine_mujoco import MujocoEngine

        return MujocoEngine(scene, window=window)
    if name == "pybullet":
        from sims.panda.engine_pybullet import PybulletEngine

        return PybulletEngine(scene, window=window)
    raise ValueError(f"engine must be 'mujoco' or 'pybullet', got {name!r}")
