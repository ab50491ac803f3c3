"""Rotations once a tick: quaternions, the turns between them, and of equal answers the nearest.

A rotation is kept as a unit quaternion (w, x, y, z), of which q and -q are the same. A turn is a
rotation vector, axis times angle in rad, about the axes of the frame that the rotation is given in:

    q' = exp(turn / 2) q,    turn = 2 log(q' q*)

Shuster 1993, "A survey of attitude representations". A fixed sequence of operations on doubles:
`exports/cpp/src/turns.cpp` gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.rotation_units import Rotation

Quaternion = tuple[float, float, float, float]
Turn = tuple[float, float, float]

#: What is shorter has no direction: rounding to float32 would have a say in it.
_LEAST = 1e-4
#: Below this angle its sine is the angle itself, in doubles.
_SMALL = 1e-8


def quaternion(values: Sequence[float], unit: str) -> Quaternion | None:
    """The unit quaternion of a rotation given in one of `ilrobot.rotation_units.ROTATION_UNITS`.

    Returns:
        None where they are no rotation: not finite, or a quaternion of no length.
    """
    if unit == "rotvec":
        angle = _length(values[0], values[1], values[2])
        return _exp(values[0], values[1], values[2], angle) if math.isfinite(angle) else None
    w, x, y, z = values if unit == "quat_wxyz" else (values[3], values[0], values[1], values[2])
    length = math.sqrt(w * w + x * x + (y * y + z * z))
    if not (math.isfinite(length) and length >= _LEAST):
        return None
    return w / length, x / length, y / length, z / length


def in_unit(q: Quaternion, unit: str) -> list[float]:
    """Inverse of `quaternion`; with w < 0 the rotation vector of more than half a turn."""
    w, x, y, z = q
    if unit == "quat_wxyz":
        return [w, x, y, z]
    if unit == "quat_xyzw":
        return [x, y, z, w]
    return list(_log(w, x, y, z))


def nearest(values: Sequence[float], to: Sequence[float], unit: str) -> list[float]:
    """The same rotation by those of its equal answers that are nearest to other values.

    Equal are q and -q, and rotation vectors whole turns apart. The length of a quaternion stays.
    """
    if unit != "rotvec":
        along = (values[0] * to[0] + values[1] * to[1]) + (values[2] * to[2] + values[3] * to[3])
        return [-value for value in values] if along < 0.0 else list(values)
    angle, axis = _length(values[0], values[1], values[2]), values
    if angle < _SMALL:  # no turn: any axis does
        axis, length = to, _length(to[0], to[1], to[2])
        if length < math.pi:
            return list(values)
    else:
        length = angle
    x, y, z = axis[0] / length, axis[1] / length, axis[2] / length
    ahead = x * to[0] + y * to[1] + z * to[2] - angle
    more = 2.0 * math.pi * math.floor(ahead / (2.0 * math.pi) + 0.5)
    if more == 0.0:
        return list(values)
    return [values[0] + more * x, values[1] + more * y, values[2] + more * z]


def nearest_rows(
    commands: NDArray[Any],
    to: NDArray[Any],
    rotations: Sequence[Rotation],
    angles: Sequence[int] = (),
) -> NDArray[Any]:
    """The same commands, shape (T, A), with each rotation `nearest` to that of others, (T, A).

    So is each of the elements `angles`, in rad, by whole turns. What is not finite stays as it is.
    """
    if not (rotations or angles):
        return commands
    told = commands.copy()
    for index in angles:
        with np.errstate(invalid="ignore"):
            turns = np.round((to[:, index] - told[:, index]) / (2.0 * math.pi))
        told[:, index] += 2.0 * math.pi * np.where(np.isfinite(turns), turns, 0.0)
    for rotation in rotations:
        pairs = zip(commands[:, rotation.part].tolist(), to[:, rotation.part].tolist(), strict=True)
        told[:, rotation.part] = [
            nearest(row, other, rotation.unit)
            if all(math.isfinite(x) for x in (*row, *other))
            else row
            for row, other in pairs
        ]
    return told


def equal_answers(values: Sequence[float], unit: str) -> list[list[float]]:
    """A rotation as it is given, and its next equal answers: -q, or a turn more and one less."""
    if unit != "rotvec":
        return [list(values), [-value for value in values]]
    angle = _length(values[0], values[1], values[2])
    if angle < _SMALL:
        return [list(values)]
    whole = 2.0 * math.pi / angle
    more, less = 1.0 + whole, 1.0 - whole
    return [list(values), [v * more for v in values], [v * less for v in values]]


def between(start: Quaternion, end: Quaternion) -> Turn:
    """The turn of at most half a whole one that leads from one rotation to another."""
    (a, b, c, d), (w, x, y, z) = start, end
    real = (w * a + x * b) + (y * c + z * d)
    i = (x * a - w * b) + (z * c - y * d)
    j = (y * a - w * c) + (x * d - z * b)
    k = (z * a - w * d) + (y * b - x * c)
    return _log(-real, -i, -j, -k) if real < 0.0 else _log(real, i, j, k)


def turned(q: Quaternion, turn: Sequence[float]) -> Quaternion:
    """Where a turn leads to, by the quaternion nearest to where it begins."""
    x, y, z = turn
    (a, b, c, d), (w, i, j, k) = _exp(x, y, z, _length(x, y, z)), q
    new = (
        (a * w - b * i) - (c * j + d * k),
        (a * i + b * w) + (c * k - d * j),
        (a * j + c * w) + (d * i - b * k),
        (a * k + d * w) + (b * j - c * i),
    )
    length = math.sqrt(new[0] * new[0] + new[1] * new[1] + (new[2] * new[2] + new[3] * new[3]))
    return new[0] / length, new[1] / length, new[2] / length, new[3] / length


def unrolled(commands: NDArray[Any], rotations: Sequence[Rotation]) -> NDArray[np.float64]:
    """Commands whose rotations are counted as turned since the first of them, without a jump.

    Args:
        commands: Shape (T, A), one uninterrupted motion.
        rotations: Those of absolute commands.

    Returns:
        The same, with the sum of the turns about x, y and z in rad at the elements of each rotation
        but a quaternion's real part, which is 0; NaN from what is no rotation on.
    """
    counted = np.array(commands, dtype=np.float64)
    for rotation in rotations:
        rows = counted[:, rotation.part].tolist()
        turns, last = np.zeros((len(rows), 3)), None
        for tick, row in enumerate(rows):
            now = quaternion(row, rotation.unit)
            if tick:
                turns[tick] = math.nan if last is None or now is None else between(last, now)
            last = now
        counted[:, rotation.part] = 0.0
        counted[:, rotation.axes] = np.cumsum(turns, axis=0)
    return counted


def _length(x: float, y: float, z: float) -> float:
    return math.sqrt(x * x + y * y + z * z)


def _exp(x: float, y: float, z: float, angle: float) -> Quaternion:
    """Of a rotation vector and its length, which is finite."""
    scale = 0.5 if angle < _SMALL else math.sin(0.5 * angle) / angle
    return math.cos(0.5 * angle), x * scale, y * scale, z * scale


def _log(w: float, x: float, y: float, z: float) -> Turn:
    """The rotation vector of a unit quaternion; of no turn, 0 whatever its sign."""
    sine = _length(x, y, z)
    scale = math.copysign(2.0, w) if sine < _SMALL else 2.0 * math.atan2(sine, w) / sine
    return x * scale, y * scale, z * scale
