"""Which elements of a feature are a rotation: told by their units, as angles are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

#: Units of the consecutive elements that are one rotation, and how many those are: the vector axis
#: times angle in rad, and the quaternion with its real part first or last.
ROTATION_UNITS = {"rotvec": 3, "quat_wxyz": 4, "quat_xyzw": 4}


class Rotation(NamedTuple):
    """Elements that are one rotation.

    Attributes:
        start: Index of the first.
        unit: One of `ROTATION_UNITS`.
    """

    start: int
    unit: str

    @property
    def elements(self) -> range:
        """Their indexes."""
        return range(self.start, self.start + ROTATION_UNITS[self.unit])

    @property
    def part(self) -> slice:
        """The same, to cut them out."""
        return slice(self.start, self.start + ROTATION_UNITS[self.unit])

    @property
    def axes(self) -> slice:
        """Those that go with the axes x, y and z: all but a quaternion's real part."""
        first = self.start + (self.unit == "quat_wxyz")
        return slice(first, first + 3)


def find_rotations(units: Sequence[str]) -> tuple[Rotation, ...]:
    """The rotations among elements with these units, in order.

    Raises:
        ValueError: So many elements in a row are no whole number of rotations.
    """
    found: list[Rotation] = []
    start = 0
    for unit, run in groupby(units):
        length = len(list(run))
        size = ROTATION_UNITS.get(unit)
        if size is not None:
            if length % size:
                raise ValueError(
                    f"{length} elements in a row of unit '{unit}', of which {size} are a rotation"
                )
            found += [Rotation(first, unit) for first in range(start, start + length, size)]
        start += length
    return tuple(found)
