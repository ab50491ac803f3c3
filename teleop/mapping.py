"""From a person's command to an action of the task, and back.

`make_mapping` chooses by the task's `Spec`: steps of an end effector with a gripper, targets that
the stick moves, any bounded vector, or a choice. Full stick is what the Spec's limits allow.
Each has an exact inverse, so that a simulated person can intend an action and hold the pad for it.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.bindings import (
    DIRECTIONS,
    END_EFFECTOR,
    PICTURE,
    REST,
    VECTOR,
    Bindings,
    Control,
    Six,
    TeleopCommand,
)
from teleop.clutch import REACH, REACH_OF_RANGE, leashed
from teleop.measured import measured_elements, measured_target, takes_targets


@dataclass(frozen=True)
class Intent:
    """What a hand must do for an action: steer, and perhaps press.

    Attributes:
        twist: -1 … 1 for each of `DIRECTIONS`, to be held.
        tap: Button to press once (None: none).
        hold: Button to hold (None: none).
    """

    twist: Six = REST
    tap: str | None = None
    hold: str | None = None


class Mapping(ABC):
    """Turns commands into actions of one task; remembers what a person does not keep telling.

    Args:
        spec: The task.
        bindings: What each axis and button does.
    """

    steers_speed = True
    """The stick sets a speed, so that half of it goes the same way more slowly."""
    leash = 0.0
    """Share of its leash that a target kept here used at the last tick, 0 … 1."""

    def __init__(self, spec: Spec, bindings: Bindings) -> None:
        self.spec = spec
        self.bindings = bindings

    @property
    def twist_step(self) -> NDArray[np.float64] | None:
        """Full step of each of `DIRECTIONS` per tick, m and rad (None: it steers no tool)."""
        return None

    @property
    def action_step(self) -> NDArray[np.float64] | None:
        """Full step of each element of the action per tick, infinite where it may switch.

        None where the elements are no quantities that move by steps.
        """
        return None

    def steers(self, direction: int) -> bool:
        """Whether a stick moves the action along this one of `DIRECTIONS`."""
        return any(direction in stick.directions for stick in self.bindings.sticks)

    @property
    def hash(self) -> str:
        """Identifies everything that turns a device's state into an action."""
        settings = {"kind": type(self).__name__, "bindings": asdict(self.bindings), **self._scale()}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def reset(self) -> None:  # noqa: B027 (not every mapping remembers something)
        """Begin an episode."""

    @abstractmethod
    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """The action for this tick: shape and units of the task's action feature."""

    def follow(self, executed: Action) -> None:  # noqa: B027
        """Somebody else acted: begin where that led to when the person acts again."""

    @abstractmethod
    def intent(self, action: Action, observation: Observation) -> Intent:
        """What commands this action from the present state: the inverse of `action`."""

    @abstractmethod
    def _scale(self) -> dict[str, Any]:
        """What beside the bindings decides the action, as plain JSON."""

    def _array(self, values: Sequence[float] | NDArray[Any] | int) -> Action:
        return np.asarray(values, dtype=self.spec.action.dtype)


class EndEffectorMapping(Mapping):
    """Controller ``ee_delta_gripper``: steps dx dy dz rx ry rz and an absolute gripper opening.

    A press toggles the gripper, and what is commanded is its state, fully open or closed, so that
    a lost press can be seen and mended.
    """

    def __init__(self, spec: Spec, bindings: Bindings = END_EFFECTOR) -> None:
        super().__init__(spec, bindings)
        low, high = _limits(spec)
        if len(high) != len(DIRECTIONS) + 1:
            raise UserError(
                f"task '{spec.task}': controller 'ee_delta_gripper' needs 7 action elements "
                f"(dx dy dz rx ry rz gripper), not {len(high)}"
            )
        self._step = np.minimum(np.abs(low[:6]), np.abs(high[:6]))
        self._closed, self._open = float(low[6]), float(high[6])
        self._opened: bool | None = None

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
        twist = np.asarray(action[:6], dtype=np.float64) / self._step
        changes = self._means_open(action) != self._is_open(observation)
        tap = self.bindings.buttons(Control.GRIPPER)[0] if changes else None
        return Intent(_six(twist), tap=tap)

    def _means_open(self, action: Action) -> bool:
        return float(action[6]) > 0.5 * (self._open + self._closed)

    def _is_open(self, observation: Observation) -> bool:
        if self._opened is None:
            measured = measured_elements(
                self.spec, observation, (self.spec.action.element_names[6],)
            )
            middle = 0.5 * (self._open + self._closed)
            return measured is None or float(measured[0]) > middle
        return self._opened

    def _scale(self) -> dict[str, Any]:
        return {"step": self._step.tolist(), "gripper": [self._closed, self._open]}


class TargetMapping(Mapping):
    """Absolute targets: the stick moves the target, which begins where the robot is measured.

    Full stick crosses the whole range in `CROSSING` seconds. Each element of the target stays on
    its leash to what is measured; see `teleop.clutch`.
    """

    CROSSING = 1.5

    def __init__(self, spec: Spec, bindings: Bindings = PICTURE) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = _limits(spec)
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
        ahead = (np.asarray(action, dtype=np.float64) - self._where(observation)) / self._step
        return Intent(_six(ahead / max(1.0, float(np.linalg.norm(ahead)))))

    def _hold(self, target: NDArray[np.float64], observation: Observation) -> NDArray[np.float64]:
        achieved = measured_target(self.spec, observation)
        if achieved is None:
            return target
        held = [
            leashed(target[i : i + 1], achieved[i : i + 1], reach)
            for i, reach in enumerate(self._reach)
        ]
        self.leash = max(share for _, share in held)
        return np.concatenate([place for place, _ in held])

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


class VectorMapping(Mapping):
    """Any bounded vector of up to six elements: each axis spans one element's range."""

    steers_speed = False

    def __init__(self, spec: Spec, bindings: Bindings = VECTOR) -> None:
        super().__init__(spec, bindings)
        self._low, self._high = _limits(spec)

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """Released sticks give the middle of each range."""
        share = 0.5 * (np.asarray(command.twist[: self._low.size]) + 1.0)
        return self._array(self._low + share * (self._high - self._low))

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The stick for each element."""
        span = self._high - self._low
        twist = 2.0 * (np.asarray(action, dtype=np.float64) - self._low) / span - 1.0
        return Intent(_six(twist))

    def _scale(self) -> dict[str, Any]:
        return {"low": self._low.tolist(), "high": self._high.tolist()}


class ChoiceMapping(Mapping):
    """Discrete actions: a button for each choice but the one that rests.

    At rest, with nothing held, it gives the choice that is named so (``noop``, ``none``, …); where
    none is, the middle one of three (left, nothing, right), the last one pressed of two, and
    choice 0 of more.
    """

    steers_speed = False

    BUTTONS = (
        "dpleft",
        "dpright",
        "dpup",
        "dpdown",
        "a",
        "leftshoulder",
        "leftstick",
        "rightstick",
    )

    def __init__(self, spec: Spec, bindings: Bindings = VECTOR) -> None:
        super().__init__(spec, bindings)
        choices = spec.choices or 0
        self._rest = _resting_choice(spec)
        active = [choice for choice in range(choices) if choice != self._rest]
        if len(active) > len(self.BUTTONS):
            raise UserError(
                f"task '{spec.task}' has {choices} discrete actions, but a pad has buttons for "
                f"{len(self.BUTTONS) + 1}; wrap it with fewer"
            )
        self._choice = dict(zip(self.BUTTONS, active, strict=False))
        self._last = 0

    def reset(self) -> None:
        """Begin at rest."""
        self._last = 0

    def action(self, command: TeleopCommand, observation: Observation) -> Action:
        """The choice of the button that is down; of several, the one pressed last."""
        down = [self._choice[name] for name in command.buttons if name in self._choice]
        if down:
            self._last = down[-1]
            return self._array(down[-1])
        return self._array(self._last if self._rest is None else self._rest)

    def follow(self, executed: Action) -> None:
        """Keep the last choice."""
        self._last = int(executed)

    def intent(self, action: Action, observation: Observation) -> Intent:
        """The choice's button, held."""
        return Intent(hold={c: button for button, c in self._choice.items()}.get(int(action)))

    def _scale(self) -> dict[str, Any]:
        return {"choice": self._choice, "rest": self._rest}


def make_mapping(spec: Spec) -> Mapping:
    """The mapping for a task.

    Raises:
        UserError: Six axes and a few buttons cannot command its actions.
    """
    if spec.choices is not None:
        return ChoiceMapping(spec)
    if spec.controller == "ee_delta_gripper":
        return EndEffectorMapping(spec)
    if spec.action.size > len(DIRECTIONS):
        raise UserError(
            f"task '{spec.task}' has {spec.action.size} action elements, but a device steers "
            f"{len(DIRECTIONS)}; record it with another program and use: ilrobot import"
        )
    return TargetMapping(spec) if takes_targets(spec) else VectorMapping(spec)


def _limits(spec: Spec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = spec.action.low, spec.action.high
    if low is None or high is None or not all(map(math.isfinite, (*low, *high))):
        raise UserError(
            f"task '{spec.task}': the action has no finite limits, so that full stick means "
            "nothing; wrap it, e.g. in gymnasium.wrappers.RescaleAction"
        )
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def _resting_choice(spec: Spec) -> int | None:
    for index, name in enumerate(spec.action.names):
        if name.lower() in ("noop", "none", "nothing", "rest", "idle", "stay"):
            return index
    return {1: 0, 2: None, 3: 1}.get(spec.choices or 0, 0)


def _six(values: NDArray[np.float64]) -> Six:
    padded = np.zeros(len(DIRECTIONS))
    padded[: values.size] = np.clip(values, -1.0, 1.0)
    x, y, z, roll, pitch, yaw = padded.tolist()
    return x, y, z, roll, pitch, yaw
