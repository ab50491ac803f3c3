"""What turns, as numbers that never jump: read by a learnt reward as policies read it."""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.rotations import SIX, matrices, six
from ilrobot.turning import Turning


class Encoding:
    """Vectors with their angles as sine and cosine and their rotations as six numbers each.

    Attributes:
        size: Elements of what comes of a vector.

    Args:
        turning: What turns among the elements of a vector.
    """

    def __init__(self, turning: Turning) -> None:
        self._plain, self._angles = list(turning.plain), list(turning.angles)
        self._rotations = turning.rotations
        self.size = len(self._plain) + 2 * len(self._angles) + SIX * len(self._rotations)

    def __call__(self, rows: Tensor) -> Tensor:
        """Shape (N, elements) to (N, size), in physical units."""
        if not self._angles and not self._rotations:
            return rows
        radians = rows[:, self._angles]
        turned = [six(matrices(rows[:, r.part], r.unit)) for r in self._rotations]
        return torch.cat([rows[:, self._plain], radians.sin(), radians.cos(), *turned], dim=1)
