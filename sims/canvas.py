"""Flat-coloured pictures of planar worlds, drawn with numpy alone: no GL, no window."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
GREY: Colour = (190, 190, 190)
SLATE: Colour = (119, 136, 153)
GREEN: Colour = (144, 238, 144)
BLUE: Colour = (65, 105, 225)
RED: Colour = (205, 60, 50)


class Canvas:
    """An RGB picture of the rectangle [left, right] × [bottom, top] of the world.

    ``bottom`` is the world's y at the lowest row of the picture; give ``bottom > top`` for
    worlds whose y axis points down, such as Push-T's.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        left: float,
        right: float,
        bottom: float,
        top: float,
    ) -> None:
        columns = left + (np.arange(width) + 0.5) * (right - left) / width
        rows = top + (np.arange(height) + 0.5) * (bottom - top) / height
        self._x, self._y = np.meshgrid(columns, rows)
        self.pixels: NDArray[np.uint8] = np.full((height, width, 3), 255, dtype=np.uint8)

    def disc(self, centre: ArrayLike, radius: float, colour: Colour) -> None:
        """Fill the disc of ``radius`` (world units) about ``centre`` (x, y)."""
        x, y = np.asarray(centre, dtype=float)
        self.pixels[(self._x - x) ** 2 + (self._y - y) ** 2 <= radius**2] = colour

    def polygon(self, vertices: ArrayLike, colour: Colour) -> None:
        """Fill the convex polygon with ``vertices`` (n, 2), in either orientation."""
        corners = np.asarray(vertices, dtype=float)
        sides = []
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            sides.append((b[0] - a[0]) * (self._y - a[1]) - (b[1] - a[1]) * (self._x - a[0]))
        stacked = np.asarray(sides)
        self.pixels[np.all(stacked >= 0, axis=0) | np.all(stacked <= 0, axis=0)] = colour

    def curve(self, points: ArrayLike, half_width: float, colour: Colour) -> None:
        """Draw the polyline through ``points`` (n, 2), ``2 * half_width`` thick."""
        for a, b in pairwise(np.asarray(points, dtype=float)):
            along = b - a
            length = float(np.hypot(*along))
            if length == 0.0:
                continue
            normal = np.array([-along[1], along[0]]) * (half_width / length)
            self.polygon([a + normal, b + normal, b - normal, a - normal], colour)
