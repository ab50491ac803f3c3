"""The T of Push-T: its outline, its goal, and the exact area that the two share.

Lengths are the benchmark's pixels; the table is [0, 512]² with y pointing down, so a positive
angle turns x towards y. Dimensions are those of Chi et al. 2023 (Diffusion Policy), as in the
PyPI package gym-pusht 0.1.8. The pose (x, y, angle) is that of the T's frame, whose origin is the
middle of the bar's outer edge and whose y axis points along the stem.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

TABLE = 512.0
WALL_NEAR, WALL_FAR = 7.0, 504.0
"""The block cannot pass these coordinates; the pusher, being kinematic, can."""
PUSHER_RADIUS = 15.0
GOAL_POSE: Array = np.array([256.0, 256.0, np.pi / 4.0])

BOX_CENTRES: Array = np.array([[0.0, 15.0], [0.0, 75.0]])
BOX_HALF_SIZES: Array = np.array([[60.0, 15.0], [15.0, 45.0]])
"""Bar and stem, in the T's frame."""
CENTRE_OF_MASS: Array = np.array([0.0, 45.0])
MASS = 1.0
INERTIA = 3000.0
"""About the centre of mass, px² per unit of mass."""
AREA = float(4.0 * BOX_HALF_SIZES.prod(axis=1).sum())


def rotation(angle: float) -> Array:
    """The matrix (2, 2) that turns the T's frame into the table's; ``angle`` in rad."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def boxes(pose: ArrayLike) -> Array:
    """Corners of bar and stem on the table, (2, 4, 2), in one orientation, for ``pose`` (3,)."""
    x, y, angle = np.asarray(pose, dtype=np.float64)
    signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    corners = BOX_CENTRES[:, None] + signs * BOX_HALF_SIZES[:, None]
    return corners @ rotation(angle).T + np.array([x, y])


def coverage(pose: ArrayLike) -> float:
    """Share of the goal's area that the T at ``pose`` (3,) covers, in [0, 1]."""
    shared = 0.0
    for block_box in boxes(pose):
        for goal_box in boxes(GOAL_POSE):
            shared += intersection_area(block_box, goal_box)
    return shared / AREA


def intersection_area(subject: Array, window: Array) -> float:
    """Area common to two convex polygons (n, 2) and (m, 2) of the same, positive orientation.

    Sutherland and Hodgman 1974: cut ``subject`` by each side of ``window`` in turn.
    """
    polygon = [(float(x), float(y)) for x, y in subject]
    corners = [(float(x), float(y)) for x, y in window]
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in polygon]
        kept: list[tuple[float, float]] = []
        for i, ((x, y), side) in enumerate(zip(polygon, sides, strict=True)):
            (last_x, last_y), last_side = polygon[i - 1], sides[i - 1]
            if (side >= 0.0) != (last_side >= 0.0):
                share = last_side / (last_side - side)
                kept.append((last_x + share * (x - last_x), last_y + share * (y - last_y)))
            if side >= 0.0:
                kept.append((x, y))
        polygon = kept
        if not polygon:
            return 0.0
    doubled = sum(polygon[i - 1][0] * y - x * polygon[i - 1][1] for i, (x, y) in enumerate(polygon))
    return 0.5 * doubled
