"""Any bounded vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from ilrobot.actors import Action, Observation
from ilrobot.spec import Spec
from teleop.bindings import VECTOR, Bindings, TeleopCommand
from teleop.mappings.mapping import Intent, Mapping, limits, six


class VectorMapping(Mapping):
    """Any bounded vector of up to six elements: each axis spans one element's range."""

    steers_speed = False

    def __init__(self, spec: Spec, bindings: Bindings = VECTOR) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = limits(spec)

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """Released sticks give the middle of each range."""
        share = 0.5 * (np.asarray(command.twist[: self._low.size]) + 1.0)
        return self._array(self._low + share * (self._high - self._low))

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The stick for each element."""
        span = self._high - self._low
        twist = 2.0 * (np.asarray(action, dtype=np.float64) - self._low) / span - 1.0
        return Intent(six(twist))

    def _scale(self) -> dict[str, Any]:
        return {"low": self._low.tolist(), "high": self._high.tolist()}
