"""Rotations as the first two columns of their matrix, which never jump.

Rotation vectors and quaternions jump where the rotation does not: at half a turn, and between q and
-q, which are the same. Zhou et al. 2019, "On the continuity of rotation representations in neural
networks": no representation in fewer than five numbers is free of that; in six, section 4.2,

    g(R)       = [r1 r2], the first two columns
    f([a1 a2]) = [b1 b2 b3],  b1 = N(a1),  b2 = N(a2 - (b1 · a2) b1),  b3 = b1 x b2

with N the vector of length 1. Nothing here branches on data, so that it can be exported.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Numbers of a rotation as policies read and predict it.
SIX = 6
#: What is shorter has no direction: rounding to float32 would have a say in it.
_LEAST = 1e-4
#: What turns by less, in rad, turns about no axis, as in `ilrobot.control.turns`.
_NO_TURN = 1e-8
#: Below this sine of half the angle the limit at 0 is exact in float32.
_SMALL = 1e-4


def matrices(values: Tensor, unit: str) -> Tensor:
    """Rotation matrices, (..., 3, 3), of rotation vectors (..., 3) or quaternions (..., 4)."""
    w, x, y, z = quaternions(values, unit).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternions(values: Tensor, unit: str) -> Tensor:
    """Unit quaternions (..., 4), real part first, of values in that unit; of no length: no turn."""
    if unit == "rotvec":
        angle = _length(values)
        small = angle < _SMALL
        half = angle / 2
        scale = torch.where(small, 0.5, half.sin() / torch.where(small, 1.0, angle))
        return torch.cat([half.cos(), values * scale], dim=-1)
    if unit == "quat_xyzw":
        values = torch.cat([values[..., 3:], values[..., :3]], dim=-1)
    return _unit(values, _axis(values, 0))


def in_unit(quaternion: Tensor, unit: str) -> Tensor:
    """Inverse of `quaternions`; with w < 0 the rotation vector of more than half a turn."""
    if unit == "quat_wxyz":
        return quaternion
    w, vector = quaternion[..., :1], quaternion[..., 1:]
    if unit == "quat_xyzw":
        return torch.cat([vector, w], dim=-1)
    sine = _length(vector)
    small = sine < _SMALL
    angle = 2 * torch.atan2(torch.where(small, 1.0, sine), w)
    # Next to a whole turn no axis can be told, and none is needed: it is no turn.
    return vector * torch.where(small, 2 * w.sign(), angle / torch.where(small, 1.0, sine))


def six(matrix: Tensor) -> Tensor:
    """The first two columns, (..., 3, 3) to (..., 6)."""
    return torch.cat([matrix[..., 0], matrix[..., 1]], dim=-1)


def orthonormal(six: Tensor) -> Tensor:
    """The matrix that two columns span, (..., 6) to (..., 3, 3), whatever the numbers are."""
    first, second = six[..., :3], six[..., 3:]
    b1 = _unit(first, _axis(first, 0))
    aside = torch.where(b1[..., :1].abs() < 0.9, _axis(first, 0), _axis(first, 1))
    b2 = _unit(_across(second, b1), _unit(_across(aside, b1), aside))
    return torch.stack([b1, b2, _cross(b1, b2)], dim=-1)


def of_matrices(matrix: Tensor) -> Tensor:
    """Unit quaternions (..., 4), real part first and of either sign, of rotation matrices.

    The largest of the four numbers is taken from the diagonal, so that nothing is divided by a
    small one: Shepperd 1978, "Quaternion from rotation matrix".
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in matrix.unbind(-2))
    candidates = (
        (1 + a + e + i, h - f, c - g, d - b),
        (h - f, 1 + a - e - i, b + d, c + g),
        (c - g, b + d, 1 - a + e - i, f + h),
        (d - b, c + g, f + h, 1 - a - e + i),
    )
    best, greatest = torch.stack(candidates[0], dim=-1), candidates[0][0]
    for index, candidate in enumerate(candidates[1:], start=1):
        better = candidate[index] > greatest
        best = torch.where(better[..., None], torch.stack(candidate, dim=-1), best)
        greatest = torch.where(better, candidate[index], greatest)
    return _unit(best, _axis(best, 0))


def along(quaternion: Tensor, start: Tensor) -> Tensor:
    """Each with the sign by which it is nearest to the one before, (..., H, 4) and (..., 1, 4).

    The first is compared with `start`: of the rotation [1, 0, 0, 0] it is the one with w >= 0.
    """
    before = torch.cat([start.expand_as(quaternion[..., :1, :]), quaternion[..., :-1, :]], dim=-2)
    turned = ((quaternion * before).sum(dim=-1, keepdim=True) < 0).to(quaternion.dtype)
    return quaternion * (1 - 2 * torch.remainder(turned.cumsum(dim=-2), 2))


def nearest(values: Tensor, to: Tensor, unit: str) -> Tensor:
    """`ilrobot.control.turns.nearest` of many: the equal answer that is nearest to another's.

    Args:
        values: Shape (..., 3) or (..., 4), in the unit.
        to: Broadcasts with it.
        unit: One of `ilrobot.rotation_units.ROTATION_UNITS`.
    """
    if unit != "rotvec":
        away = (values * to).sum(dim=-1, keepdim=True) < 0
        return torch.where(away, -values, values)
    angle, length = _length(values), _length(to)
    small = angle < _NO_TURN  # then any axis does
    aside = to / torch.where(length < _LEAST, 1.0, length)
    axis = torch.where(small, aside, values / torch.where(small, 1.0, angle))
    ahead = (axis * to).sum(dim=-1, keepdim=True) - angle
    return values + 2 * math.pi * torch.floor(ahead / (2 * math.pi) + 0.5) * axis


def running_product(matrix: Tensor) -> Tensor:
    """M_0 M_1 ... M_k at each tick k, (..., H, 3, 3), in log H products."""
    step = 1
    while step < matrix.shape[-3]:
        longer = matrix[..., :-step, :, :] @ matrix[..., step:, :, :]
        matrix = torch.cat([matrix[..., :step, :, :], longer], dim=-3)
        step *= 2
    return matrix


def _length(vector: Tensor) -> Tensor:
    return vector.square().sum(dim=-1, keepdim=True).sqrt()


def _unit(vector: Tensor, otherwise: Tensor) -> Tensor:
    """Of length 1; where it has next to none, `otherwise`."""
    length = _length(vector)
    short = length < _LEAST
    return torch.where(short, otherwise, vector / torch.where(short, 1.0, length))


def _axis(like: Tensor, index: int) -> Tensor:
    """1 at that index and 0 elsewhere, shape (size,)."""
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)[index]


def _across(vector: Tensor, direction: Tensor) -> Tensor:
    """What is left of it at right angles to a direction of length 1."""
    return vector - (vector * direction).sum(dim=-1, keepdim=True) * direction


def _cross(one: Tensor, other: Tensor) -> Tensor:
    (a, b, c), (d, e, f) = one.unbind(-1), other.unbind(-1)
    return torch.stack([b * f - c * e, c * d - a * f, a * e - b * d], dim=-1)
