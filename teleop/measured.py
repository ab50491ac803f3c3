"""Where the robot is measured to be, in terms of its action: read from the names of a `Spec`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.commanded import called_alike, commanded
from ilrobot.errors import UserError
from ilrobot.spec import Spec


class Measured:
    """Where the robot is, in terms of its action.

    Names, units and frames say so (see `ilrobot.commanded.commanded`).

    Args:
        spec: Of the task.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec, self._sources = spec, commanded(spec)

    def target(self, observation: Observation) -> NDArray[np.float64] | None:
        """In terms of the whole absolute action (None: the Spec does not tell).

        Where an environment states no names, a state that begins with elements of the action's very
        limits says so, too.
        """
        size = self._spec.action.size
        named = self.elements(observation, range(size))
        if named is not None:
            return named
        action = self._spec.action
        for feature in self._spec.observations:
            if feature.names or feature.low is None or feature.high is None or feature.size < size:
                continue
            if (feature.low[:size], feature.high[:size]) == (action.low, action.high):
                return np.asarray(observation[feature.name][:size], dtype=np.float64)
        return None

    def elements(
        self, observation: Observation, which: Sequence[int]
    ) -> NDArray[np.float64] | None:
        """What is measured of these elements of the action (None: not of all of them)."""
        known = [source for i in which if (source := self._sources[i]) is not None]
        if len(known) < len(which):
            return None
        vectors = [observation[f.name] for f in self._spec.observations if len(f.shape) <= 1]
        measured = np.concatenate([np.reshape(vector, -1) for vector in vectors])
        return np.asarray(measured[known], dtype=np.float64)


def takes_targets(spec: Spec) -> bool:
    """Whether its action says where to go, rather than how fast or how hard.

    Raises:
        UserError: All of it is observed by name, but in other units or frames, or more than once.
    """
    if spec.semantics not in ("absolute", "unknown"):
        return False
    if len(spec.action.velocities) == spec.action.size:
        return False
    # Velocities and accelerations are absolute too; a target has an observation of its own kind.
    example = {f.name: np.zeros(f.shape) for f in spec.observations}
    if Measured(spec).target(example) is not None:
        return True
    alike = called_alike(spec)
    if alike and all(alike.values()):
        index = next(i for i, source in enumerate(commanded(spec)) if source is None)
        name, unit = spec.action.names[index], spec.action.units[index : index + 1]
        raise UserError(
            f"task '{spec.task}': where the robot is cannot be told: '{name}' of the action"
            f"{''.join(f' ({word})' for word in unit if word)} is observed as "
            f"{' and as '.join(alike[name])}; state it once, in the unit and frame of the action, "
            "and give what else is called so another name"
        )
    return False
