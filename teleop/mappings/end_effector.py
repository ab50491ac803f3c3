"""Steps of an end effector with a gripper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.bindings import DIRECTIONS, END_EFFECTOR, Bindings, Control, TeleopCommand
from teleop.mappings.mapping import Intent, Mapping, limits, six
from teleop.mappings.span import share
from teleop.measured import Measured


class EndEffectorMapping(Mapping):
    """Controller ``ee_delta_gripper``: steps dx dy dz rx ry rz and an absolute gripper opening.

    A press toggles the gripper, and what is commanded is its state, fully open or closed, so that
    a lost press can be seen and mended.
    """

    def __init__(self, spec: Spec, bindings: Bindings = END_EFFECTOR) -> None:
        super().__init__(spec, bindings)
        low, high = limits(spec)
        if len(high) != len(DIRECTIONS) + 1:
            raise UserError(
                f"task '{spec.task}': controller 'ee_delta_gripper' needs 7 action elements "
                f"(dx dy dz rx ry rz gripper), not {len(high)}"
            )
        self._step = np.minimum(np.abs(low[:6]), np.abs(high[:6]))
        self._closed, self._open = float(low[6]), float(high[6])
        self._opened: bool | None = None
        self._measured = Measured(spec)

    @property
    def twist_step(self) -> NDArray[np.float64]:
        """The limits of the action."""
        return self._step

    @property
    def action_step(self) -> NDArray[np.float64]:
        """The limits of the action; the gripper switches."""
        return np.append(self._step, np.inf)

    def reset(self) -> None:
        """Begin with the gripper as it will be measured."""
        self._opened = None

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """Steps in the frame of the action feature, and the gripper's state."""
        opened = self._is_open(observation) != bool(command.toggles % 2)
        self._opened = opened
        gripper = self._open if opened else self._closed
        return self._array([*(np.asarray(command.twist) * self._step), gripper])

    def follow(self, executed: Action) -> None:
        """Keep the gripper as it was commanded: taking over must not drop what it holds."""
        self._opened = self._means_open(executed)

    def intent(self, action: Action, observation: Observation) -> Intent:
        """Sticks for the steps; the gripper's button if it is to change its state."""
        twist = share(np.asarray(action[:6], dtype=np.float64), self._step)
        changes = self._means_open(action) != self._is_open(observation)
        tap = self.bindings.buttons(Control.GRIPPER)[0] if changes else None
        return Intent(six(twist), tap=tap)

    def _means_open(self, action: Action) -> bool:
        return float(action[6]) > 0.5 * (self._open + self._closed)

    def _is_open(self, observation: Observation) -> bool:
        if self._opened is None:
            measured = self._measured.elements(observation, (6,))
            middle = 0.5 * (self._open + self._closed)
            return measured is None or not float(measured[0]) <= middle
        return self._opened

    def _scale(self) -> dict[str, Any]:
        return {"step": self._step.tolist(), "gripper": [self._closed, self._open]}
