"""Targets that the stick moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.control.turns import nearest_rows
from ilrobot.spec import Spec
from teleop.bindings import PICTURE, Bindings, TeleopCommand
from teleop.clutch import REACH, REACH_OF_RANGE, leashed
from teleop.mappings.mapping import Intent, Mapping, limits, six
from teleop.measured import measured_target


class TargetMapping(Mapping):
    """Absolute targets: the stick moves the target, which begins where the robot is measured.

    Full stick crosses the whole range in `CROSSING` seconds. Each element of the target stays on
    its leash to what is measured; see `teleop.clutch`.
    """

    CROSSING = 1.5

    def __init__(self, spec: Spec, bindings: Bindings = PICTURE) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = limits(spec)
        self._step = (self._high - self._low) / (self.CROSSING * spec.rate)
        units = spec.action.units or ("",) * self._low.size
        of_range = REACH_OF_RANGE * (self._high - self._low)
        self._reach = [REACH.get(unit, own) for unit, own in zip(units, of_range, strict=True)]
        self._target: NDArray[np.float64] | None = None

    @property
    def action_step(self) -> NDArray[np.float64]:
        """What full stick moves the target by."""
        return self._step

    def reset(self) -> None:
        """Begin where the robot will be measured."""
        self._target = None
        self.leash = 0.0

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """The target after this tick, within its limits and on its leash."""
        moved = self._where(observation) + self._step * command.twist[: self._step.size]
        self._target = np.clip(self._hold(moved, observation), self._low, self._high)
        return self._array(self._target)

    def follow(self, executed: Action) -> None:
        """Begin again where the robot is: its target may lie far ahead of it."""
        self._target = None

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The stick towards the wanted target, at most fully."""
        here = self._where(observation)
        ahead = (self._as_near(np.asarray(action, dtype=np.float64), here) - here) / self._step
        return Intent(six(ahead / max(1.0, float(np.linalg.norm(ahead)))))

    def _hold(self, target: NDArray[np.float64], observation: Observation) -> NDArray[np.float64]:
        achieved = measured_target(self.spec, observation)
        if achieved is None:
            return target
        achieved = self._as_near(achieved, target)
        held = [
            leashed(target[i : i + 1], achieved[i : i + 1], reach)
            for i, reach in enumerate(self._reach)
        ]
        self.leash = max(share for _, share in held)
        return np.concatenate([place for place, _ in held])

    def _as_near(self, values: NDArray[Any], to: NDArray[Any]) -> NDArray[Any]:
        """The same, with rotations by the numbers nearest to others: measured ones jump."""
        return nearest_rows(values[None], to[None], self.spec.target_rotations)[0]

    def _where(self, observation: Observation) -> NDArray[np.float64]:
        if self._target is not None:
            return self._target
        measured = measured_target(self.spec, observation)
        if measured is None:
            return 0.5 * (self._low + self._high)
        return np.clip(measured, self._low, self._high)

    def _scale(self) -> dict[str, Any]:
        return {
            "low": self._low.tolist(),
            "high": self._high.tolist(),
            "step": self._step.tolist(),
            "leash": [float(reach) for reach in self._reach],
        }
