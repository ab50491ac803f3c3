"""Which of the elements of features that lie side by side turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ilrobot.rotation_units import Rotation
from ilrobot.spec import Feature


@dataclass(frozen=True)
class Turning:
    """Indexes of what jumps where nothing does, unless it is told in other numbers.

    Attributes:
        size: All elements.
        angles: Those that wrap: told as sine and cosine.
        rotations: Told as the first two columns of their matrix.
    """

    size: int
    angles: tuple[int, ...]
    rotations: tuple[Rotation, ...]

    @classmethod
    def of(cls, features: Iterable[Feature]) -> Turning:
        """Of features in this order, the elements of each after those of the one before."""
        angles: list[int] = []
        rotations: list[Rotation] = []
        size = 0
        for feature in features:
            angles += [size + index for index in feature.angles]
            rotations += [Rotation(size + r.start, r.unit) for r in feature.rotations]
            size += feature.size
        return cls(size, tuple(angles), tuple(rotations))

    @property
    def plain(self) -> tuple[int, ...]:
        """All others."""
        turning = {*self.angles, *(index for r in self.rotations for index in r.elements)}
        return tuple(index for index in range(self.size) if index not in turning)
