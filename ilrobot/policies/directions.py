"""Which numbers turn with the world about the vertical, told by their names and units.

A place is told by `ilrobot.policies.places`. ``peg_axis_x`` and ``peg_axis_y`` of unit 1 are a
direction, ``cube_vx`` and ``cube_vy`` in m/s a velocity; ``cube_cos_4yaw`` and ``cube_sin_4yaw`` a
turn that is the same again after a quarter. What lies between two things, as
``peg_to_hole_cos_4yaw``, does not turn.
"""

from __future__ import annotations

import re

from ilrobot.policies.places import BETWEEN, LENGTHS
from ilrobot.spec import Spec

_ALONG = re.compile(r"(.+_v?)([xy])")
_TURN = re.compile(r"(.+)_(cos|sin)_(\d*)yaw")
#: What an action calls the speed of a turn about x and about y.
_RATES = (("rx", "ry"), ("wx", "wy"))


def level_directions(spec: Spec) -> list[tuple[int, int]]:
    """Directions and velocities that are observed, as indices of x and y.

    Indices are into all vector observations side by side.
    """
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for index, (name, unit) in _elements(spec).items():
        match = _ALONG.fullmatch(name)
        if match and (unit == "1" or (unit.partition("/")[0] in LENGTHS and "/" in unit)):
            pairs.setdefault((match[1], unit), {})[match[2]] = index
    return [(found["x"], found["y"]) for found in pairs.values() if len(found) == 2]


def level_turns(spec: Spec) -> list[tuple[int, int, int]]:
    """Turns about the vertical that are observed, as indices of cosine and sine, and how many fold.

    Those from one thing to another are left out, since they do not turn with the world.
    """
    pairs: dict[tuple[str, int], dict[str, int]] = {}
    for index, (name, _) in _elements(spec).items():
        match = _TURN.fullmatch(name)
        if match and BETWEEN not in match[1]:
            pairs.setdefault((match[1], int(match[3] or 1)), {})[match[2]] = index
    return [(p["cos"], p["sin"], n) for (_, n), p in pairs.items() if len(p) == 2]


def level_rates(spec: Spec) -> tuple[int, int] | None:
    """Which elements of the action are the speed of a turn about x and about y (None: none)."""
    names, units = list(spec.action.names), spec.action.units
    for x, y in _RATES:
        if x in names and y in names and all("/" in units[names.index(n)] for n in (x, y)):
            return names.index(x), names.index(y)
    return None


def _elements(spec: Spec) -> dict[int, tuple[str, str]]:
    """Name and unit of each observed element that has both and is part of no rotation."""
    found, start = {}, 0
    for feature in spec.observations:
        turning = {index for rotation in feature.rotations for index in rotation.elements}
        for index, named in enumerate(zip(feature.names, feature.units, strict=False)):
            if index not in turning:
                found[start + index] = named
        start += feature.size
    return found
