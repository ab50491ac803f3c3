"""What every mapping is: a person's command to an action of the task, and back.

Full stick is what the Spec's limits allow. Each has an exact inverse, so that a simulated person
can intend an action and hold the pad for it.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.spec import NO_LIMIT, Spec
from teleop.bindings import DIRECTIONS, REST, Bindings, Six, TeleopCommand


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
    unmeasured = False
    """What was measured at the last tick is not finite, so that a target kept here stayed."""

    def __init__(self, spec: Spec, bindings: Bindings) -> None:
        self.spec = spec
        self.bindings = bindings

    @property
    def choices(self) -> dict[str, str]:
        """Which button is which choice, by its name or number (empty: sticks steer)."""
        return {}

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


def limits(spec: Spec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest of each element of the action.

    Raises:
        UserError: One bounds nothing.
    """
    low, high = spec.action.low, spec.action.high
    if low is None or high is None or not all(abs(x) < NO_LIMIT for x in (*low, *high)):
        raise UserError(
            f"task '{spec.task}': the action has no finite limits, so that full stick means "
            "nothing; wrap it, e.g. in gymnasium.wrappers.RescaleAction"
        )
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def six(values: NDArray[np.float64]) -> Six:
    """Up to six values as a twist, cut off at full stick."""
    padded = np.zeros(len(DIRECTIONS))
    padded[: values.size] = np.clip(values, -1.0, 1.0)
    x, y, z, roll, pitch, yaw = padded.tolist()
    return x, y, z, roll, pitch, yaw
