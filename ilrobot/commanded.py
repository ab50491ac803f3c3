"""Which observed element an element of the action is the target of: told by their names."""

from __future__ import annotations

import re
from itertools import takewhile

from ilrobot.rotation_units import Rotation
from ilrobot.spec import Feature, Spec

#: How the common beginning of a rotation's element names ends, which says of what kind it is.
_KIND = re.compile(
    r"(^|[._])(quaternion|quat|q|rotvec|rotation_vector|axis_angle|rotation|rot|orientation|r)$"
)


def observed_names(target: str) -> frozenset[str]:
    """What an observation calls the quantity of which the action calls the target so.

    ``target_x`` or ``x`` of the action is ``agent_x`` or ``x`` of an observation.
    """
    plain = target.removeprefix("target_")
    return frozenset({target, plain, f"agent_{plain}"})


def commanded(spec: Spec) -> tuple[int | None, ...]:
    """For each element of the action where the quantity that it commands is observed.

    That is an element whose name says so, in the same unit and frame where both are stated. Of two
    such elements it is neither. A rotation is commanded as a whole or not at all: its elements are
    observed in a row. One that is observed in another unit has no such elements, see
    `commanded_rotations`.

    Returns:
        Indexes into all vector observations in their order, flattened (None: it is not observed, or
        not known to be).
    """
    action = spec.action
    sources: list[int | None] = [None] * action.size
    for index, found in enumerate(_observed(spec)):
        if len(found) == 1:
            sources[index] = found[0][0]
    for rotation in action.rotations:
        first = sources[rotation.start] or 0
        if sources[rotation.part] != list(range(first, first + len(rotation.elements))):
            sources[rotation.part] = [None] * len(rotation.elements)
    return tuple(sources)


def undecided(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Elements of the action for which more than one that is observed is called alike.

    Returns:
        Name of the element → the names of both or all, each with the observation that it is in.
    """
    return {
        name: tuple(where for _, where in found)
        for name, found in zip(spec.action.names, _observed(spec), strict=True)
        if len(found) > 1
    }


def called_alike(spec: Spec) -> dict[str, tuple[str, ...]]:
    """What is observed under the name of each element of the action, in whatever unit and frame.

    Returns:
        Name of the element → all that are called like it (empty: none), each with the observation
        that it is in, and its unit where one is stated.
    """
    return {
        name: tuple(where for _, where in found)
        for name, found in zip(spec.action.names, _observed(spec, alike=True), strict=True)
    }


def _observed(spec: Spec, *, alike: bool = False) -> list[list[tuple[int, str]]]:
    """For each named element of the action those observed that are called like it.

    Each as its index into all vector observations, and its name there; `alike` takes those in
    another unit or frame, too, and says which.
    """
    action = spec.action
    elements, start = [], 0
    for feature in spec.observations:
        if len(feature.shape) <= 1:
            elements += [(start + i, feature, i) for i in range(len(feature.names))]
            start += feature.size
    return [
        [
            (source, f"{feature.names[i]} of {feature.name}" + (_kind(feature, i) if alike else ""))
            for source, feature, i in elements
            if feature.names[i] in observed_names(name)
            and (alike or _agree(action, index, feature, i))
        ]
        for index, name in enumerate(action.names)
    ]


def commanded_rotations(spec: Spec) -> tuple[Rotation | None, ...]:
    """For each rotation of the action where what it commands is observed, and in which unit.

    In the same unit it is told by its elements, see `commanded`. A rotation vector that commands
    what is observed as a quaternion, or the reverse, is told by how all names of its elements
    begin, without what says of which kind it is: ``target_tool_rx`` … and ``tool_qw`` … are of a
    tool, and ``rx`` … and ``qw`` … of the one thing that there is. Of two such it is neither.

    Returns:
        `Rotation.start` counts as the indexes of `commanded` do (None: it is not observed, or not
        known to be).
    """
    action, sources = spec.action, commanded(spec)
    observed: list[tuple[str, Rotation]] = []
    start = 0
    for feature in spec.observations:
        if len(feature.shape) <= 1:
            frames = (action.frame, feature.frame)
            if not all(frames) or frames[0] == frames[1]:
                observed += [
                    (
                        _whole_name(feature, rotation),
                        Rotation(start + rotation.start, rotation.unit),
                    )
                    for rotation in feature.rotations
                ]
            start += feature.size
    found: list[Rotation | None] = []
    for rotation in action.rotations:
        source = sources[rotation.start]
        if source is not None:
            found.append(Rotation(source, rotation.unit))
            continue
        name = _whole_name(action, rotation)
        wanted = {_KIND.sub("", each) for each in observed_names(name)} if name else set()
        alike = [
            other
            for each, other in observed
            if each and _KIND.sub("", each) in wanted and other.unit != rotation.unit
        ]
        found.append(alike[0] if len(alike) == 1 else None)
    return tuple(found)


def _whole_name(feature: Feature, rotation: Rotation) -> str:
    """How the names of all elements of a rotation begin (empty: in no common way, or unnamed)."""
    names = feature.names[rotation.part] or ("",)
    pairs = zip(min(names), max(names), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)).rstrip("._")


def _kind(feature: Feature, i: int) -> str:
    said = [*feature.units[i : i + 1], f"frame {feature.frame}" if feature.frame else ""]
    words = ", ".join(filter(None, said))
    return f" ({words})" if words else ""


def _agree(action: Feature, index: int, feature: Feature, i: int) -> bool:
    units = (action.units[index : index + 1], feature.units[i : i + 1])
    frames = (action.frame, feature.frame)
    return all(not one or not other or one == other for one, other in (units, frames))
