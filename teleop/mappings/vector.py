"""Any bounded vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from ilrobot.actors import Action, Observation
from ilrobot.spec import Spec
from teleop.bindings import VECTOR, Bindings, TeleopCommand
from teleop.mappings.mapping import Intent, Mapping, limits, six
from teleop.mappings.span import Span


class VectorMapping(Mapping):
    """Any bounded vector of up to six elements: each axis spans one element's range."""

    steers_speed = False

    def __init__(self, spec: Spec, bindings: Bindings = VECTOR) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = limits(spec)
        self._span = Span(spec, self._low, self._high)

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """Released sticks give the middle of each range, of velocities 0."""
        return self._array(self._span.values(np.asarray(command.twist[: self._low.size])))

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The stick for each element."""
        return Intent(six(self._span.twist(np.asarray(action, dtype=np.float64))))

    def _scale(self) -> dict[str, Any]:
        return {"low": self._low.tolist(), "high": self._high.tolist()}
