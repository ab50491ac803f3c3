"""Where the robot is measured to be, in terms of its action: read from the names of a `Spec`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.commanded import observed_names
from ilrobot.spec import Spec


def measured_target(spec: Spec, observation: Observation) -> NDArray[np.float64] | None:
    """Where the robot is, in terms of its absolute action (None: the Spec does not tell).

    The names say so (see `ilrobot.commanded.observed_names`); where an environment states no names,
    a state that begins with elements of the action's very limits does.
    """
    names = spec.action.names
    named = measured_elements(spec, observation, names) if names else None
    if named is not None:
        return named
    size = spec.action.size
    for feature in spec.observations:
        if feature.names or feature.low is None or feature.high is None or feature.size < size:
            continue
        if (feature.low[:size], feature.high[:size]) == (spec.action.low, spec.action.high):
            return np.asarray(observation[feature.name][:size], dtype=np.float64)
    return None


def measured_elements(
    spec: Spec, observation: Observation, names: Sequence[str]
) -> NDArray[np.float64] | None:
    """What the observations measure of these elements of the action (None: not all of them)."""
    values = []
    for name in names:
        wanted = observed_names(name)
        for feature in spec.observations:
            found = next((i for i, known in enumerate(feature.names) if known in wanted), None)
            if found is not None:
                values.append(float(observation[feature.name].reshape(-1)[found]))
                break
        else:
            return None
    return np.array(values)


def takes_targets(spec: Spec) -> bool:
    """Whether its action says where to go, rather than how fast or how hard."""
    if spec.semantics not in ("absolute", "unknown"):
        return False
    if len(spec.action.velocities) == spec.action.size:
        return False
    # Velocities and accelerations are absolute too; a target has an observation of its own kind.
    example = {f.name: np.zeros(f.shape) for f in spec.observations}
    return measured_target(spec, example) is not None
