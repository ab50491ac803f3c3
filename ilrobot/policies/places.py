"""Where things are as seen from one of them, told by the names of what is observed.

``cube_x``, ``cube_y`` and ``cube_z`` are where the cube is, ``peg_to_hole_x`` is how far the hole
lies beyond the peg. Where one thing is as seen from another is then a sum and difference of
elements of one frame and unit, found by going from one to the next, axis by axis: not every place
has a height.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Units of what is a place; others are directions, turns and speeds.
LENGTHS = frozenset({"m", "cm", "mm", "px"})
_ELEMENT = re.compile(r"(.+)_([xyz])")
#: What stands between the names of two things whose distance a name is of.
BETWEEN = "_to_"
#: What a place is seen from where its name names nothing else.
_BASE = ""
#: What the action calls the quantity x, in the order in which it is looked for.
_COMMANDS = ("d{}", "v{}", "target_{}", "{}")

#: From one thing to another along an axis, to the index of the element that says how far.
Ways = dict[tuple[str, str, str], int]
#: Index of an observed element, all vector observations side by side, to its sign.
Sum = Mapping[int, float]


def places_from(spec: Spec, origin: str) -> dict[str, dict[str, Sum]]:
    """Where other things are as seen from one, along the axes of the frame of observation.

    Args:
        spec: Whose vector observations are read.
        origin: Name of the thing.

    Returns:
        Name to axis (``x``, ``y``, ``z``) to the sum of elements that says so; the origin itself
        and the base are left out.
    """
    found: dict[str, dict[str, Sum]] = {}
    for ways in _ways(spec):
        there: dict[str, dict[str, Sum]] = {}
        for axis in "xyz":
            for name, terms in _reached(ways, axis, origin).items():
                there.setdefault(name, {})[axis] = terms
        found = there | found
    return found


def check_frame(spec: Spec, frame: tuple[str, ...]) -> None:
    """Refuse a frame that cannot be told from what is observed.

    Args:
        spec: Of the observations.
        frame: Whose place is the origin, and towards whose place the first axis points.

    Raises:
        UserError: It is not two things, or it is not observed where they are.
    """
    where = ":".join(frame)
    if len(set(frame)) != 2 or len(frame) != 2 or not all(frame):
        raise UserError(
            f"a frame is from one thing towards another, such as cube:goal, not '{where}'"
        )
    origin, goal = frame
    level = places_from(spec, origin).get(goal, {})
    if not {"x", "y"} <= level.keys():
        raise UserError(
            f"the frame {where} cannot be told: nothing that is observed says how {goal} lies from "
            f"{origin}, such as {origin}{BETWEEN}{goal}_x, or {origin}_x and {goal}_x in one frame "
            f"and unit, and y, in {', '.join(sorted(LENGTHS))}; --frame none does without"
        )


def level_pair(spec: Spec) -> tuple[int, int] | None:
    """Which elements of the action move in the horizontal plane, along x and y of observation.

    They are called ``dx`` and ``dy``, ``vx`` and ``vy``, ``target_x`` and ``target_y``, or ``x``
    and ``y``.

    Returns:
        Their indices (None: there are none, or they are in another frame than what is observed).
    """
    frames = {feature.frame for feature in spec.observations if feature.frame}
    if spec.action.frame and frames and spec.action.frame not in frames:
        return None
    names = list(spec.action.names)
    for word in _COMMANDS:
        x, y = (word.format(axis) for axis in "xy")
        if x in names and y in names:
            return names.index(x), names.index(y)
    return None


def axes_of(spec: Spec, frame: tuple[str, ...]) -> str:
    """The coordinate frame along whose axes it is observed where things are (empty: unstated)."""
    origin, goal = frame
    element = next(iter(places_from(spec, origin)[goal]["x"]))
    for feature in spec.observations:
        if element < feature.size:
            return feature.frame
        element -= feature.size
    raise IndexError(element)


def _ways(spec: Spec) -> list[Ways]:
    """From what to what each element leads, by frame and unit, of which no two are mixed."""
    found: dict[tuple[str, str], Ways] = {}
    start = 0
    for feature in spec.observations:
        for index, (name, unit) in enumerate(zip(feature.names, feature.units, strict=False)):
            match = _ELEMENT.fullmatch(name)
            if match and unit in LENGTHS:
                begin, between, end = match[1].partition(BETWEEN)
                way = (begin, end, match[2]) if between else (_BASE, begin, match[2])
                found.setdefault((feature.frame, unit), {}).setdefault(way, start + index)
        start += feature.size
    return list(found.values())


def _reached(ways: Ways, axis: str, origin: str) -> dict[str, Sum]:
    """Where things are from the origin along one axis, as far as that can be told."""
    reached: dict[str, Sum] = {origin: {}}
    queue = deque([origin])
    while queue:
        here = queue.popleft()
        for (start, end, along), index in ways.items():
            for begin, other, sign in ((start, end, 1.0), (end, start, -1.0)):
                if along == axis and begin == here and other not in reached:
                    step = reached[here].get(index, 0.0) + sign
                    reached[other] = {**reached[here], index: step}
                    queue.append(other)
    return {name: terms for name, terms in reached.items() if name not in (origin, _BASE)}
