"""What pushing does to the T: the closed-form model that the scripted expert plans with.

Frictionless contact and a table that takes all momentum make pushing kinematic. A pusher that
follows one point of a face, r from the centre of mass with inward normal n, gives the T the
constant body twist of least kinetic energy (Goyal, Ruina and Papadopoulos 1991, for an
ellipsoidal limit surface in the ratio inertia / mass):

    v = λ n / m,   ω = λ (r × n) / I,

so the T, and the pusher with it, turn about a centre that is fixed on the table. All poses here
are those of the centre of mass: x, y [px], angle [rad].
"""

import numpy as np
from numpy.typing import NDArray

from sims.pusht.geometry import (
    BOX_CENTRES,
    BOX_HALF_SIZES,
    CENTRE_OF_MASS,
    INERTIA,
    MASS,
    PUSHER_RADIUS,
    rotation,
)

Array = NDArray[np.float64]

_CENTRES = BOX_CENTRES - CENTRE_OF_MASS
_INSET = 4.0
_SPACING = 7.0


def _faces() -> tuple[Array, Array]:
    (bar_x, bar_y), (stem_x, stem_y) = BOX_HALF_SIZES
    top = -CENTRE_OF_MASS[1]
    under = top + 2 * bar_y
    bottom = under + 2 * stem_y
    # The pusher's own radius keeps it this far from the inner corners.
    inner = PUSHER_RADIUS + 2.0
    sides = [
        ((-bar_x + _INSET, top), (bar_x - _INSET, top), (0.0, -1.0)),
        ((-stem_x + _INSET, bottom), (stem_x - _INSET, bottom), (0.0, 1.0)),
    ]
    for side in (-1.0, 1.0):
        sides += [
            ((side * bar_x, top + _INSET), (side * bar_x, under - _INSET), (side, 0.0)),
            ((side * (stem_x + inner), under), (side * (bar_x - _INSET), under), (0.0, 1.0)),
            ((side * stem_x, under + inner), (side * stem_x, bottom - _INSET), (side, 0.0)),
        ]
    points, normals = [], []
    for start, end, normal in sides:
        extent = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        count = round(extent / _SPACING) + 1
        points.append(np.linspace(start, end, count))
        normals.append(np.tile(normal, (count, 1)))
    return np.concatenate(points), np.concatenate(normals)


CONTACTS, NORMALS = _faces()
"""Points to push at, every 7 px or so of each face, and outward normals there: (P, 2) each."""


def _twists() -> Array:
    inward = -NORMALS
    lever = CONTACTS[:, 0] * inward[:, 1] - CONTACTS[:, 1] * inward[:, 0]
    twist = np.concatenate([inward / MASS, (lever / INERTIA)[:, None]], axis=1)
    give = 1.0 / MASS + lever**2 / INERTIA
    return twist / give[:, None]


TWISTS: Array = _twists()
"""Body twists (P, 3) [px, px, rad] for each px that the contact gives way along its normal."""


def to_centre_of_mass(pose: Array) -> Array:
    """Pose (3,) of the T's frame, as observed → pose (3,) of its centre of mass."""
    return np.array([*(pose[:2] + rotation(float(pose[2])) @ CENTRE_OF_MASS), pose[2]])


def push(poses: Array, twists: Array) -> Array:
    """Poses after moving by body twists; shapes (..., 3) that broadcast.

    The exponential of a planar twist: the chord of its arc lies at half the turn.
    """
    half = 0.5 * twists[..., 2]
    chord = np.sinc(half / np.pi)
    heading = poses[..., 2] + half
    cosine, sine = np.cos(heading) * chord, np.sin(heading) * chord
    return np.stack(
        [
            poses[..., 0] + cosine * twists[..., 0] - sine * twists[..., 1],
            poses[..., 1] + sine * twists[..., 0] + cosine * twists[..., 1],
            poses[..., 2] + twists[..., 2],
        ],
        axis=-1,
    )


def distance_to_t(points: Array) -> Array:
    """Distance from ``points`` (..., 2) in the centre-of-mass frame to the T, (...), ≥ 0."""
    outside = np.maximum(np.abs(points[..., None, :] - _CENTRES) - BOX_HALF_SIZES, 0.0)
    gaps: Array = np.sqrt((outside**2).sum(axis=-1).min(axis=-1))
    return gaps
