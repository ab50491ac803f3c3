"""Boxes, which fixtures are made of on both engines."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """One box of a body.

    Attributes:
        size: Half its edges, m.
        position: Its centre in the body's frame, m.
        colour: Red, green, blue, opacity.
        orientation: Quaternion in the body's frame, w first.
    """

    size: tuple[float, float, float]
    position: tuple[float, float, float]
    colour: tuple[float, float, float, float]
    orientation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
