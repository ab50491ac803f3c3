"""Ways around the T for the pusher's centre: a visibility graph over eight corners.

Everything here is in the T's centre-of-mass frame, in px, unless it says "table".
"""

import numpy as np
from numpy.typing import NDArray

from sims.pusht.geometry import CENTRE_OF_MASS, PUSHER_RADIUS
from sims.pusht.pushing import distance_to_t

Array = NDArray[np.float64]

CLEARANCE = PUSHER_RADIUS + 2.0
"""Distance to the T that a way keeps, once it has it."""

_OFFSET = 18.0
_CORNERS: Array = (
    np.array(
        [
            [-60.0 - _OFFSET, -_OFFSET],
            [60.0 + _OFFSET, -_OFFSET],
            [60.0 + _OFFSET, 30.0 + _OFFSET],
            [15.0 + _OFFSET, 30.0 + _OFFSET],
            [15.0 + _OFFSET, 120.0 + _OFFSET],
            [-15.0 - _OFFSET, 120.0 + _OFFSET],
            [-15.0 - _OFFSET, 30.0 + _OFFSET],
            [-60.0 - _OFFSET, 30.0 + _OFFSET],
        ]
    )
    - CENTRE_OF_MASS
)
_SAMPLES: Array = np.linspace(0.0, 1.0, 25)


def _lengths(starts: Array, ends: Array) -> Array:
    """Lengths (A, B) of the straight ways from ``starts`` (A, 2) to ``ends``; inf where blocked.

    A start closer than the clearance may leave if it goes away from the T.
    """
    along = ends[None] - starts[:, None]
    length = np.hypot(along[..., 0], along[..., 1])
    points = starts[:, None, None] + _SAMPLES[:, None] * along[:, :, None]
    gaps = distance_to_t(points)
    needed = np.minimum(CLEARANCE, gaps[..., :1] - 0.1 + 0.3 * _SAMPLES * length[..., None])
    return np.where((gaps >= needed).all(axis=-1), length, np.inf)


class Navigator:
    """Shortest ways from anywhere to a fixed set of ``goals`` (G, 2) beside the T."""

    def __init__(self, goals: Array) -> None:
        self._goals = goals
        self._between = _lengths(_CORNERS, _CORNERS)
        self._last = _lengths(_CORNERS, goals)

    def lengths(self, start: Array, corner_allowed: NDArray[np.bool_]) -> Array:
        """Length (G,) of the shortest way from ``start`` (2,) to each goal, inf where none."""
        direct = _lengths(start[None], self._goals)[0]
        return np.minimum(
            direct, (self._to_corners(start, corner_allowed)[0][:, None] + self._last).min(axis=0)
        )

    def way(self, start: Array, goal: int, corner_allowed: NDArray[np.bool_]) -> Array:
        """Corner points (n, 2) of the shortest way from ``start`` to goal number ``goal``.

        The last is the goal itself. Where every way is blocked, it is the straight one.
        """
        end = self._goals[goal]
        distance, parent = self._to_corners(start, corner_allowed)
        total = distance + self._last[:, goal]
        best = int(total.argmin())
        if not total[best] < _lengths(start[None], end[None])[0, 0]:
            return end[None]
        chain = [end, _CORNERS[best]]
        while parent[best] >= 0:
            best = int(parent[best])
            chain.append(_CORNERS[best])
        return np.array(chain[::-1])

    def _to_corners(
        self, start: Array, allowed: NDArray[np.bool_]
    ) -> tuple[Array, NDArray[np.intp]]:
        distance = np.where(allowed, _lengths(start[None], _CORNERS)[0], np.inf)
        parent = np.full(len(_CORNERS), -1)
        for _ in range(len(_CORNERS)):
            through = distance[:, None] + np.where(allowed, self._between, np.inf)
            nearest = through.argmin(axis=0)
            shorter = through.min(axis=0) < distance - 1e-9
            if not shorter.any():
                break
            distance = np.where(shorter, through.min(axis=0), distance)
            parent = np.where(shorter, nearest, parent)
        return distance, parent


def corners() -> Array:
    """The graph's corners (8, 2)."""
    return _CORNERS
