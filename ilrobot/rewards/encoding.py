"""What turns, as numbers that never jump: read by a learnt reward as policies read it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ilrobot.policies.rotations import SIX, matrices, six
from ilrobot.rotation_units import Rotation


class Encoding:
    """Vectors with their angles as sine and cosine and their rotations as six numbers each.

    Attributes:
        size: Elements of what comes of a vector.

    Args:
        given: Elements of a vector.
        angles: Which of them are angles that wrap.
        rotations: Which are rotations, see `ilrobot.policies.rotations`.
    """

    def __init__(self, given: int, angles: Sequence[int], rotations: Sequence[Rotation]) -> None:
        self._angles, self._rotations = list(angles), tuple(rotations)
        turning = {*self._angles, *(index for r in rotations for index in r.elements)}
        self._plain = [index for index in range(given) if index not in turning]
        self.size = len(self._plain) + 2 * len(self._angles) + SIX * len(self._rotations)

    def __call__(self, rows: Tensor) -> Tensor:
        """Shape (N, given) to (N, size), in physical units."""
        if not self._angles and not self._rotations:
            return rows
        radians = rows[:, self._angles]
        turned = [six(matrices(rows[:, r.part], r.unit)) for r in self._rotations]
        return torch.cat([rows[:, self._plain], radians.sin(), radians.cos(), *turned], dim=1)
