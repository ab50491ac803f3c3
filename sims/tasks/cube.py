"""The cube on the table: how it is placed and how it is seen."""

import numpy as np
from numpy.random import Generator

from sims.panda.model import Array

NAMES = ["cube_x", "cube_y", "cube_z", "cube_cos_4yaw", "cube_sin_4yaw"]
UNITS = ["m", "m", "m", "1", "1"]
LOW = np.array([-1.0, -1.0, -1.0, -1.001, -1.001])
HIGH = np.array([2.0, 1.0, 1.0, 1.001, 1.001])
"""Bounds of the five numbers above; the cube cannot leave the table's surroundings."""


def draw_pose(random: Generator, low: tuple[float, float], high: tuple[float, float]) -> Array:
    """x, y [m] uniform between ``low`` and ``high``, yaw [rad] uniform in ±0.6."""
    return random.uniform([*low, -0.6], [*high, 0.6])


def symmetric_yaw(rotation: Array) -> tuple[float, float]:
    """cos 4ψ and sin 4ψ of the yaw ψ of a cube's ``rotation`` (3, 3).

    Turning a cube by 90° changes nothing, and these two numbers neither. ψ is that of the most
    level of its axes, so that a cube which tipped onto another face is seen in the same way.
    """
    x_row, y_row, z_row = rotation.tolist()
    level = min(range(3), key=lambda axis: abs(z_row[axis]))
    direction = complex(x_row[level], y_row[level])
    fourfold = (direction / abs(direction)) ** 4
    return fourfold.real, fourfold.imag
