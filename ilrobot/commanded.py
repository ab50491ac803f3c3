"""Which observed element an element of the action is the target of: told by their names."""

from __future__ import annotations

from ilrobot.spec import Feature, Spec


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
    observed in a row.

    Returns:
        Indexes into all vector observations in their order, flattened (None: it is not observed, or
        not known to be).
    """
    action = spec.action
    elements, start = [], 0
    for feature in spec.observations:
        if len(feature.shape) <= 1:
            elements += [(start + i, feature, i) for i in range(len(feature.names))]
            start += feature.size
    sources: list[int | None] = [None] * action.size
    for index, name in enumerate(action.names):
        wanted = observed_names(name)
        found = [
            source
            for source, feature, i in elements
            if feature.names[i] in wanted and _agree(action, index, feature, i)
        ]
        if len(found) == 1:
            sources[index] = found[0]
    for rotation in action.rotations:
        first = sources[rotation.start] or 0
        if sources[rotation.part] != list(range(first, first + len(rotation.elements))):
            sources[rotation.part] = [None] * len(rotation.elements)
    return tuple(sources)


def _agree(action: Feature, index: int, feature: Feature, i: int) -> bool:
    units = (action.units[index : index + 1], feature.units[i : i + 1])
    frames = (action.frame, feature.frame)
    return all(not one or not other or one == other for one, other in (units, frames))
