"""Which numbers turn with the world about the vertical, told by their names and units.

A place is told by `ilrobot.policies.places`. ``peg_axis_x`` and ``peg_axis_y`` of unit 1 are a
direction, ``cube_vx`` and ``cube_vy`` in m/s a velocity; ``cube_cos_4yaw`` and ``cube_sin_4yaw`` a
turn that is the same again after a quarter. What lies between two things, as
``peg_to_hole_cos_4yaw``, does not turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ilrobot.policies.places import BETWEEN, LENGTHS, level_pair
from ilrobot.spec import Spec

_DIRECTION = re.compile(r"(.+_(?:axis|dir|direction|heading|normal)_)([xy])")
_VELOCITY = re.compile(r"(.+_v?)([xy])")
_TURN = re.compile(r"(.+)_(cos|sin)_([1-9]\d*)?yaw")
#: What an action calls a motion along x.
_MOTIONS = frozenset({"dx", "vx"})
#: What it calls the speed of a turn about x and about y.
_RATES = (("rx", "ry"), ("wx", "wy"))


def level_directions(spec: Spec, axes: str = "") -> list[tuple[int, int]]:
    """Directions and velocities that are observed, as indices of x and y.

    Indices are into all vector observations side by side.

    Args:
        spec: Of the observations.
        axes: The frame whose axes they are to be along; in one that states none they are.
    """
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for index, name, unit in _elements(spec, axes):
        length, per, _ = unit.partition("/")
        form = _DIRECTION if unit == "1" else _VELOCITY if per and length in LENGTHS else None
        if form and (match := form.fullmatch(name)):
            pairs.setdefault((match[1], unit), {})[match[2]] = index
    return [(found["x"], found["y"]) for found in pairs.values() if len(found) == 2]


def level_turns(spec: Spec, axes: str = "") -> list[tuple[int, int, int]]:
    """Turns about the vertical that are observed, as indices of cosine and sine, and how many fold.

    Those from one thing to another are left out, since they do not turn with the world. Arguments
    are those of `level_directions`.
    """
    pairs: dict[tuple[str, int], dict[str, int]] = {}
    for index, name, _ in _elements(spec, axes):
        match = _TURN.fullmatch(name)
        if match and BETWEEN not in match[1]:
            pairs.setdefault((match[1], int(match[3] or 1)), {})[match[2]] = index
    return [(p["cos"], p["sin"], n) for (_, n), p in pairs.items() if len(p) == 2]


def level_motions(spec: Spec, axes: str = "", *, ways: bool) -> list[tuple[int, int]]:
    """Which elements of the action turn with the world, as indices of x and y.

    Steps and speeds do, along the axes and about them, and ways to go. A target is a place, which
    is not turned, and then nothing is.

    Args:
        spec: Whose action it is.
        axes: The frame whose axes they are to be along, see `level_directions`.
        ways: Whether targets are predicted as ways to go.
    """
    pair = level_pair(spec)
    if pair is None or (axes and spec.action.frame not in ("", axes)):
        return []
    if not (ways or spec.semantics == "delta" or spec.action.names[pair[0]] in _MOTIONS):
        return []
    names = list(spec.action.names)
    units = spec.action.units or ("",) * len(names)
    rates = [
        (names.index(x), names.index(y))
        for x, y in _RATES
        if x in names and y in names and all("/" in units[names.index(n)] for n in (x, y))
    ]
    return [pair, *rates]


def _elements(spec: Spec, axes: str) -> Iterator[tuple[int, str, str]]:
    """Index, name and unit of each observed element that has both and is part of no rotation."""
    start = 0
    for feature in spec.observations:
        turning = {index for rotation in feature.rotations for index in rotation.elements}
        if not (axes and feature.frame) or feature.frame == axes:
            for index, (name, unit) in enumerate(zip(feature.names, feature.units, strict=False)):
                if index not in turning:
                    yield start + index, name, unit
        start += feature.size
